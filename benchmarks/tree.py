"""Times the plan under uncertainty: the default tree of the full programme, and a size one problem can be a witness of.

python benchmarks/tree.py            the decomposition, two processes, and both forms on the first quarters
python benchmarks/tree.py --one 300  the full tree as one problem too, for at most so many seconds
python benchmarks/tree.py --deep     three branches and 64 cases too, which is cut more than once
"""

from __future__ import annotations

import argparse
import os
import resource
import time

from gigawatt.catalog.load import load_catalog
from gigawatt.core.errors import SolverError
from gigawatt.plan.decompose import Decomposition
from gigawatt.plan.extensive import Extensive, extensive
from gigawatt.plan.recourse import Processes, Serial
from gigawatt.plan.whole import solve_whole
from gigawatt.study.resolve import Case, resolve
from gigawatt.study.scenario import Horizon, load_scenario
from gigawatt.study.tree import tree_of

TARGET_GAP, TARGET_S = 5e-3, 180.0
FEWER_QUARTERS = 5
THREE = ("2027Q1", "2028Q1", "2029Q1")
"""Branches of the deep tree."""


def in_parts(case: Case, branches: tuple[str, ...], gap: float) -> Extensive:
    """Prints how long the tree of a case takes; the tree."""
    start, spent, before = time.perf_counter(), time.process_time(), resource.getrusage(resource.RUSAGE_CHILDREN)
    whole = extensive(tree_of(case, branches))
    built = time.perf_counter() - start
    print(
        f"renegotiated, {len(whole.leaves)} leaves: {whole.lower.size:,} decisions, {whole.row_lower.size:,} "
        f"constraints, built in {built:.1f} s"
    )
    with Decomposition(whole, executor=Processes(2)) as search:
        cuts = " and ".join(str(branch) for branch in search.cuts)
        found = search.run(gap=gap, time_limit_s=10 * TARGET_S, say=lambda line: print(f"  {line}", flush=True))
    took, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    children = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"gap {found.gap:.2%} in {took:.0f} s with the build (target {TARGET_GAP:.1%} in {TARGET_S:.0f} s for 16 "
        f"leaves); cut before branch {cuts}; {len(found.rounds)} rounds; processor time "
        f"{time.process_time() - spent:.0f} s in the parts before the leaves and the build, {children:.0f} s in the "
        f"leaves; worst row {whole.violation(found.x):.0e}; load average {os.getloadavg()[0]:.1f}"
    )
    return whole


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--one", type=float, default=0.0)
    words.add_argument("--deep", action="store_true")
    words.add_argument("--gap", type=float, default=TARGET_GAP)
    asked = words.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    scenario, catalog = load_scenario("renegotiated"), load_catalog()
    whole = in_parts(resolve(scenario, catalog), (), asked.gap)
    if asked.deep:
        in_parts(resolve(scenario, catalog), THREE, asked.gap)
    if asked.one:
        try:
            one = solve_whole(whole, time_limit_s=asked.one)
            print(f"as one problem: {one.upper:,.0f} MUSD in {one.rounds[-1].seconds:.0f} s")
        except SolverError as error:
            print(f"as one problem: {error}")
    short = scenario.model_copy(update={"horizon": Horizon(start=scenario.horizon.start, quarters=FEWER_QUARTERS)})
    small = extensive(tree_of(resolve(short, catalog)))
    one = solve_whole(small)
    with Decomposition(small, executor=Serial()) as search:
        parts = search.run(gap=5e-4, time_limit_s=600.0)
    print(
        f"first {FEWER_QUARTERS} quarters, {small.lower.size:,} decisions: in parts {parts.upper:,.1f} MUSD, as one "
        f"{one.upper:,.1f} MUSD, {abs(parts.upper / one.upper - 1.0):.4%} apart (target 0.1 %); "
        f"{parts.rounds[-1].seconds:.0f} s against {one.rounds[-1].seconds:.0f} s"
    )


if __name__ == "__main__":
    main()
