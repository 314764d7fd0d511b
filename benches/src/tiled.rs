//! A siting instance of any size: a made-up city of a dozen quarters, repeated in tiles, each with homes and sites of its
//! own.

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
