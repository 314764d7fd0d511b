#!/usr/bin/env python3
"""Compares carecircle's siting plans, and the time to prove them, with HiGHS and spopt on equal instances in one run.
README.md beside this file says how.

    siting.py FOLDER [--only NAME …] [--time-limit 120] [--no-spopt] [--spopt-median]

Order of this file: our side, an instance, HiGHS, spopt, the table.
"""

import argparse
import json
import multiprocessing
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "agreement"))
os.environ.update(OMP_NUM_THREADS="1", RAYON_NUM_THREADS="1")  # one thread for all

import agreement  # noqa: E402
from agreement import TARGET, say  # noqa: E402

WORK = TARGET / "peers"
LIMIT_MS = 900_000  # 15 minutes; who walks longer counts as if it took this long, in medians
MS_PER_M = 750  # 4.8 km/h
MINUTE_MS = 60_000
GAP = 1e-6  # proven is what is as good to a millionth: less than one child, in these instances


# ------------------------------------------------------------------------------------------------------ our own side


def ours(folder: Path) -> list[dict]:
    """All answers of benches/examples/siting-figures.rs about the instances of a folder."""
    program = TARGET / "release" / "examples" / "siting-figures"
    if not program.is_file():
        sys.exit("cargo build --release -p carecircle-benches --example siting-figures")
    done = subprocess.run([program, "--json", folder], stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


# -------------------------------------------------------------------------------------------------------- an instance


class Instance:
    """Homes with their children, and walks to candidates in milliseconds, by home."""

    def __init__(self, folder: Path, name: str):
        import numpy as np
        import pandas as pd

        self.children = pd.read_csv(folder / f"{name}_demand.csv").iloc[:, 3].to_numpy(float)
        self.candidates = len(pd.read_csv(folder / f"{name}_candidates.csv"))
        pairs = pd.read_csv(folder / f"{name}_pairs.csv.gz").sort_values(["demand", "candidate"])
        self.home, self.site = pairs["demand"].to_numpy(), pairs["candidate"].to_numpy()
        self.walk = np.floor(pairs["metres"].to_numpy() * MS_PER_M + 0.5)

    def merged(self, by_walk: bool) -> list[tuple[float, list[int], list[float]]]:
        """Children, candidates and walks of homes; those with the same candidates (and walks) are one."""
        import numpy as np

        starts = np.searchsorted(self.home, np.arange(len(self.children) + 1))
        alike: dict[tuple, float] = {}
        for home, children in enumerate(self.children):
            here = slice(starts[home], starts[home + 1])
            walks = tuple(self.walk[here].tolist()) if by_walk else ()
            key = (tuple(self.site[here].tolist()), walks)
            alike[key] = alike.get(key, 0.0) + children
        return [(children, list(sites), list(walks)) for (sites, walks), children in alike.items()]


# -------------------------------------------------------------------------------------------------------------- HiGHS


def highs(instance: Instance, what: str, count: int, limit_s: float) -> dict:
    """The plain model straight into HiGHS: a variable for each candidate, and for each home or each walk."""
    import highspy
    import numpy as np

    start = time.perf_counter()
    homes = instance.merged(by_walk=what == "median")
    sites = instance.candidates
    cost, upper = [0.0] * sites, [1.0] * sites
    rows, least, most = [], [], []  # a row is a list of (column, factor)

    def row(entries: list[tuple[int, float]], low: float, high: float) -> None:
        rows.append(entries)
        least.append(low)
        most.append(high)

    def column(value: float) -> int:
        cost.append(value)
        upper.append(1.0)
        return len(cost) - 1

    inf = highspy.kHighsInf
    if what == "fewest":
        cost = [1.0] * sites
        for _, near, _ in homes:
            if near:
                row([(site, 1.0) for site in near], 1.0, inf)
    else:
        row([(site, 1.0) for site in range(sites)], -inf, count)
    if what == "covering":
        for children, near, _ in homes:
            row([(column(children), 1.0), *((site, -1.0) for site in near)], -inf, 0.0)
    if what == "median":
        for children, near, walks in homes:
            parts = [(column(children * LIMIT_MS / MINUTE_MS), 1.0)]
            for site, walk in zip(near, walks):
                parts.append((column(children * walk / MINUTE_MS), 1.0))
                row([(parts[-1][0], 1.0), (site, -1.0)], -inf, 0.0)
            row(parts, 1.0, 1.0)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(cost), len(rows)
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = np.array(cost), np.zeros(len(cost)), np.array(upper)
    lp.row_lower_, lp.row_upper_ = np.array(least), np.array(most)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.cumsum([0, *map(len, rows)])
    lp.a_matrix_.index_ = np.array([at for entries in rows for at, _ in entries])
    lp.a_matrix_.value_ = np.array([factor for entries in rows for _, factor in entries])
    whole, part = highspy.HighsVarType.kInteger, highspy.HighsVarType.kContinuous
    lp.integrality_ = [whole] * sites + [part] * (len(cost) - sites)
    lp.sense_ = highspy.ObjSense.kMaximize if what == "covering" else highspy.ObjSense.kMinimize
    model = highspy.Highs()
    for option, value in (("output_flag", False), ("threads", 1), ("mip_rel_gap", GAP), ("time_limit", limit_s)):
        model.setOptionValue(option, value)
    model.passModel(lp)
    made = time.perf_counter()
    model.run()
    return {"stages": [made - start, time.perf_counter() - made], **found(model)}


def found(model) -> dict:
    """What HiGHS has proven; PuLP hands it the most as the least of the negative."""
    import highspy

    info = model.getInfo()
    optimal = model.getModelStatus() == highspy.HighsModelStatus.kOptimal
    has_plan = info.primal_solution_status == 2
    objective = abs(info.objective_function_value) if has_plan else None
    return {"objective": objective, "bound": abs(info.mip_dual_bound), "optimal": optimal}


# -------------------------------------------------------------------------------------------------------------- spopt


def spopt(instance: Instance, what: str, count: int, limit_s: float) -> dict:
    """spopt's own models, with HiGHS as solver: the matrix of all walks, the model, the solution."""
    import numpy as np
    import pulp
    from spopt.locate import LSCP, MCLP, PMedian

    start = time.perf_counter()
    far = LIMIT_MS if what == "median" else np.inf
    walks = np.full((len(instance.children), instance.candidates), far / MINUTE_MS)
    walks[instance.home, instance.site] = instance.walk / MINUTE_MS
    within = LIMIT_MS / MINUTE_MS
    matrix = time.perf_counter()
    if what == "covering":
        model = MCLP.from_cost_matrix(walks, instance.children, within, p_facilities=count)
    elif what == "fewest":
        # Every home has to be covered: those that no candidate reaches are left out.
        model = LSCP.from_cost_matrix(walks[np.unique(instance.home)], within)
    else:
        model = PMedian.from_cost_matrix(walks, instance.children, p_facilities=count)
    made = time.perf_counter()
    model.solve(pulp.HiGHS(msg=False, threads=1, gapRel=GAP, timeLimit=limit_s), results=False)
    stages = [matrix - start, made - matrix, time.perf_counter() - made]
    return {"stages": stages, **found(model.problem.solverModel)}


# ---------------------------------------------------------------------------------------------------------- the table


def work(solver, folder: Path, name: str, question: tuple, sender) -> None:
    result = solver(Instance(folder, name), *question)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sender.send({**result, "peak_mb": peak})


def apart(solver, folder: Path, name: str, question: tuple) -> dict | None:
    """Runs in a process of its own, for its memory to be measured; nothing where it dies."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(solver, folder, name, question, sender))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        return None
    finally:
        process.join()


def asked(question: str) -> tuple[str, int] | None:
    """Which model it is, and how many sites."""
    if match := re.fullmatch(r"(covering|median) p = (\d+)", question):
        return match[1], int(match[2])
    return ("fewest", 0) if question == "fewest for 1 of those reached" else None


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares siting plans, and the time to prove them.")
    parser.add_argument("folder", type=Path, help="with NAME_demand.csv, NAME_candidates.csv and NAME_pairs.csv.gz")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these instances alone")
    parser.add_argument("--time-limit", type=float, default=120, help="seconds after which HiGHS gives up")
    parser.add_argument("--no-spopt", action="store_true", help="HiGHS alone")
    parser.add_argument("--spopt-median", action="store_true", help="medians by spopt too: minutes, and 10 GB")
    options = parser.parse_args()
    if sys.version_info < (3, 12):
        sys.exit("spopt 0.8 wants Python 3.12 or later: PYTHON=python3.12 just peers-siting …")
    agreement.prepare(WORK / "siting-env", HERE / "siting-requirements.txt", with_engines=False)

    say("carecircle")
    print(f"{'instance, question':48}{'solver':12}{'objective':>12}{'gap %':>9}{'seconds, by stage':>24}{'× ours':>10}{'MB':>8}")
    for answer in ours(options.folder):
        question = asked(answer["question"])
        if not question or options.only and answer["instance"] not in options.only:
            continue
        say(f"{answer['instance']}, {answer['question']}")
        row(f"{answer['instance']}, {answer['question']}", "carecircle", answer, [answer["seconds"]], None)
        peers = [("HiGHS", highs), ("spopt+HiGHS", spopt)]
        if options.no_spopt or question[0] == "median" and not options.spopt_median:
            peers.pop()
        for peer, solver in peers:
            theirs = apart(solver, options.folder, answer["instance"], (*question, options.time_limit))
            if theirs is None:
                print(f"{'':48}{peer:12} ended without an answer")
                continue
            row("", peer, theirs, theirs["stages"], answer["seconds"])
            if theirs["optimal"] and answer["optimal"] and abs(theirs["objective"] / answer["objective"] - 1) > 2 * GAP:
                print(f"{'':48}{peer:12} DIFFERS, though both say that theirs is proven")


def row(what: str, solver: str, found: dict, stages: list[float], ours_s: float | None) -> None:
    objective, bound = found["objective"], found["bound"]
    value = "none" if objective is None else f"{objective:.1f}"
    gap = "" if objective is None else "0" if found["optimal"] else f"{100 * abs(bound - objective) / abs(objective):.2f}"
    seconds = " + ".join(f"{stage:.2f}" for stage in stages)
    # Of a peer that gave up it would have taken longer.
    ratio = "" if ours_s is None else f"{'' if found['optimal'] else '> '}{sum(stages) / ours_s:.0f}"
    print(f"{what:48}{solver:12}{value:>12}{gap:>9}{seconds:>24}{ratio:>10}{found['peak_mb']:8.0f}", flush=True)


if __name__ == "__main__":
    main()
