//! Siting instances of any size, in tiles: of a real city, or of a made-up one of a dozen quarters.

use crate::towns::Dice;
use carecircle_core::siting::{Home, Instance, Site, SitingError, Standing, Walks};
use carecircle_core::time::{Speed, WalkTime};
use std::f64::consts::TAU;

/// A tile is so wide, metres.
const TILE_M: f64 = 5_000.0;
const QUARTERS: usize = 12;
/// 15 minutes.
const LIMIT_M: f64 = 1_200.0;

/// So many sites and homes of 1 to 20 children on `tiles` × `tiles`, dense towards the middle of each quarter. Walks are
/// along a grid of streets.
pub fn tiled_city(sites: usize, homes: usize, tiles: usize) -> Result<Instance, SitingError> {
    let mut dice = Dice(7);
    let quarters: Vec<(f64, f64, f64)> = (0..QUARTERS)
        .map(|_| (dice.fraction() * TILE_M, dice.fraction() * TILE_M, 200.0 + 900.0 * dice.fraction()))
        .collect();
    let mut draw = |number: usize| {
        let (column, row) = (number % tiles, number / tiles % tiles);
        let (x, y, spread) = quarters[(dice.fraction() * QUARTERS as f64) as usize];
        let (angle, away) = (dice.fraction() * TAU, spread * (-(1.0 - dice.fraction()).ln()).sqrt());
        (column as f64 * TILE_M + x + away * angle.cos(), row as f64 * TILE_M + y + away * angle.sin())
    };
    let places: Vec<(f64, f64)> = (0..homes).map(&mut draw).collect();
    let candidates: Vec<(f64, f64)> = (0..sites).map(&mut draw).collect();
    let homes = places.iter().map(|_| Home { children: (1.0 + dice.fraction() * 20.0).floor(), area: None }).collect();
    // By square: the homes there. Nobody is drawn farther away than the margin.
    let margin = 8.0;
    let across = (tiles as f64 * TILE_M / LIMIT_M + 2.0 * margin) as usize;
    let square = |(x, y): (f64, f64)| {
        let at = |metres: f64| ((metres / LIMIT_M + margin).max(1.0) as usize).min(across - 2);
        (at(x), at(y))
    };
    let mut squares: Vec<Vec<u32>> = vec![Vec::new(); across * across];
    for (home, place) in (0..).zip(&places) {
        let (x, y) = square(*place);
        squares[y * across + x].push(home);
    }
    let mut walks = Walks::default();
    for site in &candidates {
        let (x, y) = square(*site);
        let around = (y - 1..=y + 1).flat_map(|y| (x - 1..=x + 1).map(move |x| y * across + x));
        let metres = |home: u32| {
            let place = places[home as usize];
            (place.0 - site.0).abs() + (place.1 - site.1).abs()
        };
        let near = around.flat_map(|square| &squares[square]).map(|home| (*home, metres(*home)));
        let mut near: Vec<(u32, WalkTime)> = near
            .filter(|(_, metres)| *metres <= LIMIT_M)
            .map(|(home, metres)| (home, Speed::POLICY.walk(metres)))
            .collect();
        near.sort_unstable();
        walks.push(near);
    }
    let site = Site { standing: Standing::Candidate, cost: 1.0, places: None };
    Instance::new(vec![site; sites], homes, walks)
}

/// A city again and again, side by side: about so many sites and homes. Each tile has the facilities that exist, so many of
/// the candidates, drawn by chance, and 0.25 to 2.25 times as many children in each home, so that no two are the same.
pub fn in_tiles(city: &Instance, sites: usize, homes: usize) -> Result<Instance, SitingError> {
    let mut dice = Dice(7);
    let tiles = (homes as f64 / city.homes().len() as f64).round().max(1.0) as usize;
    let is_candidate = |site: &usize| city.sites()[*site].standing != Standing::Existing;
    let candidates = (0..city.sites().len()).filter(is_candidate).count();
    let (mut all_sites, mut all_homes, mut walks) = (Vec::new(), Vec::new(), Walks::default());
    for tile in 0..tiles {
        let first = all_homes.len() as u32;
        let here = 0.5 + dice.fraction();
        all_homes.extend(
            city.homes().iter().map(|home| Home { children: home.children * here * (0.5 + dice.fraction()), ..*home }),
        );
        // As many as are due by the end of this tile.
        let mut wanted = sites * (tile + 1) / tiles - sites * tile / tiles;
        let mut left = candidates;
        for (number, site) in city.sites().iter().enumerate() {
            if is_candidate(&number) {
                let is_drawn = dice.fraction() * (left as f64) < wanted as f64;
                left -= 1;
                wanted -= usize::from(is_drawn);
                if !is_drawn {
                    continue;
                }
            }
            all_sites.push(*site);
            walks.push(city.walks().of(number).map(|(home, walk)| (first + home as u32, walk)));
        }
    }
    Instance::new(all_sites, all_homes, walks)
}
