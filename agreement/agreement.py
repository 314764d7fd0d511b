#!/usr/bin/env python3
"""Compares carecircle's walks with Valhalla's and OSRM's on the same extract. README.md beside this file says how.

    agreement.py CITY.osm.pbf [--pairs 500] [--points 2000] [--seed 1] [--census] ...

Order of this file: places and programs, the two engines, the map's tags, the three comparisons (pairs, verdicts,
census), the report.
"""

import argparse
import collections
import concurrent.futures
import hashlib
import http.client
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target")).resolve()
WORK = TARGET / "agreement"

LIMIT_M = 1_200.0  # 15 minutes at 4.8 km/h
BAND_M = 40.0  # 30 seconds at 4.8 km/h: closer to the limit than this nobody can tell
SPEED_KMH = 4.8
AREAS_WITHIN_S = 120.0  # Valhalla's areas of a city take seconds, or for ever


# ---------------------------------------------------------------------------------------------- places and programs


def prepare(env: Path = WORK / "env", listed: Path = HERE / "requirements.txt", with_engines: bool = True) -> Path:
    """Makes the environment and unpacks the engines, once; returns the engines' folder. Goes on inside the environment."""
    engines = WORK / "engines"
    python = env / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]

    def make_env() -> None:
        run([sys.executable, "-m", "venv", env])
        run([*pip, "-r", listed])

    def unpack_engines() -> None:
        # Wheels for Python 3.12 and later; of them only programs and data are used, whatever Python this is.
        wheels = ["--no-deps", "--only-binary", ":all:", "--python-version", "3.12", "--target", engines]
        run([*pip, *wheels, "-r", HERE / "engines.txt"])

    todo = [(env, listed, make_env)]
    if with_engines:
        todo.append((engines, HERE / "engines.txt", unpack_engines))
    for folder, wanted, install in todo:
        stamp = hashlib.sha256(wanted.read_bytes() + sys.version.encode()).hexdigest()
        done = folder.with_name(f"{folder.name}.installed")
        if not done.is_file() or done.read_text() != stamp:
            shutil.rmtree(folder, ignore_errors=True)
            say(f"installing into {folder}")
            folder.parent.mkdir(parents=True, exist_ok=True)
            install()
            done.write_text(stamp)
    if Path(sys.prefix).resolve() != env.resolve():
        os.execv(python, [str(python), *sys.argv])
    return engines


def graphs_of(city: Path) -> Path:
    """The folder of the engines' graphs, kept by the extract's content: another file of the same name gets its own."""
    content = hashlib.sha256(city.read_bytes() + (HERE / "engines.txt").read_bytes()).hexdigest()[:12]
    graphs = WORK / city.name.removesuffix(".osm.pbf") / content
    graphs.mkdir(parents=True, exist_ok=True)
    return graphs


def find_city(name: str) -> Path:
    """CITY as a file, or by name in the folder that CARECIRCLE_DATA names."""
    choices = [Path(name), Path(os.environ.get("CARECIRCLE_DATA", ".")) / f"{name}.osm.pbf"]
    for path in choices:
        if path.is_file():
            return path.resolve()
    sys.exit(f"no extract: {' nor '.join(map(str, choices))}")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run(command: list, log: Path | None = None, within_s: float | None = None) -> bool:
    """Runs a program to its end; False when it took longer than it may."""
    with open(log or os.devnull, "w") as out:
        to = {"stdout": out, "stderr": out} if log else {}
        try:
            done = subprocess.run([str(c) for c in command], timeout=within_s, **to)
        except subprocess.TimeoutExpired:
            return False
    if done.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))}" + (f" (see {log})" if log else ""))
    return True


def ours(city: Path, request: dict) -> dict:
    """carecircle's side: tests/examples/agreement-walks.rs."""
    program = TARGET / "release" / "examples" / "agreement-walks"
    if not program.is_file():
        sys.exit("cargo build --release -p carecircle-tests --example agreement-walks")
    done = subprocess.run([program, city], input=json.dumps(request), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"agreement-walks: {done.stderr}")
    return json.loads(done.stdout)


# ------------------------------------------------------------------------------------------------------- the engines


