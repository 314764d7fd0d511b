#!/usr/bin/env python3
"""Lets real clients work with the service, and checks what they find. README.md beside this file says how.

    clients.py [CITY.osm.pbf] [--only gdal owslib qgis maplibre schemathesis]

Order of this file: our side, one function for each client, the table.
"""

import argparse
import functools
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
WORK = TARGET / "clients"


class Left(Exception):
    """A client that is not here and could not be installed."""


def run(*command, **options) -> str:
    """What a command prints; one that fails ends the client's turn with what it complained of."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise AssertionError(f"{command[0]} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-400:]}")
    return done.stdout


# ------------------------------------------------------------------------------------------------------ our own side


class Service:
    """`carecircle serve`, on a port of its own."""

    def __init__(self, city: Path | None, *flags: str):
        program = TARGET / "release" / "carecircle"
        if not program.is_file():
            sys.exit("cargo build --release -p carecircle")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = open(WORK / "service.log", "w", encoding="utf-8")
        cities = [city] if city else []
        command = [program, "serve", *cities, "--listen", f"127.0.0.1:{port}", *flags]
        self.process = subprocess.Popen(command, stderr=self.log)
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=5):
                    return
            except OSError:
                if self.process.poll() is not None:
                    sys.exit(f"the service ended: {WORK / 'service.log'}")
                time.sleep(0.1)
        sys.exit("the service does not begin to answer")

    def get(self, path: str) -> dict:
        """The JSON behind a path, or behind a whole address."""
        address = path if path.startswith("http") else self.url + path
        with urllib.request.urlopen(address, timeout=60) as answer:
            return json.load(answer)

    @functools.cache
    def features(self, collection: str) -> list:
        """All features of a collection, page by page."""
        out, page = [], self.get(f"/collections/{collection}/items?limit=1000")
        while True:
            out += page["features"]
            onward = [link["href"] for link in page["links"] if link["rel"] == "next"]
            if not onward:
                assert len(out) == page["numberMatched"], f"{collection}: {len(out)} of {page['numberMatched']}"
                return out
            page = self.get(onward[0])

    def tilejson(self, layer: str) -> str:
        """Where the TileJSON of a layer stands."""
        return f"{self.url}/tiles/{layer}"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


def numbers(features: list) -> dict:
    """The sum of every property that holds numbers."""
    sums: dict = {}
    for feature in features:
        for name, value in feature["properties"].items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                sums[name] = sums.get(name, 0.0) + value
    return sums


def equal(ours: float, theirs: float) -> bool:
    return abs(ours - theirs) <= 1e-9 * max(abs(ours), abs(theirs), 1.0)


# ------------------------------------------------------------------------------------------------------ the clients


def apt(program: str, package: str) -> None:
    """A Debian package, where a program is missing and may be installed."""
    if shutil.which(program) is None and shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], capture_output=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", package], capture_output=True)
    if shutil.which(program) is None:
        raise Left(f"{program} is not here: install {package}")


def python(requirements: Path = HERE / "requirements.txt") -> Path:
    """A Python with what a file of requirements names."""
    place = WORK / f"venv-{requirements.stem}"
    program = place / "bin" / "python"
    wanted = requirements.read_text(encoding="utf-8")
    stamp = place / "requirements.txt"
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != wanted:
        venv.create(place, with_pip=True, clear=True)
        run(program, "-m", "pip", "install", "--quiet", "-r", requirements)
        stamp.write_text(wanted, encoding="utf-8")
    return program


def gdal(service: Service) -> str:
    """Reads, filters and converts."""
    apt("ogr2ogr", "gdal-bin")
    told = []
    for name in ("blocks", "gaps"):
        features = service.features(name)
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / f"{name}.gpkg"
            run("ogr2ogr", "-f", "GPKG", "-nlt", "PROMOTE_TO_MULTI", out, f"OAPIF:{service.url}", name, "-oo", "PAGE_SIZE=1000")
            converted = json.loads(run("ogr2ogr", "-f", "GeoJSON", "/vsistdout/", out, name))["features"]
        assert len(converted) == len(features), f"{name}: {len(converted)} of {len(features)} features"
        ours, theirs = numbers(features), numbers(converted)
        for column, total in ours.items():
            assert equal(total, theirs.get(column, 0.0)), f"{name}: {column} sums to {theirs.get(column)}, not {total}"
        told.append(f"{len(converted)} {name}, {len(ours)} sums")
    share = "covered_share < 0.5"
    wanted = sum(1 for feature in service.features("blocks") if feature["properties"]["covered_share"] < 0.5)
    found = run("ogrinfo", "-ro", "-al", "-so", f"OAPIF:{service.url}", "blocks", "-where", share)
    assert f"Feature Count: {wanted}\n" in found, f"-where '{share}' does not find {wanted}"
    return f"{'; '.join(told)}; -where {share}: {wanted}"


def owslib(service: Service) -> str:
    """Reads the collections, a page and the description of properties."""
    program = """
import json, sys
from owslib.ogcapi.features import Features
service = Features(sys.argv[1])
found = {"collections": service.feature_collections(), "conformance": len(service.conformance()["conformsTo"])}
for name in ("blocks", "gaps"):
    page = service.collection_items(name, limit=5)
    one = service.collection_item(name, page["features"][0]["id"])
    found[name] = {"matched": page["numberMatched"], "same": one["properties"] == page["features"][0]["properties"],
                   "queryables": len(service.collection_queryables(name)["properties"]),
                   "schema": len(service.collection_schema(name)["properties"])}
