#!/usr/bin/env python3
"""Holds the service under load beside martin and pygeoapi, in turns in one run. README.md beside this file says how.

    load.py [CITY.osm.pbf] [--seconds 8] [--rounds 3] [--only pages cached uncached memory] [--minutes 10]

Order of this file: the peers, the paths asked for, measuring, the rows of the table.
"""

import argparse
import json
import os
import random
import re
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from math import asinh, pi, radians, tan
from pathlib import Path

from clients import HERE, WORK, Left, Service, apt, python, run, say

CONNECTIONS = 64


# ------------------------------------------------------------------------------------------------------ the peers


class Peer:
    """Another server, on a port of its own."""

    def __init__(self, name: str, command, path: str, **options):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = open(WORK / f"{name}.log", "w", encoding="utf-8")
        words = [str(word) for word in command(port)]
        self.process = subprocess.Popen(words, stdout=self.log, stderr=self.log, **options)
        for _ in range(300):
            try:
                with urllib.request.urlopen(self.url + path, timeout=30) as answer:
                    self.size = len(answer.read())
                    return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.2)
        raise AssertionError(f"{name} does not answer: {WORK / name}.log")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


def martin(sources: list, path: str, cache_mb: int) -> Peer:
    place = WORK / "martin"
    program = shutil.which("martin") or place / "bin" / "martin"
    if not Path(program).is_file():
        say("building martin, which takes some minutes")
        features = ["--no-default-features", "--features", "geojson,mbtiles,metrics"]
        run("cargo", "install", "--quiet", "--locked", "--version", "1.14.0", "--root", place, *features, "martin")
    return Peer("martin", lambda port: [program, "-l", f"127.0.0.1:{port}", "-C", cache_mb, *sources], path)


PYGEOAPI = """
server:
  bind: {host: 127.0.0.1, port: 80}
  url: http://127.0.0.1
  mimetype: application/json; charset=UTF-8
  encoding: utf-8
  language: en-US
  limits: {default_items: 100, max_items: 10000}
  map: {url: "none", attribution: none}
logging: {level: ERROR}
metadata:
  identification: {title: t, description: t, keywords: [t], keywords_type: theme, terms_of_service: none, url: "none"}
  license: {name: none, url: "none"}
  provider: {name: none, url: "none"}
  contact: {name: none}
resources:
  gaps:
    type: collection
    title: gaps
    description: gaps
    keywords: [gaps]
    links: []
    extents: {spatial: {bbox: [-180, -90, 180, 90], crs: "http://www.opengis.net/def/crs/OGC/1.3/CRS84"}}
    providers: [{type: feature, name: GeoJSON, id_field: id, data: DATA}]
"""


def pygeoapi(service: Service, path: str) -> Peer:
    """Serves our gaps from a file of GeoJSON, by two workers."""
    data, config, described = (WORK / name for name in ("gaps.geojson", "pygeoapi.yml", "pygeoapi-api.yml"))
    data.write_text(json.dumps({"type": "FeatureCollection", "features": service.features("gaps")}), encoding="utf-8")
    config.write_text(PYGEOAPI.replace("DATA", str(data)), encoding="utf-8")
    where = os.environ | {"PYGEOAPI_CONFIG": str(config), "PYGEOAPI_OPENAPI": str(described)}
    folder = python(HERE / "load-requirements.txt").parent
    run(folder / "pygeoapi", "openapi", "generate", config, "--output-file", described, env=where)
    command = lambda port: [folder / "gunicorn", "-w", "2", "-b", f"127.0.0.1:{port}", "pygeoapi.flask_app:APP"]  # noqa: E731
    return Peer("pygeoapi", command, path, env=where)


# ------------------------------------------------------------------------------------------------------ what is asked