class Engine:
    """A routing server on the loopback address, asked from several threads."""

    def __init__(self, name: str, command: list, port: int, log: Path, ready: str):
        self.name, self.port = name, port
        self.local = threading.local()
        with open(log, "w") as out:
            command = [str(c) for c in command]
            self.process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
        for _ in range(300):
            if self.process.poll() is not None:
                sys.exit(f"{name} ended: see {log}")
            try:
                self.ask(ready)
                return
            except (OSError, http.client.HTTPException):
                time.sleep(0.1)
        self.stop()
        sys.exit(f"{name} doesn't answer: see {log}")

    def ask(self, path: str, body: dict | None = None) -> dict:
        """One request; an engine's refusal ("no route") is an answer too."""
        for last in (False, True):
            if not hasattr(self.local, "connection"):
                self.local.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            connection = self.local.connection
            try:
                if body is None:
                    connection.request("GET", path)
                else:
                    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
                return json.loads(connection.getresponse().read() or b"{}")
            except (OSError, http.client.HTTPException):
                # A connection that was kept too long for the server: a fresh one says whether it is alive.
                connection.close()
                del self.local.connection
                if last:
                    raise
        raise AssertionError

    def stop(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def built(folder: Path, what: str, build) -> bool:
    """Builds `folder` once: a folder that is there is whole, or holds `failed` when it can't be built."""
    if not folder.is_dir():
        half = folder.with_name(folder.name + ".half")
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(parents=True)
        say(f"building {what}")
        if build(half) is False:
            (half / "failed").touch()
        half.rename(folder)
    return not (folder / "failed").exists()


class Valhalla(Engine):
    """Costing pedestrian, shortest: every penalty is off, every path as hard as it may be is allowed."""

    COSTING = {
        "costing": "pedestrian",
        "costing_options": {
            "pedestrian": {
                "shortest": True,
                "walking_speed": SPEED_KMH,
                "max_hiking_difficulty": 6,
                "use_ferry": 1.0,
                "step_penalty": 0,
                "elevator_penalty": 0,
            }
        },
        "units": "kilometers",
    }

    def __init__(self, engines: Path, city: Path, folder: Path, areas: bool, sockets: str):
        self.bin = engines / "valhalla" / "bin"
        make = [sys.executable, engines / "valhalla" / "valhalla_build_config.py"]
        config = json.loads(subprocess.run(make, capture_output=True, text=True, check=True).stdout)
        tiles = folder / ("valhalla-areas" if areas else "valhalla")
        mjolnir = config["mjolnir"]
        for other in ("tile_extract", "traffic_extract", "admin", "timezone", "landmarks"):
            mjolnir.pop(other, None)
        mjolnir |= {"pedestrian_areas": areas, "include_platforms": True, "tile_dir": str(tiles)}
        config["service_limits"]["max_radius"] = 1_000
        config["service_limits"]["pedestrian"] |= {"max_locations": 1_000, "max_matrix_location_pairs": 100_000}
        port = free_port()
        config["httpd"]["service"] |= {
            "listen": f"tcp://127.0.0.1:{port}",
            "loopback": f"ipc://{sockets}/loopback",
            "interrupt": f"ipc://{sockets}/interrupt",
        }
        for part in ("loki", "thor", "odin", "meili"):
            if "service" in config.get(part, {}):
                config[part]["service"]["proxy"] = f"ipc://{sockets}/{part}"

        def build(half: Path) -> bool:
            building = json.loads(json.dumps(config))
            building["mjolnir"]["tile_dir"] = str(half)
            (half / "config.json").write_text(json.dumps(building))
            make = [self.bin / "valhalla_build_tiles", "-c", half / "config.json", city]
            return run(make, folder / "valhalla-build.log", AREAS_WITHIN_S if areas else None)

        self.areas = areas and built(tiles, "Valhalla's tiles", build)
        if areas and not self.areas:  # on some extracts it never ends
            say("Valhalla's pedestrian areas can't be built: it walks without them")
            areas, tiles = False, folder / "valhalla"
            mjolnir |= {"pedestrian_areas": False, "tile_dir": str(tiles)}
        if not areas:
            built(tiles, "Valhalla's tiles without areas", build)
        settings = folder / "valhalla.json"
        settings.write_text(json.dumps(config))
        super().__init__(
            "valhalla", [self.bin / "valhalla_service", settings, 2], port, folder / "valhalla.log", "/status"
        )

    @staticmethod
    def location(at: list) -> dict:
        # The nearest point of the nearest edge: not a near node, not one that more streets can be reached from.
        still = {"node_snap_tolerance": 0, "minimum_reachability": 0, "radius": 0, "search_cutoff": 100}
        return {"lon": at[0], "lat": at[1], **still}

    def route(self, start: list, end: list) -> dict | None:
        locations = [self.location(start), self.location(end)]
        answer = self.ask("/route", {"locations": locations, "directions_type": "none", **self.COSTING})
        if "trip" not in answer:
            return None
        line = decode_polyline(answer["trip"]["legs"][0]["shape"])
        return {"metres": answer["trip"]["summary"]["length"] * 1_000, "line": line}

    def snap(self, at: list) -> float:
        """Metres to where a place meets the engine's streets."""
        return self.locate(at)[0]

    def locate(self, at: list) -> tuple[float, set]:
        """Metres to the nearest street, and the ids of the ways there."""
        body = {"locations": [self.location(at)], "verbose": True, **self.COSTING}
        edges = (self.ask("/locate", body) or [{}])[0].get("edges") or []
        if not edges:
            return math.inf, set()
        least = min(geodesic_m(at, [e["correlated_lon"], e["correlated_lat"]]) for e in edges)
        return least, {e["edge_info"]["way_id"] for e in edges}

    def table(self, start: list, ends: list) -> list:
        body = {"sources": [self.location(start)], "targets": [self.location(e) for e in ends], "verbose": True}
        cells = self.ask("/sources_to_targets", {**body, **self.COSTING}).get("sources_to_targets")
        # A cell without a route has neither time nor distance.
        return [None if c["time"] is None else c["distance"] * 1_000 for c in cells[0]] if cells else [None] * len(ends)


class Osrm(Engine):
    """The foot profile that comes with OSRM, its weight set to the distance."""

    def __init__(self, engines: Path, city: Path, folder: Path, areas: bool):
        programs, profiles = engines / "osrm" / "bin", engines / "osrm" / "share" / "profiles"
        data = folder / ("osrm-areas" if areas else "osrm")
        self.areas = areas

        def build(half: Path) -> None:
            # Not a copy of the profile: what differs from it, written where the graph is.
            profile = half / "foot-distance.lua"
            profile.write_text(
                f'package.path = "{profiles}/?.lua;" .. package.path\n'
                f"enable_area_meshing = {str(areas).lower()}\n"
                'local foot = require("foot")\n'
                "local plain = foot.setup\n"
                "foot.setup = function()\n"
                "  local profile = plain()\n"
                '  profile.properties.weight_name = "distance"\n'
                "  profile.properties.traffic_signal_penalty = 0\n"
                "  profile.properties.u_turn_penalty = 0\n"
                "  return profile\n"
                "end\n"
                "return foot\n"
            )
            (half / "city.osm.pbf").symlink_to(city)
            log = folder / "osrm-build.log"
            run([programs / "osrm-extract", "-p", profile, half / "city.osm.pbf"], log)
            run([programs / "osrm-partition", half / "city.osrm"], log)
            run([programs / "osrm-customize", half / "city.osrm"], log)

        built(data, "OSRM's graph", build)
        port = free_port()
        command = [programs / "osrm-routed", "-i", "127.0.0.1", "-p", port, "-t", 2, "-a", "mld", "--max-table-size"]
        super().__init__("osrm", [*command, 10_000, data / "city.osrm"], port, folder / "osrm.log", "/status")

    @staticmethod
    def coordinates(places: list) -> str:
        return ";".join(f"{lon:.7f},{lat:.7f}" for lon, lat in places)

    def route(self, start: list, end: list) -> dict | None:
        path = f"/route/v1/foot/{self.coordinates([start, end])}?overview=full&geometries=geojson&generate_hints=false"
        answer = self.ask(path)
        if answer.get("code") != "Ok":
            return None
        route = answer["routes"][0]
        return {"metres": route["distance"], "line": route["geometry"]["coordinates"]}

    def snap(self, at: list) -> float:
        return self.nearest(at)[0]

    def nearest(self, at: list) -> tuple[float, list]:
        """Metres to the nearest street, and the two nodes of the map that it lies between."""
        answer = self.ask(f"/nearest/v1/foot/{self.coordinates([at])}?number=1&generate_hints=false")
        if answer.get("code") != "Ok":
            return math.inf, []
        found = answer["waypoints"][0]
        return geodesic_m(at, found["location"]), found.get("nodes", [])

    def table(self, start: list, ends: list) -> list:
        path = f"/table/v1/foot/{self.coordinates([start, *ends])}?sources=0&annotations=distance&generate_hints=false"
        answer = self.ask(path)
        return answer["distances"][0][1:] if answer.get("code") == "Ok" else [None] * len(ends)


def decode_polyline(text: str) -> list:
    """Valhalla's shapes: Google's polylines with six decimals, latitude first."""
    line, values, value, shift = [], [0, 0], 0, 0
    turn = 0
    for char in text:
        byte = ord(char) - 63
        value |= (byte & 0x1F) << shift
        shift += 5
        if byte < 0x20:
            values[turn] += ~(value >> 1) if value & 1 else value >> 1
            value = shift = 0
            turn = 1 - turn
            if turn == 0:
                line.append([values[1] / 1e6, values[0] / 1e6])
    return line


def geodesic_m(a: list, b: list) -> float:
    """Metres between two near places on the WGS 84 ellipsoid: Gauss's mid-latitude formula, as in carecircle-core."""
    e2 = (2 - 1 / 298.257223563) / 298.257223563
    cos = math.cos(math.radians((a[1] + b[1]) / 2))
    w2 = 1 - e2 * (1 - cos * cos)
    n = 6_378_137 / math.sqrt(w2)
    return math.hypot(n * cos * math.radians(b[0] - a[0]), n * (1 - e2) / w2 * math.radians(b[1] - a[1]))


def length_m(line: list) -> float:
    return sum(map(geodesic_m, line, line[1:]))


# ---------------------------------------------------------------------------------------------------- the map's tags


class Map:
    """Tags of ways and nodes, and which way a piece of a route runs along."""

    LINES = ("highway", "route", "railway", "man_made", "public_transport", "amenity", "leisure", "area:highway")

    def __init__(self, city: Path):
        import osmium

        self.way_tags, self.node_tags, self.refs, self.at = {}, {}, {}, {}
        self.ways_at = collections.defaultdict(list)  # node -> [(next node, way)]
        self.node_here = {}  # place in 1e-6 degrees -> nodes
        for o in osmium.FileProcessor(str(city)).with_locations():
            if o.is_node():
                if len(o.tags):
                    self.node_tags[o.id] = dict(o.tags)
            elif o.is_way() and any(key in o.tags for key in self.LINES):
                self.way_tags[o.id] = dict(o.tags)
                run = [(n.ref, [n.lon, n.lat]) if n.location.valid() else None for n in o.nodes]
                self.refs[o.id] = [r[0] for r in run if r]
                for one in filter(None, run):
                    self.at[one[0]] = one[1]
                for a, b in zip(run, run[1:]):
                    if a and b:
                        self.ways_at[a[0]].append((b[0], o.id))
                        self.ways_at[b[0]].append((a[0], o.id))
            elif o.is_relation() and o.tags.get("type") == "multipolygon" and "highway" in o.tags:
                for member in o.members:
                    if member.type == "w":
                        self.way_tags.setdefault(member.ref, {})["of"] = f"r{o.id} {dict(o.tags)}"
        for found in self.ways_at.values():  # of ways that share a segment the street counts, not the park around it
            found.sort(key=lambda f: "highway" not in self.way_tags[f[1]])
        for node, (lon, lat) in self.at.items():
            self.node_here.setdefault((round(lon * 1e6), round(lat * 1e6)), []).append(node)

    def nodes_at(self, place: list) -> list:
        x, y = round(place[0] * 1e6), round(place[1] * 1e6)
        return [n for i in (0, -1, 1) for j in (0, -1, 1) for n in self.node_here.get((x + i, y + j), ())]

    def along(self, line: list) -> tuple[dict, list]:
        """The ways that a route runs along, with metres (way 0: along none, straight across an area); its tagged nodes."""
        metres, nodes = collections.Counter(), []
        here = [self.nodes_at(p) for p in line]
        for i, (a, b) in enumerate(zip(line, line[1:])):
            starts, ends = here[i], here[i + 1]
            way = next((w for n in starts for m, w in self.ways_at[n] if m in ends), None)
            if way is None:  # the first or last piece, from somewhere along a segment
                known, other = (ends, a) if ends else (starts, b)
                way = next((w for n in known for m, w in self.ways_at[n] if self.lies_on(other, n, m)), 0)
            metres[way] += geodesic_m(a, b)
        for found in here[1:-1]:
            nodes += [n for n in found if n in self.node_tags and n not in nodes]
        return dict(metres), nodes

    def lies_on(self, place: list, n: int, m: int) -> bool:
        a, b = self.at[n], self.at[m]
        return geodesic_m(a, place) + geodesic_m(place, b) < geodesic_m(a, b) + 0.3


PLAIN = {"name", "surface", "lit", "source", "width", "smoothness", "maxspeed", "lanes", "ref", "wheelchair", "incline"}


def few(tags: dict) -> dict:
    """Tags that can bear on access."""
    return {k: v for k, v in tags.items() if k.split(":")[0] not in PLAIN and not k.startswith(("name", "addr", "note"))}


def suspicious_way(tags: dict) -> list:
    """What about a way makes routers differ."""
    found = []
    for key in ("foot", "access", "motorroad", "area", "oneway:foot", "conveying", "sac_scale", "construction", "of"):
        if key in tags and tags[key] not in ("yes", "designated", "permissive") or (key == "area" and key in tags):
            found.append(f"{key}={tags[key]}" if key != "of" else "multipolygon")
    if any(tags.get(f"sidewalk{side}") == "separate" for side in ("", ":both", ":left", ":right")):
        found.append("sidewalk=separate")
    highway = tags.get("highway")
    if highway in ("footway", "path", "pedestrian", "steps") and tags.get("oneway") in ("yes", "-1"):
        found.append("oneway on a foot path")
    common = "footway path pedestrian steps living_street residential service unclassified tertiary secondary primary"
    if highway not in common.split():
        kinds = ("highway", "route", "railway", "man_made", "public_transport", "amenity")
        found.append(next((f"{k}={tags[k]}" for k in kinds if k in tags), "no highway"))
    if "indoor" in tags or "level" in tags:
        found.append("indoor")
    return found


def suspicious_node(tags: dict) -> str | None:
    keys = ("barrier", "entrance", "access", "foot", "locked", "highway")
    if not any(k in tags for k in ("barrier", "entrance", "access", "foot", "locked")) and tags.get("highway") != "elevator":
        return None
    return "node " + " ".join(f"{k}={tags[k]}" for k in keys if k in tags)


# ------------------------------------------------------------------------------------------------- pairs and verdicts


def compare_pairs(pairs: list, engines: list, tolerance_m: float, workers) -> list:
    """Each pair with what the engines walk, and why an engine is left out of it."""

    def one(pair: dict) -> dict:
        out = {k: pair[k] for k in ("from", "to", "crow_m", "street_m", "line")} | {"engines": {}}
        for engine in engines:
            found = engine.route(pair["from"], pair["to"])
            if found is None:
                off = max(engine.snap(pair["from"]), engine.snap(pair["to"]))
                why = "snapped elsewhere" if off > tolerance_m else "no route"
                out["engines"][engine.name] = {"left_out": why, "off_m": off}
                continue
            off = max(geodesic_m(pair["from"], found["line"][0]), geodesic_m(pair["to"], found["line"][-1]))
            result = {"metres": found["metres"], "ruler_m": length_m(found["line"]), "off_m": off, "line": found["line"]}
            if off > tolerance_m:
                result["left_out"] = "snapped elsewhere"
            elif pair["street_m"] is not None:
                result["difference"] = (pair["street_m"] - found["metres"]) / max(found["metres"], 1e-9)
                result["difference_by_ruler"] = (pair["street_m"] - result["ruler_m"]) / max(result["ruler_m"], 1e-9)
            out["engines"][engine.name] = result
        return out

    return list(workers.map(one, pairs))


def nearer(pair: dict, key: str = "difference") -> float | None:
    """Our difference from the engine that we are nearer to."""
    return min((e[key] for e in pair["engines"].values() if key in e and "left_out" not in e), key=abs, default=None)


def distribution(differences: list) -> dict:
    sizes = sorted(abs(d) for d in differences if d is not None)
    if not sizes:
        return {"pairs": 0}
    at = lambda share: sizes[min(len(sizes) - 1, math.ceil(share * len(sizes)) - 1 if share else 0)]
    over = {f"over_{p}_percent": sum(s > p / 100 for s in sizes) for p in (1, 5)}
    return {"pairs": len(sizes), "median": at(0.5), "p95": at(0.95), "max": sizes[-1], **over}


def compare_verdicts(walks: dict, engines: list, tolerance_m: float, workers) -> dict:
    """`within LIMIT_M of a facility`, by each of the three, for places whose verdict the crow doesn't give away."""
    facilities = walks["facilities"]
    off = list(workers.map(lambda f: max(e.snap(f["at"]) for e in engines), facilities))
    usable = {i for i, m in enumerate(off) if m <= tolerance_m}

    def one(point: dict) -> dict:
        ours = {i: m for i, m in point["metres"] if i in usable}
        near = [i for i in ours if geodesic_m(point["at"], facilities[i]["at"]) <= LIMIT_M + BAND_M]
        if not near:
            return {"left_out": "no facility within the limit as the crow flies"}
        if max(e.snap(point["at"]) for e in engines) > tolerance_m:
            return {"left_out": "snapped elsewhere"}
        nearest = {"ours": min((ours[i] for i in near if ours[i] is not None), default=None)}
        for engine in engines:
            cells = engine.table(point["at"], [facilities[i]["at"] for i in near])
            nearest[engine.name] = min((m for m in cells if m is not None), default=None)
        best = min(near, key=lambda i: math.inf if ours[i] is None else ours[i])
        return {"at": point["at"], "to": facilities[best]["at"], "nearest_m": nearest}

    points = list(workers.map(one, walks["points"]))
    left_out = collections.Counter(p["left_out"] for p in points if "left_out" in p)
    judged = [p for p in points if "left_out" not in p]
    for p in judged:
        within = {name: m is not None and m <= LIMIT_M for name, m in p["nearest_m"].items()}
        p["within"] = within
        p["majority"] = sum(within.values()) >= 2
        p["in_band"] = p["nearest_m"]["ours"] is not None and abs(p["nearest_m"]["ours"] - LIMIT_M) <= BAND_M
    outside = [p for p in judged if not p["in_band"]]
    wrong = [p for p in outside if p["within"]["ours"] != p["majority"]]
    return {
        "points": len(judged),
        "in_band": len(judged) - len(outside),
        "outside_band": len(outside),
        "agree": len(outside) - len(wrong),
        "share": (len(outside) - len(wrong)) / len(outside) if outside else None,
        "engines_differ_from_majority": {
            e.name: sum(p["within"][e.name] != p["majority"] for p in outside) for e in engines
        },
        "agree_in_band": sum(p["within"]["ours"] == p["majority"] for p in judged if p["in_band"]),
        "left_out": dict(left_out),
        "facilities": len(usable),
        "facilities_left_out": len(facilities) - len(usable),
        "facilities_from_map": walks["facilities_from_map"],
        "disagreements": wrong,
    }


def explain(pair: dict, engine: str, world: Map) -> dict:
    """Why two routes differ: both are the shortest that their router knows, so what the shorter one uses and the longer
    one doesn't is what the longer one's router won't walk."""
    theirs = pair["engines"][engine]
    mine, other = world.along(pair["line"]), world.along(theirs["line"])
    shorter, longer = (mine, other) if theirs["difference"] < 0 else (other, mine)
    ways = {w: m for w, m in shorter[0].items() if w not in longer[0]}
    nodes = [n for n in shorter[1] if n not in longer[1]]
    causes = collections.Counter()
    for way, metres in ways.items():
        for cause in suspicious_way(world.way_tags.get(way, {})) if way else ["straight across an area, or unknown"]:
            causes[cause] += metres
    for cause in filter(None, (suspicious_node(world.node_tags[n]) for n in nodes)):
        causes[cause] += 0
    return {
        "shorter": "ours" if theirs["difference"] < 0 else engine,
        "causes": {c: round(m) for c, m in causes.most_common()},
        "ways": [{"way": w, "metres": round(m), "tags": few(world.way_tags.get(w, {}))} for w, m in ways.items()],
        "nodes": [{"node": n, "tags": world.node_tags[n]} for n in nodes if suspicious_node(world.node_tags[n])],
    }


# ------------------------------------------------------------------------------------------------------------- census


def census(city: Path, world: Map, valhalla: Valhalla, osrm: Osrm, workers) -> dict:
    """Who walks which ways and passes which barriers, asked of every one in the extract: the rules themselves."""
    walkable = {way: access for way, access in ours(city, {"pairs": 0, "points": 0, "ways": True})["ways"]}

    def way_asked(way: int) -> dict | None:
        refs = world.refs[way]
        alone = [s for s in zip(refs, refs[1:]) if [m for m, _ in world.ways_at[s[0]]].count(s[1]) == 1]
        longest = max(alone, key=lambda s: geodesic_m(world.at[s[0]], world.at[s[1]]), default=None)
        if longest is None:  # drawn on top of others: nobody can tell which of them is walked
            return None
        a, b = (world.at[n] for n in longest)
        middle = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2]
        v_off, v_ways = valhalla.locate(middle)
        o_off, o_nodes = osrm.nearest(middle)
        on_way = len(o_nodes) == 2 and any(m == o_nodes[1] and w == way for m, w in world.ways_at[o_nodes[0]])
        return {
            "way": way,
            "ours": walkable.get(way, "no"),
            "valhalla": "yes" if way in v_ways and v_off < 1 else "no",
            "osrm": "yes" if on_way and o_off < 1 else "no",
        }

    asked = workers.map(way_asked, [w for w, refs in world.refs.items() if len(set(refs)) > 1])
    asked = [row for row in asked if row]
    groups = collections.defaultdict(list)
    for row in asked:
        verdicts = (row["ours"], row["valhalla"], row["osrm"])
        if len({v != "no" for v in verdicts}) > 1 or row["ours"] == "destination":
            tags = world.way_tags[row["way"]]
            key = "highway" if "highway" in tags else next((k for k in Map.LINES if k in tags), "")
            label = " + ".join([f"{key}={tags.get(key)}"] + [s for s in suspicious_way(tags) if not s.startswith(f"{key}=")])
            groups[(label, *verdicts)].append(row["way"])

    # A barrier is passed when the way through it is no longer than along the way.
    pairs, subjects = [], []
    for node, tags in world.node_tags.items():
        if suspicious_node(tags) is None or node not in world.at:
            continue
        for way in {w for _, w in world.ways_at[node] if w in walkable}:
            refs = world.refs[way]
            i = refs.index(node)
            if 0 < i < len(refs) - 1:
                a, n, b = (world.at[r] for r in refs[i - 1 : i + 2])
                ends = [[(p[0] + n[0]) / 2, (p[1] + n[1]) / 2] for p in (a, b)]
                pairs.append(ends)
                subjects.append((node, way, geodesic_m(ends[0], n) + geodesic_m(n, ends[1])))
                break
    mine = ours(city, {"given": pairs, "points": 0})["pairs"] if pairs else []
    if len(mine) != len(pairs):
        mine = [ours(city, {"given": [p], "points": 0})["pairs"] for p in pairs]
        mine = [m[0] if m else {"street_m": None} for m in mine]

    def barrier_asked(job: tuple) -> tuple:
        (node, way, straight), (a, b), own = job
        passes = lambda m: "no" if m is None or m > straight * 1.1 + 2 else "yes"

        def engine_passes(engine: Engine) -> str:
            if max(engine.snap(a), engine.snap(b)) > 0.5:
                return "-"  # doesn't walk this way at all
            found = engine.route(a, b)
            return passes(found and found["metres"])

        verdicts = [passes(own["street_m"]), engine_passes(valhalla), engine_passes(osrm)]
        way_tags = suspicious_way(world.way_tags[way])
        label = suspicious_node(world.node_tags[node]) + (f" (on a way with {', '.join(way_tags)})" if way_tags else "")
        return (label, *verdicts), node

    barriers = collections.defaultdict(list)
    for key, node in workers.map(barrier_asked, zip(subjects, pairs, mine)):
        barriers[key].append(node)

    def rows(found: dict) -> list:
        names = ("what", "ours", "valhalla", "osrm")
        order = sorted(found.items(), key=lambda kv: (-len(kv[1]), kv[0]))
        return [dict(zip(names, key)) | {"count": len(ids), "examples": ids[:5]} for key, ids in order]

    return {"ways_asked": len(asked), "ways": rows(groups), "barriers": rows(barriers)}


