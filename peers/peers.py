#!/usr/bin/env python3
"""Compares carecircle's speed with that of its peers, on equal work in one run. README.md beside this file says how.

    peers.py CITY.osm.pbf [--rounds 7] [--seed 1] [--only sweep reach isochrone] ...

Order of this file: our side, the network that all share, the three workloads (sweep, reach sets, isochrones), the table.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "agreement"))
os.environ["OMP_NUM_THREADS"] = "1"  # pandana's, before it is loaded

import agreement  # noqa: E402
from agreement import TARGET, say  # noqa: E402

WORK = TARGET / "peers"
LIMIT_MS = 900_000  # 1,200 m at 4.8 km/h
NEVER = 2**32 - 1
FACILITIES = 100
ORIGINS = 2_000
WITHIN_M, OFF_M = 1_700, 50  # where points are drawn that polygons are judged by
CLOSE_S = 60  # nearer to the limit than this a polygon may be wrong
HEAP = "a binary heap, plain arrays"
BLOCK = 64  # origins that scipy searches from at once: each takes a row as long as the network


# ------------------------------------------------------------------------------------------------------ our own side


class Ours:
    """benches/examples/peers-ours.rs, which does what it is asked for on a line of JSON."""

    def __init__(self, city: Path):
        program = TARGET / "release" / "examples" / "peers-ours"
        if not program.is_file():
            sys.exit("cargo build --release -p carecircle-benches --example peers-ours")
        # One thread for what is made beforehand; a request for more has threads of its own.
        one = os.environ | {"RAYON_NUM_THREADS": "1"}
        self.city = city
        self.process = subprocess.Popen([program, city], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=one)

    def ask(self, do: str, **rest) -> dict:
        self.process.stdin.write(json.dumps({"do": do, "limit_ms": LIMIT_MS, **rest}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit("peers-ours ended")
        return json.loads(line)

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def export(city: Path, folder: Path) -> Path:
    """The network as everybody may have it: nodes copied for each leg, so that every shortest path is a walk."""
    program = TARGET / "release" / "carecircle"
    agreement.run([program, "export-network", city, "--profile", "plain", "--by-leg", "-o", folder], folder / "export.log")
    return folder


def without_squares(city: Path, folder: Path) -> Path:
    """The extract without areas that people cross: what is left is a plain network of streets and junctions."""
    import osmium

    out = folder / f"{city.name.removesuffix('.osm.pbf')}-no-squares.osm.pbf"
    out.unlink(missing_ok=True)
    with osmium.SimpleWriter(str(out)) as writer:
        for o in osmium.FileProcessor(str(city)):
            is_square = "highway" in o.tags and (o.is_relation() or o.is_way() and o.tags.get("area") == "yes")
            if not is_square:
                writer.add(o)
    return out


# ------------------------------------------------------------------------------------------------ the shared network


class Streets:
    """The exported network as arrays: copies of nodes by row, of parallel links the quickest, no loops."""

    def __init__(self, folder: Path):
        import numpy as np
        import pandas as pd

        self.count = json.loads((folder / "about.json").read_text())["nodes"]
        nodes = pd.read_csv(folder / "node.csv", usecols=["node_id", "x_coord", "y_coord"]).sort_values("node_id")
        links = pd.read_csv(folder / "link.csv", usecols=["from_node_id", "to_node_id", "time_ms"])
        ids = nodes["node_id"].to_numpy()
        self.node = ids % self.count  # of each copy; the copy on public streets has the node's own number
        self.at = nodes[["x_coord", "y_coord"]].to_numpy()
        row = lambda column: np.searchsorted(ids, links[column].to_numpy())
        links = pd.DataFrame({"tail": row("from_node_id"), "head": row("to_node_id"), "ms": links["time_ms"]})
        # A matrix adds up what is given twice.
        links = links[links["tail"] != links["head"]].groupby(["tail", "head"], as_index=False)["ms"].min()
        self.links, self.rows = links, len(ids)

    def backwards(self):
        """For searches against the walking direction. Links without length stay, as zeros that are stored."""
        from scipy.sparse import csr_matrix

        links = self.links
        matrix = csr_matrix((links["ms"].astype(float), (links["head"], links["tail"])), shape=(self.rows, self.rows))
        assert matrix.nnz == len(links)
        return matrix

    def arrays(self, prefix: Path) -> Path:
        """Written for a textbook's search, in files whose names begin alike."""
        import numpy as np

        matrix = self.backwards()
        arrays = {"first": matrix.indptr, "to": matrix.indices, "ms": matrix.data, "node": self.node}
        for name, array in arrays.items():
            np.asarray(array).astype("<u4").tofile(f"{prefix}.{name}")
        return prefix

    def least(self, times):
        """From times of copies to times of nodes: the quickest copy, `NEVER` where there is none."""
        import numpy as np

        out = np.full(self.count, NEVER, dtype=np.int64)
        reached = np.isfinite(times)
        np.minimum.at(out, self.node[reached], np.rint(times[reached]).astype(np.int64))
        return out

    def pandana(self, backwards: bool):
        """Places stand in a row instead of on the map: pandana finds a node by its place, and copies share theirs."""
        import pandana
        import pandas as pd

        ends = ("head", "tail") if backwards else ("tail", "head")
        links = self.links
        x, y = pd.Series(range(self.rows), dtype=float), pd.Series(0.0, index=range(self.rows))
        seconds = pd.DataFrame({"s": (links["ms"] + 0.25) / 1_000})  # it cuts to whole milliseconds
        quiet = os.dup(1)
        try:  # it counts on standard output
            os.dup2(2, 1)
            return pandana.Network(x, y, links[ends[0]], links[ends[1]], seconds, twoway=False)
        finally:
            os.dup2(quiet, 1)
            os.close(quiet)


