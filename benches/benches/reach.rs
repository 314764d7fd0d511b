//! One origin: the reach within 15 minutes, and its three isochrones. Before it, what another profile costs.

use carecircle_benches::{extracts, study};
use carecircle_core::isochrone::{Drawing, isochrones};
use carecircle_core::profile::Profile;
use carecircle_core::search::{Reach, Search};
use carecircle_core::time::WalkTime;
use carecircle_formats::profile;
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;

fn reach(c: &mut Criterion) {
    for (name, path) in extracts() {
        let study = study(&path);
        let network = study.network();
        let weights = network.weigh(&Profile::walk());
        let mut origins = (0..study.facilities().len()).filter_map(|f| study.facility_source(f, &weights)).cycle();
        let limits = [5.0, 10.0, 15.0].map(WalkTime::from_minutes);
        let mut search = Search::new();
        let mut group = c.benchmark_group(format!("reach/{name}"));
        for name in profile::NAMES {
            let profile = profile::named(name).expect("a known profile");
            group.bench_function(format!("switch to {name}"), |b| b.iter(|| black_box(network.weigh(&profile))));
        }
        group.bench_function("15 minutes", |b| {
            b.iter(|| {
                let source = origins.next().expect("the study has facilities");
                let doors: Vec<_> = source.doors.iter().map(|door| door.snap).collect();
                black_box(Reach::new(&mut search, network, &weights, &doors, limits[2]))
            });
        });
        group.bench_function("isochrones of 5, 10, 15 minutes", |b| {
            b.iter(|| {
                let source = origins.next().expect("the study has facilities");
                black_box(isochrones(&mut search, &study, &weights, &source, &limits, &Drawing::default()))
            });
        });
        group.finish();
    }
}

criterion_group!(benches, reach);
criterion_main!(benches);