# --------------------------------------------------------------------------------------------------------- the report


def percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.3f} %"


def print_tables(report: dict) -> None:
    crossing = ", ".join(n for n, crosses in report["crosses_areas"].items() if crosses)
    print(f"{report['city']}: {report['pairs_drawn']} pairs, seed {report['seed']}; engines that cross areas: {crossing or 'none'}")
    print(f"{'compared with':24}{'pairs':>7}{'median':>11}{'p95':>11}{'max':>12}{'> 5 %':>7}{'left out':>10}")
    for name, row in report["distances"].items():
        out = sum(report["left_out"].get(name, {}).values())
        cells = "".join(f"{percent(row.get(k)):>{w}}" for k, w in (("median", 11), ("p95", 11), ("max", 12)))
        print(f"{name:24}{row['pairs']:>7}{cells}{row.get('over_5_percent', 0):>7}{out:>10}")
    for name, why in report["left_out"].items():
        print(f"  left out, {name}: " + ", ".join(f"{n} {w}" for w, n in sorted(why.items())))
    if report["only_one_side"]:
        print(f"  {len(report['only_one_side'])} pairs that one side has no route for: see report.json")
    v = report.get("verdicts")
    if v:
        print(
            f"verdict within {LIMIT_M:.0f} m of {v['facilities']} facilities"
            f" ({'from the map' if v['facilities_from_map'] else 'drawn'}, {v['facilities_left_out']} left out):"
            f" same as the majority of three for {v['agree']} of {v['outside_band']} points ({percent(v['share'])})"
            f" not within {BAND_M:.0f} m of the limit; within it {v['agree_in_band']} of {v['in_band']};"
            f" against the majority: {v['engines_differ_from_majority']}; left out: {v['left_out']}"
        )
    print(f"{'difference > 1 % by cause':58}{'who won’t':>11}{'pairs':>7}{'metres':>9}")
    for row in report["causes"][:25]:
        print(f"{row['cause'][:57]:58}{row['refused_by']:>11}{row['pairs']:>7}{row['metres']:>9}")
    for part in ("ways", "barriers"):
        for row in report.get("census", {}).get(part, [])[:60]:
            verdicts = "".join(f"{row[k][:6]:>9}" for k in ("ours", "valhalla", "osrm"))
            print(f"{part[:-1]:8}{row['what'][:80]:82}{row['count']:>6}{verdicts}   {row['examples'][:2]}")