def timed(work) -> tuple:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


class Table:
    """What was measured: rows of one workload are compared with our own, its first."""

    def __init__(self):
        self.rows, self.notes = [], []

    def add(self, workload: str, who: str, seconds: list, units: int, unit: str, equal: str) -> None:
        self.rows.append((workload, who, statistics.median(seconds), min(seconds), units, unit, equal))

    def print(self) -> None:
        print("| work | by | median | each | times ours | of the quickest | equal |\n|---|---|---|---|---|---|---|")
        own = {}
        for work, who, median, least, units, unit, equal in self.rows:
            each, quickest = median / units, least / units
            own.setdefault(work, (each, quickest))
            text = f"{each * 1e9:,.1f} ns" if each < 1e-6 else f"{each * 1e6:,.1f} µs" if each < 1e-3 else f"{each * 1e3:,.2f} ms"
            per_s = f" ({units / median:,.0f}/s)" if unit == "origin" else ""
            # Each polygon is another one: the quickest are the smallest.
            quickest = "" if unit == "polygon" else f"{quickest / own[work][1]:,.2f}"
            ratios = f"{each / own[work][0]:,.2f} | {quickest}"
            print(f"| {work} | {who} | {median * 1e3:,.2f} ms | {text} per {unit}{per_s} | {ratios} | {equal} |")
        for note in self.notes:
            print(f"\n{note}")


# --------------------------------------------------------------------------------------------------------- workloads