print(json.dumps(found))
"""
    found = json.loads(run(python(), "-c", program, service.url))
    for name in ("blocks", "gaps"):
        assert found[name]["matched"] == len(service.features(name)) and found[name]["same"], f"{name}: {found[name]}"
        assert found[name]["queryables"] > 5, f"{name}: {found[name]}"
    return f"{len(found['collections'])} collections, {found['blocks']['queryables']} queryables of blocks"


def qgis(service: Service) -> str:
    """Loads layers without a window."""
    system = "/usr/bin/python3"
    has = lambda: subprocess.run([system, "-c", "import qgis.core"], capture_output=True).returncode == 0  # noqa: E731
    if not has() and shutil.which("apt-get") and os.geteuid() == 0:
        say("installing python3-qgis, some 190 MB")
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "python3-qgis"], capture_output=True)
    if not has():
        raise Left("QGIS is not here: install python3-qgis")
    found = json.loads(run(system, HERE / "qgis_layers.py", service.url, "blocks", "gaps").splitlines()[-1])
    for name in ("blocks", "gaps"):
        features = service.features(name)
        layer = found[name]
        assert layer["valid"] and layer["features"] == layer["with_shape"] == len(features), f"{name}: {layer}"
        assert layer["ids"] == sorted(feature["id"] for feature in features), f"{name}: other ids"
    return f"{found['blocks']['features']} blocks, {found['gaps']['features']} gaps, {len(found['blocks']['fields'])} fields"


def maplibre(service: Service) -> str:
    """Draws tiles and GeoJSON in a browser; what is rendered is what there is."""
    apt("node", "nodejs")
    apt("npm", "npm")
    chromium = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    if chromium is None:
        apt("chromium", "chromium")
        chromium = shutil.which("chromium")
    place = WORK / "map"
    place.mkdir(parents=True, exist_ok=True)
    for file in ("package.json", "map.html", "map.mjs"):
        shutil.copy(HERE / file, place / file)
    if not (place / "node_modules" / "maplibre-gl").is_dir():
        run("npm", "install", "--no-audit", "--no-fund", "--silent", cwd=place)
    pages = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=place)
    )
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    west, south, east, north = service.get("/collections/blocks")["extent"]["spatial"]["bbox"][0]
    asked = {name: service.tilejson(name) for name in ("streets", "blocks", "facilities")}
    asked |= {"gaps": f"{service.url}/collections/gaps/items?limit=10000", "bounds": json.dumps([[west, south], [east, north]])}
    address = f"http://127.0.0.1:{pages.server_port}/map.html?{urllib.parse.urlencode(asked)}"
    picture = WORK / "map.png"
    try:
        drawn = json.loads(run("node", "map.mjs", chromium, picture, address, cwd=place))
    finally:
        pages.shutdown()
    assert not drawn["problems"], drawn["problems"]
    told = []
    for name in ("blocks", "facilities", "gaps"):
        wanted = {feature["id"] for feature in service.features(name) if inside(feature, (west, south, east, north))}
        missing, strange = wanted - set(drawn[name]), set(drawn[name]) - {f["id"] for f in service.features(name)}
        # Where thousands lie in one picture, tiny ones may fall between its pixels.
        assert not strange and len(missing) <= len(wanted) // 50, f"{name}: {len(missing)} of {len(wanted)} not drawn, {strange}"
        told.append(f"{len(drawn[name])} {name}")
    # Seen from afar a city's streets are not drawn.
    first = service.get("/tiles/streets")["vector_layers"][0]["minzoom"]
    assert drawn["streets"] > 0 or drawn["zoom"] < first + 1, f"no street is drawn at zoom {drawn['zoom']}"
    return f"{', '.join(told)}, {drawn['streets']} streets; {picture}"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Hands out the page and its library; modules need their type."""

    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript"}

    def log_message(self, *_):
        pass


def inside(feature: dict, box: tuple) -> bool:
    """Whether a point lies in the box; other shapes do, for the box is theirs."""
    west, south, east, north = box
    shape = feature["geometry"]
    if shape["type"] != "Point":
        return True
    x, y = shape["coordinates"][:2]
    return west <= x <= east and south <= y <= north


def schemathesis(service: Service) -> str:
    """Tries the API by its own description, in all phases."""
    program = python().parent / "st"
    # More features than `maximum` is answered with as many as there are, as the standard wants it.
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance"
    told = run(
        program, "run", f"{service.url}/api", "--max-examples", "25", "--phases", "examples,coverage,fuzzing,stateful",
        "--checks", checks, "--seed", "1", "--request-timeout", "20", env=os.environ | {"NO_COLOR": "1"},
    )
    cases = [line.strip() for line in told.splitlines() if "test case" in line.lower() or "generated" in line.lower()]
    return cases[-1] if cases else "no failure"


CLIENTS = [gdal, owslib, qgis, maplibre, schemathesis]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    names = [client.__name__ for client in CLIENTS]
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("city", nargs="?", type=Path, help="an extract; the demo town without one")
    arguments.add_argument("--only", nargs="+", choices=names, default=names)
    asked = arguments.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    service = Service(asked.city)
    failed = False
    try:
        for client in CLIENTS:
            if client.__name__ not in asked.only:
                continue
            try:
                told = client(service)
                print(f"{client.__name__:12} ok      {told}", flush=True)
            except Left as why:
                print(f"{client.__name__:12} left    {why}", flush=True)
            except AssertionError as why:
                failed = True
                print(f"{client.__name__:12} FAILED  {why}", flush=True)
    finally:
        service.stop()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