def print_routes(listed: list, world: Map) -> None:
    """Every route of every pair, way by way."""
    for pair in listed:
        ours = {"metres": pair["street_m"], "line": pair["line"]}
        for name, route in {"ours": ours, **pair["engines"]}.items():
            metres = "no route" if route.get("metres") is None else f"{route['metres']:.0f} m"
            print(f"{name}: {metres}" + (f" ({route['left_out']})" if "left_out" in route else ""))
            ways, nodes = world.along(route.get("line") or [])
            for way, length in ways.items():
                print(f"  {length:7.0f} m  {f'way {way}' if way else 'no way':16} {few(world.way_tags.get(way, {}))}")
            for node in filter(lambda n: suspicious_node(world.node_tags[n]), nodes):
                print(f"  node {node} {few(world.node_tags[node])}")


def features(listed: list) -> dict:
    """Three lines for each pair, and its ends."""
    out = []
    for pair in listed:
        base = {"pair": pair["pair"], "difference": pair["difference"], "explained": pair["explained"]}
        lines = [("ours", pair["line"], pair["street_m"])]
        lines += [(n, e.get("line"), e.get("metres")) for n, e in pair["engines"].items()]
        for name, line, metres in lines:
            if line and len(line) > 1:
                geometry = {"type": "LineString", "coordinates": line}
                properties = {"router": name, "metres": metres, **base}
                out.append({"type": "Feature", "geometry": geometry, "properties": properties})
    note = "© OpenStreetMap contributors (ODbL)"
    return {"type": "FeatureCollection", "attribution": note, "features": out}


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares carecircle's walks with Valhalla's and OSRM's.")
    parser.add_argument("city", help="an .osm.pbf, or the name of one in the folder $CARECIRCLE_DATA")
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--points", type=int, default=2_000, help="places to judge (0: none)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tolerance", type=float, default=0.5, metavar="M", help="farther off an engine's snap is elsewhere")
    parser.add_argument("--outlines", action="store_true", help="engines walk around pedestrian areas, not across")
    parser.add_argument("--census", action="store_true", help="also ask of every way and barrier who may walk there")
    parser.add_argument("--pair", action="append", metavar="LON,LAT:LON,LAT", help="walk this pair alone: --pair=…")
    options = parser.parse_args()
    engines_folder = prepare()

    city = find_city(options.city)
    name = city.name.removesuffix(".osm.pbf")
    folder, graphs = WORK / name, graphs_of(city)

    request = {"seed": options.seed, "pairs": options.pairs, "points": options.points}
    if options.pair:
        request |= {"given": [[[float(x) for x in end.split(",")] for end in pair.split(":")] for pair in options.pair], "points": 0}
    walks = ours(city, request)

    running, sockets = [], tempfile.mkdtemp(prefix="agreement")  # a socket's path must be short
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        valhalla = Valhalla(engines_folder, city, graphs, not options.outlines, sockets)
        running.append(valhalla)
        osrm = Osrm(engines_folder, city, graphs, not options.outlines)
        running.append(osrm)
        with concurrent.futures.ThreadPoolExecutor(4) as workers:
            say("walking")
            pairs = compare_pairs(walks["pairs"], running, options.tolerance, workers)
            verdicts = compare_verdicts(walks, running, options.tolerance, workers) if walks["points"] else None
            world = Map(city)
            taken = census(city, world, valhalla, osrm, workers) if options.census else None
    finally:
        for engine in running:
            engine.stop()
        shutil.rmtree(sockets, ignore_errors=True)

    report = make_report(name, options, pairs, running, world)
    if verdicts:
        report["verdicts"] = verdicts
    if taken:
        report["census"] = taken
    listed = report.pop("listed")
    # Pairs given by hand leave the last comparison as it was.
    tables, drawing = ("pairs.json", "pairs.geojson") if options.pair else ("report.json", "differences.geojson")
    (folder / drawing).write_text(json.dumps(features(listed), ensure_ascii=False))
    lean = [{k: v for k, v in p.items() if k != "line"} for p in listed]
    for pair in lean:
        pair["engines"] = {n: {k: v for k, v in e.items() if k != "line"} for n, e in pair["engines"].items()}
    report["over_5_percent"] = lean
    (folder / tables).write_text(json.dumps(report, indent=1, ensure_ascii=False))
    if options.pair:
        print_routes(listed, world)
    else:
        print_tables(report)
    print(f"written: {folder / tables}, {folder / drawing}")