def sweep(table: Table, ours: Ours, streets: Streets, drawn: dict, rounds: int, scratch: Path, routers: list) -> None:
    """The time from every node to the nearest of 100 facilities."""
    import numpy as np
    import pandas as pd
    from scipy.sparse.csgraph import dijkstra

    facilities = drawn["facilities"]
    file = scratch / "sweep"
    ask = lambda **rest: ours.ask("sweep", nodes=facilities, **rest)
    reached = ask(write=str(file))["pairs"]
    truth = np.fromfile(file, dtype="<u4").astype(np.int64)
    matrix, net = streets.backwards(), streets.pandana(backwards=False)
    places = pd.Series(facilities, dtype=float)
    net.set_pois("facility", LIMIT_MS / 1_000, 1, places, places * 0)
    searched = lambda: dijkstra(matrix, indices=facilities, min_only=True, limit=LIMIT_MS)
    nearest = lambda: net.nearest_pois(LIMIT_MS / 1_000, "facility", max_distance=np.inf)
    arrays = streets.arrays(scratch / "arrays")
    heap = lambda **rest: ours.ask("heap", network=str(arrays), nodes=facilities, **rest)
    heap(write=str(file))
    by_heap = np.fromfile(file, dtype="<u4").astype(float)
    by_heap[by_heap == NEVER] = np.inf
    own, textbook, theirs, others = [], [], [], []
    for nth in range(rounds * 5):  # some milliseconds each, but for pandana
        own.append(ask()["seconds"])
        textbook.append(heap()["seconds"])
        seconds, by_scipy = timed(searched)
        theirs.append(seconds)
        if nth % 5 == 0:
            seconds, by_pandana = timed(nearest)
            others.append(seconds)
    work = "sweep"
    table.add(work, "ours", own, reached, "node reached", "")
    for who, seconds, times in ((HEAP, textbook, by_heap), ("scipy, min_only", theirs, by_scipy), ("pandana nearest_pois", others, by_pandana[1].to_numpy() * 1e3)):
        table.add(work, who, seconds, reached, "node reached", differences(streets.least(times), truth))

    # The routers know no network but their own: how far they agree is a matter of agreement/.
    asked = np.array(drawn["scattered"])
    for engine, tool, count in routers:
        some = asked[:count]
        seconds, metres = timed(lambda: engine_table(engine, streets.at[some].tolist(), streets.at[facilities].tolist()))
        here = truth[some]
        least = np.array([min((m for m in row if m is not None), default=np.inf) for row in metres])
        both = (here != NEVER) & (least <= 1_200) & (here > 60_000)
        off = np.median(np.abs(least[both] / (here[both] / 750) - 1)) if both.any() else float("nan")
        table.add(f"{count:,} × {FACILITIES} by a table", "ours: the whole sweep", own, count, "origin", "")
        table.add(f"{count:,} × {FACILITIES} by a table", tool, [seconds], count, "origin", f"its own streets: median {off:.2%} off")


def engine_table(engine, starts: list, ends: list) -> list:
    """Metres from each start to each end, by requests as large as a router takes."""
    out, step = [], 50
    for i in range(0, len(starts), step):
        if engine.name == "osrm":
            some = starts[i : i + step]
            ask = {"sources": ";".join(map(str, range(len(some)))), "destinations": ";".join(str(len(some) + k) for k in range(len(ends)))}
            query = urllib.parse.urlencode(ask | {"annotations": "distance", "generate_hints": "false"}, safe=";")
            out += engine.ask(f"/table/v1/foot/{engine.coordinates([*some, *ends])}?{query}")["distances"]
        else:
            out += [engine.table(start, ends) for start in starts[i : i + step]]
    return out


def differences(times, truth) -> str:
    """How a peer's times differ from ours, node by node."""
    import numpy as np

    other = int(((times == NEVER) != (truth == NEVER)).sum())
    both = (times != NEVER) & (truth != NEVER)
    off = np.abs(times[both] - truth[both])
    if not other and not off.any():
        return f"all {int(both.sum()):,} times"
    return f"{int((off > 0).sum()):,} of {int(both.sum()):,} times differ, by {int(off.max(initial=0))} ms at most; {other:,} reached by one alone"


