# What a change should pass; .ci/run calls the same.

check:
    cargo check --workspace --all-targets

test:
    cargo test --workspace

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# Draws the demo town anew and accepts changed goldens.
bless:
    cargo run -p carecircle-tests --example draw-demo-town
    BLESS=1 cargo test -p carecircle-tests --test pipeline

# Compares walks with Valhalla and OSRM on the same extract: agreement/README.md.
agreement CITY *ARGS:
    cargo build --release -p carecircle-tests --example agreement-walks
    python3 agreement/agreement.py {{CITY}} {{ARGS}}

# Compares speed with scipy, pandana, Valhalla and OSRM on equal work: peers/README.md.
peers CITY *ARGS:
    cargo build --release -p carecircle
    cargo build --release -p carecircle-benches --example peers-ours
    python3 peers/peers.py {{CITY}} {{ARGS}}

# Compares siting plans and the time to prove them with HiGHS and spopt: peers/README.md.
peers-siting FOLDER *ARGS:
    cargo build --release -p carecircle-benches --example siting-figures
    "${PYTHON:-python3}" peers/siting.py {{FOLDER}} {{ARGS}}

# Lets GDAL, OWSLib, QGIS, MapLibre and schemathesis work with the service: clients/README.md.
clients *ARGS:
    cargo build --release -p carecircle
    python3 clients/clients.py {{ARGS}}

# Holds the service under load beside martin and pygeoapi: clients/README.md.
load *ARGS:
    cargo build --release -p carecircle
    python3 clients/load.py {{ARGS}}

bench:
    cargo bench -p carecircle-benches

deny:
    cargo deny check bans licenses sources

ci:
    bash .ci/run