def make_report(name: str, options, pairs: list, engines: list, world: Map) -> dict:
    names = [e.name for e in engines]
    usable = lambda e: "left_out" not in e and "difference" in e
    distances, left_out = {}, {}
    for n in names:
        rows = [p["engines"][n] for p in pairs]
        distances[n] = distribution([e["difference"] for e in rows if usable(e)])
        distances[f"{n}, same ruler"] = distribution([e["difference_by_ruler"] for e in rows if usable(e)])
        left_out[n] = dict(collections.Counter(e["left_out"] for e in rows if "left_out" in e))
    distances["nearer of the two"] = distribution([nearer(p) for p in pairs])
    distances["nearer, same ruler"] = distribution([nearer(p, "difference_by_ruler") for p in pairs])

    causes = collections.defaultdict(lambda: [0, 0.0])
    listed, one_sided = [], []
    for i, pair in enumerate(pairs):
        pair["pair"] = i
        on_street = {n: e for n, e in pair["engines"].items() if e.get("left_out") != "snapped elsewhere"}
        routes = [pair["street_m"] is not None] + ["metres" in e for e in on_street.values()]
        if len(set(routes)) > 1:
            who = {n: e.get("metres") for n, e in on_street.items()}
            one_sided.append({"pair": i, "from": pair["from"], "to": pair["to"], "ours": pair["street_m"], **who})
        pair["explained"] = {}
        for n, e in pair["engines"].items():
            if not usable(e) or abs(e["difference"]) < 0.01:
                continue
            why = pair["explained"][n] = explain(pair, n, world)
            refused_by = n if why["shorter"] == "ours" else "ours"
            loss = abs(pair["street_m"] - e["metres"])
            for cause in why["causes"] or ["nothing seen"]:
                key = (cause, f"{refused_by}" if refused_by != "ours" else f"ours/{n}")
                causes[key][0] += 1
                causes[key][1] += loss
        least = nearer(pair)
        worst = max((abs(e["difference"]) for e in pair["engines"].values() if usable(e)), default=0)
        if worst > 0.05 or options.pair:
            pair["difference"] = {n: e.get("difference") for n, e in pair["engines"].items() if usable(e)}
            pair["nearer"] = least
            listed.append(pair)
    listed.sort(key=lambda p: -max((abs(d) for d in p["difference"].values()), default=0))
    return {
        "city": name,
        "seed": options.seed,
        "pairs_drawn": len(pairs),
        "crosses_areas": {e.name: e.areas for e in engines},
        "tolerance_m": options.tolerance,
        "distances": distances,
        "left_out": left_out,
        "only_one_side": one_sided,
        "causes": [
            {"cause": c, "refused_by": r, "pairs": n, "metres": round(m)}
            for (c, r), (n, m) in sorted(causes.items(), key=lambda kv: (-kv[1][1], kv[0]))
        ],
        "listed": listed,
    }


if __name__ == "__main__":
    main()