def reach(table: Table, ours: Ours, streets: Streets, drawn: dict, rounds: int, scratch: Path) -> None:
    """The nodes within the limit of each of many, by itself."""
    import numpy as np
    from scipy.sparse.csgraph import dijkstra

    matrix = streets.backwards()
    ranged, filled = streets.pandana(backwards=True), streets.pandana(backwards=True)

    def search(nodes: list) -> float:
        took = 0.0
        for i in range(0, len(nodes), BLOCK):
            start = time.perf_counter()
            dijkstra(matrix, indices=nodes[i : i + BLOCK], limit=LIMIT_MS)
            took += time.perf_counter() - start
        return took

    def added_up(nodes: list) -> tuple:
        pairs = sum_ms = 0
        for i in range(0, len(nodes), BLOCK):
            for row in dijkstra(matrix, indices=nodes[i : i + BLOCK], limit=LIMIT_MS):
                times = streets.least(row)
                times = times[times != NEVER]
                pairs, sum_ms = pairs + len(times), sum_ms + int(times.sum())
        return pairs, sum_ms

    arrays = streets.arrays(scratch / "arrays")
    plain = Ours(ours.city)
    cells = ours.ask("cells")
    fills = []
    for which in ("scattered", "every_third"):
        nodes = drawn[which]
        few = nodes if which == "scattered" else nodes[:: max(1, len(nodes) // ORIGINS)]
        many = drawn["many"] if which == "scattered" else nodes
        proof = ours.ask("reach", nodes=few, prove=True)
        proven = (proof["pairs"], proof["sum_ms"])
        by_scipy = added_up(few)
        own, one_by_one, again, both, textbook, theirs, ranges = [], [], [], [], [], [], []
        for nth in range(rounds):
            own.append(ours.ask("reach", nodes=nodes)["seconds"])
            if len(nodes) < streets.rows // 8:  # for more, cells are made
                one_by_one.append(plain.ask("reach", nodes=nodes)["seconds"])
            # Threads that start share a core for some milliseconds, and a processor learns what it repeats.
            again.append(ours.ask("reach", nodes=many, again_s=0.1)["seconds"])
            both.append(ours.ask("reach", nodes=many, again_s=0.1, threads=2)["seconds"])
            by_heap = ours.ask("heap", network=str(arrays), nodes=few, each=True)
            textbook.append(by_heap["seconds"])
            theirs.append(search(nodes))
            if which == "scattered" and nth < 3:  # seconds each
                seconds, found = timed(lambda: ranged.nodes_in_range(nodes, LIMIT_MS / 1_000))
                ranges.append(seconds)
                fills.append(timed(lambda: filled.precompute(LIMIT_MS / 1_000))[0])
        work = f"reach sets, {which.replace('_', ' ')}"
        table.add(work, "ours, over cells", own, len(nodes), "origin", f"{proof['pairs'] / len(few):,.0f} nodes on average")
        table.add(work, f"the same, {len(many):,} again and again", again, len(many), "origin", "")
        table.add(work, "the same by 2 threads", both, len(many), "origin", "")
        if one_by_one:
            table.add(work, "ours, without cells", one_by_one, len(nodes), "origin", "")
        word = lambda pairs: "all pairs, all times" if pairs == proven else sums(pairs, proven)
        table.add(work, HEAP, textbook, len(few), "origin", word((by_heap["pairs"], by_heap["sum_ms"])))
        table.add(work, f"scipy, blocks of {BLOCK}", theirs, len(nodes), "origin", word(by_scipy))
        if ranges:
            found = found.assign(node=streets.node[found["destination"].to_numpy()], ms=np.rint(found["s"] * 1e3).astype(np.int64))
            found = found.groupby(["source", "node"])["ms"].min()
            table.add(work, "pandana nodes_in_range", ranges, len(nodes), "origin", word((len(found), int(found.sum()))))
        table.add(work, "pandana precompute, all nodes", fills, streets.rows, "origin", "fills its cache")
    plain.stop()
    table.notes.append(f"The cells were made before, by one thread in {cells['seconds'] * 1e3:,.0f} ms; they take {cells['bytes'] / 1e6:,.1f} MB.")


def sums(theirs: tuple, ours: tuple) -> str:
    """How numbers of pairs and sums of times differ."""
    pairs, off = theirs[0] - ours[0], theirs[1] / ours[1] - 1
    return f"{f'{pairs:+,} pairs' if pairs else 'all pairs'}, times {off:+.0e} in sum"


def isochrone(table: Table, ours: Ours, valhalla, options) -> None:
    """A polygon of 15 minutes around each of many places; each tool is judged by its own times at the same points."""
    import shapely

    draw = lambda points: ours.ask(
        "isochrones", origins=options.origins, points=points, within_m=WITHIN_M, off_m=OFF_M, seed=options.seed
    )["places"]
    places = draw(options.points)
    own = [place["seconds"] for place in draw(0)]
    polygons = [shapely.MultiPolygon([(rings[0], rings[1:]) for rings in place["polygon"]]) for place in places]
    points = [[at for at, _ in place["points"]] for place in places]
    limit_s = LIMIT_MS / 1_000
    judged = [Judge.of(limit_s, polygon, at, [t for _, t in place["points"]]) for polygon, at, place in zip(polygons, points, places)]
    verdict = f"{sum(judged, Judge())}, {sum(map(shapely.is_valid, polygons))} of {len(polygons)} valid"
    if valhalla is None:
        table.add("isochrone", "ours", own, 1, "polygon", verdict)
        return

    # Every penalty off: its costs are its times.
    walk = {"walking_speed": agreement.SPEED_KMH, "max_hiking_difficulty": 6, "use_ferry": 1.0}
    walk |= dict.fromkeys(("step_penalty", "elevator_penalty", "service_penalty", "destination_only_penalty", "gate_penalty"), 0)
    walk |= dict.fromkeys(("walkway_factor", "sidewalk_factor", "alley_factor", "driveway_factor"), 1)
    costing = {"costing": "pedestrian", "costing_options": {"pedestrian": walk}}

    location = lambda at: {"lon": at[0], "lat": at[1], "node_snap_tolerance": 0}

    def contour(at: list) -> tuple:
        body = {"locations": [location(at)], "contours": [{"time": limit_s / 60}], "polygons": True, **costing}
        return timed(lambda: valhalla.ask("/isochrone", body))

    def seconds_to(at: list, ends: list) -> list:
        if len(ends) > 500:
            return seconds_to(at, ends[:500]) + seconds_to(at, ends[500:])
        locations = {"sources": [location(at)], "targets": [location(end) for end in ends]}
        answer = valhalla.ask("/sources_to_targets", {**locations, "verbose": True, **costing})
        if "sources_to_targets" in answer:
            return [cell["time"] for cell in answer["sources_to_targets"][0]]
        # One place on streets of their own spoils a request for many.
        half = len(ends) // 2
        return seconds_to(at, ends[:half]) + seconds_to(at, ends[half:]) if half else [None]

    contour(places[0]["at"])
    answers, empty = [], []
    for one in places:
        answers.append(contour(one["at"]))
        empty.append(timed(lambda: valhalla.ask("/status"))[0])
    own += [place["seconds"] for place in draw(0)]  # before and after
    table.add("isochrone", "ours", own, 1, "polygon", verdict)
    seconds = [took - statistics.median(empty) for took, _ in answers]
    shapes = [shapely.make_valid(shapely.from_geojson(json.dumps(answer["features"][0]["geometry"]))) for _, answer in answers]
    with ThreadPoolExecutor(2) as workers:
        times = list(workers.map(seconds_to, [one["at"] for one in places], points))
    judged = [Judge.of(limit_s, shape, at, seconds) for shape, at, seconds in zip(shapes, points, times)]
    table.add("isochrone", "Valhalla", seconds, 1, "polygon", str(sum(judged, Judge())))
    table.notes.append(
        f"Isochrones: {len(places)} places, {sum(map(len, points)):,} points within {WITHIN_M:,} m of them and {OFF_M} m of a street, each tool's polygon "
        f"against its own times there. Valhalla's {statistics.median(t for t, _ in answers) * 1e3:.2f} ms a request are less the "
        f"{statistics.median(empty) * 1e3:.2f} ms that a request for nothing takes."
    )


class Judge:
    """How many points a polygon is right about."""

    def __init__(self):
        self.hits = self.wrongs = self.misses = self.clear_wrongs = self.clear_hits = 0

    @staticmethod
    def of(limit_s: float, shape, points: list, seconds: list) -> "Judge":
        import shapely

        shapely.prepare(shape)
        out = Judge()
        for at, time_s in zip(points, seconds):
            inside = shapely.contains_xy(shape, *at)
            truly = time_s is not None and time_s <= limit_s
            clear = time_s is None or abs(time_s - limit_s) > CLOSE_S
            out.hits += inside and truly
            out.wrongs += inside and not truly
            out.misses += truly and not inside
            out.clear_hits += inside and truly and clear
            out.clear_wrongs += inside and not truly and clear
        return out

    def __add__(self, other: "Judge") -> "Judge":
        out = Judge()
        for key in vars(self):
            setattr(out, key, getattr(self, key) + getattr(other, key))
        return out

    def __str__(self) -> str:
        share = lambda part, rest: part / max(1, part + rest)
        precision, recall = share(self.hits, self.wrongs), share(self.hits, self.misses)
        f1 = 2 * self.hits / max(1, 2 * self.hits + self.wrongs + self.misses)
        return (
            f"precision {precision:.4f}, recall {recall:.4f}, F1 {f1:.4f}; "
            f"more than {CLOSE_S} s from the limit precision {share(self.clear_hits, self.clear_wrongs):.4f}"
        )


# -------------------------------------------------------------------------------------------------------------- main


def main() -> None:
    works = ("sweep", "reach", "isochrone")
    parser = argparse.ArgumentParser(description="Compares carecircle's speed with that of its peers.")
    parser.add_argument("city", help="an .osm.pbf, or the name of one in the folder $CARECIRCLE_DATA")
    parser.add_argument("--rounds", type=int, default=7, help="all take turns so many times")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--origins", type=int, default=200, help="places that isochrones are drawn around")
    parser.add_argument("--points", type=int, default=2_000, help="points drawn around each of these")
    parser.add_argument("--only", nargs="+", choices=works, default=works)
    parser.add_argument("--no-squares", action="store_true", help="leave squares out of the extract that all read")
    parser.add_argument("--no-routers", action="store_true", help="neither Valhalla nor OSRM")
    options = parser.parse_args()
    engines = agreement.prepare(WORK / "env", HERE / "requirements.txt")

    city = agreement.find_city(options.city)
    folder = WORK / city.name.removesuffix(".osm.pbf")
    folder.mkdir(parents=True, exist_ok=True)
    if options.no_squares:
        city = without_squares(city, folder)
    graphs = agreement.graphs_of(city)
    streets = Streets(export(city, folder))
    sockets = tempfile.mkdtemp(prefix="peers")  # a socket's path must be short
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    running, table = [Ours(city)], Table()
    try:
        ours, valhalla, osrm = running[0], None, None
        if not options.no_routers:
            valhalla = agreement.Valhalla(engines, city, graphs, True, sockets)
            running.append(valhalla)
            osrm = agreement.Osrm(engines, city, graphs, True)
            running.append(osrm)
        drawn = ours.ask("draw", facilities=FACILITIES, origins=ORIGINS, seed=options.seed)
        assert drawn["nodes"] == streets.count, "the export is of another network"
        many = min(10 * ORIGINS, len(drawn["every_third"]))
        drawn["many"] = ours.ask("draw", facilities=1, origins=many, seed=options.seed)["scattered"]
        if "sweep" in options.only:
            say("sweep")
            routers = [(osrm, "OSRM table", 2_000), (valhalla, "Valhalla sources_to_targets", 20)]
            routers = [router for router in routers if router[0]]
            sweep(table, ours, streets, drawn, options.rounds, folder, routers)
        if "reach" in options.only:
            say("reach sets")
            reach(table, ours, streets, drawn, options.rounds, folder)
        if "isochrone" in options.only:
            say("isochrones")
            isochrone(table, ours, valhalla, options)
    finally:
        for one in running:
            one.stop()
        shutil.rmtree(sockets, ignore_errors=True)
    copies, links = streets.rows - streets.count, len(streets.links)
    table.notes.append(
        f"{city.name}: {streets.count:,} nodes, {copies:,} copies for the first and last leg, {links:,} links. One thread unless said; medians "
        f"of rounds that take turns, but of the routers' tables: these are asked once."
    )
    table.print()


if __name__ == "__main__":
    main()