def pages(service: Service) -> list:
    """Pages of a hundred gaps, from everywhere in the collection."""
    last = max(service.get("/collections/gaps/items?limit=1")["numberMatched"] - 100, 1)
    return [f"/collections/gaps/items?limit=100&f=json&offset={offset}" for offset in range(0, last, 1 + last // 500)]


def tiles(service: Service, zooms: range) -> dict:
    """The tiles of blocks that are not empty, compressed as they are sent, by zoom, column and row."""
    west, south, east, north = service.get("/tiles/blocks")["bounds"]
    found = {}
    for z in zooms:
        column = lambda lon: int((lon + 180) / 360 * 2**z)  # noqa: B023, E731
        row = lambda lat: int((1 - asinh(tan(radians(lat))) / pi) / 2 * 2**z)  # noqa: B023, E731
        for x in range(column(west), column(east) + 1):
            for y in range(row(north), row(south) + 1):
                if body := fetched(f"{service.url}/tiles/blocks/{z}/{x}/{y}"):
                    found[z, x, y] = body
    return found


def fetched(address: str) -> bytes:
    """A tile, compressed; empty where there is none."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers={"Accept-Encoding": "gzip"}), timeout=30) as answer:
            return answer.read()
    except urllib.error.HTTPError:
        return b""


def mbtiles(found: dict, out: Path) -> None:
    """Our own tiles as a file, for a peer to serve the same bytes."""
    out.unlink(missing_ok=True)
    with sqlite3.connect(out) as db:
        db.execute("create table metadata (name text, value text)")
        db.execute("create table tiles (zoom_level integer, tile_column integer, tile_row integer, tile_data blob)")
        db.execute("create unique index tile on tiles (zoom_level, tile_column, tile_row)")
        zooms = [z for z, _, _ in found]
        layers = json.dumps({"vector_layers": [{"id": "blocks", "fields": {}}]})
        about = {"name": "blocks", "format": "pbf", "minzoom": min(zooms), "maxzoom": max(zooms), "json": layers}
        db.executemany("insert into metadata values (?, ?)", [(name, str(value)) for name, value in about.items()])
        db.executemany("insert into tiles values (?, ?, ?, ?)", [(z, x, 2**z - 1 - y, b) for (z, x, y), b in found.items()])


# ------------------------------------------------------------------------------------------------------ measuring


def wrk(url: str, paths: list, seconds: int) -> tuple:
    """Requests a second and the 99th percentile in milliseconds, the paths asked for in turns; tiles compressed."""
    encoding = "identity" if "/items" in paths[0] else "gzip"
    script = f"local r = {{}}\nwrk.headers['Accept-Encoding'] = '{encoding}'\nlocal i = 0\nlocal t = {{" + ",".join(map(json.dumps, paths))
    script += "}\ninit = function() for k, v in ipairs(t) do r[k] = wrk.format('GET', v) end end\n"
    script += "request = function() i = i % #r + 1; return r[i] end\n"
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        told = run("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s", "--latency", "-s", file.name, url)
    assert "Non-2xx" not in told and "Socket errors" not in told, told
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s|m)\b", told).groups()
    factor = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}[unit]
    return float(re.search(r"Requests/sec:\s+([\d.]+)", told).group(1)), float(value) * factor


def in_turns(ours: tuple, theirs: tuple, asked) -> str:
    """A server and its paths beside a peer's: medians over the rounds."""
    rounds = [(wrk(*ours, asked.seconds), wrk(*theirs, asked.seconds)) for _ in range(asked.rounds)]
    middle = lambda side, what: statistics.median(pair[side][what] for pair in rounds)  # noqa: E731
    ratios = sorted(mine[0] / other[0] for mine, other in rounds)
    return (
        f"{middle(0, 0):,.0f}/s, p99 {middle(0, 1):.1f} ms; theirs {middle(1, 0):,.0f}/s, p99 {middle(1, 1):.1f} ms; "
        f"{statistics.median(ratios):.2f} times ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    )


# ------------------------------------------------------------------------------------------------------ the rows


def row_pages(asked) -> str:
    """Pages of 100 gaps beside pygeoapi."""
    service = Service(asked.city)
    paths = pages(service)
    peer = pygeoapi(service, paths[0])
    try:
        with urllib.request.urlopen(service.url + paths[0], timeout=30) as answer:
            size = len(answer.read())
        return f"{in_turns((service.url, paths), (peer.url, paths), asked)}; a page has {size} and {peer.size} bytes"
    finally:
        peer.stop()
        service.stop()


def row_cached(asked) -> str:
    """Tiles that are kept, beside martin serving the same bytes from its cache."""
    service = Service(asked.city)
    found = tiles(service, range(12, 15))
    file = WORK / "ours.mbtiles"
    mbtiles(found, file)
    path = lambda prefix: [f"{prefix}/{z}/{x}/{y}" for z, x, y in found]  # noqa: E731
    peer = martin([file], path("/ours")[0], 512)
    try:
        size = sum(map(len, found.values())) / len(found)
        return f"{in_turns((service.url, path('/tiles/blocks')), (peer.url, path('/ours')), asked)}; {size:.0f} bytes each"
    finally:
        peer.stop()
        service.stop()


def row_uncached(asked) -> str:
    """Tiles cut anew for each request, beside martin cutting the same blocks from GeoJSON."""
    whole = Service(asked.city)
    found = tiles(whole, range(13, 17))
    file = WORK / "blocks.geojson"
    features = whole.features("blocks")
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    whole.stop()
    # So little memory holds the analysis, and no tile until its turn comes again.
    service = Service(asked.city, "--cache-mb", "5")
    order = random.Random(1).sample(sorted(found), len(found))
    path = lambda prefix: [f"{prefix}/{z}/{x}/{y}" for z, x, y in order]  # noqa: E731
    peer = martin([file], path("/blocks")[0], 0)
    try:
        told = in_turns((service.url, path("/tiles/blocks")), (peer.url, path("/blocks")), asked)
        some = order[:200]
        ours = sum(len(found[tile]) for tile in some) / len(some)
        theirs = sum(len(fetched(peer.url + there)) for there in path("/blocks")[: len(some)]) / len(some)
        return f"{told}; {len(found)} tiles, {ours:.0f} and {theirs:.0f} bytes each"
    finally:
        peer.stop()
        service.stop()


MIXED = """
math.randomseed(7)
local i, west, south, east, north = 0, BOX
local function lon() return string.format("%.5f", west + math.random() * (east - west)) end
local function lat() return string.format("%.5f", south + math.random() * (north - south)) end
request = function()
  i = i + 1
  local k, path = i % 20
  if k == 0 then path = string.format("/collections/gaps/items?minutes=%.3f&profile=%s", 8 + math.random() * 12, i % 40 == 0 and "walk" or "stroller")
  elseif k == 1 then path = string.format("/collections/blocks/items?filter=children%%3E%.4f", math.random() * 40)
  elseif k == 2 then path = "/nearest?lon=" .. lon() .. "&lat=" .. lat()
  elseif k == 3 then path = "/isochrones?minutes=5,10,15&lon=" .. lon() .. "&lat=" .. lat()
  elseif k == 4 then path = "/collections/blocks/items?crs=gcj02&offset=" .. math.random(0, 1000)
  elseif k < 12 then path = string.format("/collections/gaps/items?limit=100&offset=%d&bbox=-180,-90,%.5f,90", math.random(0, 500), 179 + math.random())
  else path = string.format("/tiles/blocks,streets/%d/%d/%d?minutes=%d", Z, X + math.random(0, 7), Y + math.random(0, 7), math.random(8, 20)) end
  return wrk.format("GET", path)
end
"""


def row_memory(asked) -> str:
    """Resident memory under mixed load, while other clients break off their downloads."""
    service = Service(asked.city)
    west, south, east, north = service.get("/tiles/blocks")["bounds"]
    z = 14
    x, y = int((west + 180) / 360 * 2**z), int((1 - asinh(tan(radians(north))) / pi) / 2 * 2**z)
    script = MIXED.replace("BOX", f"{west}, {south}, {east}, {north}")
    script = script.replace("Z, X", f"{z}, {x}").replace("Y + math", f"{y} + math")
    end = time.monotonic() + 60 * asked.minutes
    broken_off = 0

    def break_off() -> None:
        nonlocal broken_off
        chance = random.Random(3)
        address = service.url.removeprefix("http://")
        host, port = address.split(":")
        while time.monotonic() < end:
            path = chance.choice(["blocks/items?limit=10000", "blocks/items?f=csv", "gaps/items?f=fgb", f"circles/items?minutes={chance.randint(8, 20)}"])
            with socket.create_connection((host, int(port)), timeout=30) as client:
                client.sendall(f"GET /collections/{path} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
                client.recv(chance.choice([1, 4_096, 65_536]))
            broken_off += 1
            time.sleep(0.02)

    resident = lambda: int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{service.process.pid}/status").read_text()).group(1)) // 1024  # noqa: E731
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        words = ["wrk", "-t1", "-c24", f"-d{60 * asked.minutes}s", "--timeout", "60s", "-s", file.name, service.url]
        load = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        breaking = threading.Thread(target=break_off, daemon=True)
        breaking.start()
        seen = []
        while time.monotonic() < end:
            time.sleep(min(30, 30 * asked.minutes))
            seen.append(resident())
        told = load.communicate()[0]
        breaking.join(60)
    service.stop()
    requests = re.search(r"(\d+) requests in", told).group(1)
    return f"MB each half minute: {' '.join(map(str, seen))}; {requests} requests, {broken_off} broken off"


ROWS = {"pages": row_pages, "cached": row_cached, "uncached": row_uncached, "memory": row_memory}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("city", nargs="?", type=Path, help="an extract; the demo town without one")
    arguments.add_argument("--seconds", type=int, default=8, help="of each measurement")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--minutes", type=int, default=10, help="of the mixed load")
    arguments.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS))
    asked = arguments.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    apt("wrk", "wrk")
    failed = False
    for name in asked.only:
        try:
            print(f"{name:9} {ROWS[name](asked)}", flush=True)
        except (AssertionError, Left) as why:
            failed = True
            print(f"{name:9} FAILED  {why}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
