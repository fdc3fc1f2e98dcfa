"""Times the plan under uncertainty: the default tree of the full programme, and a size one problem can be a witness of.

python benchmarks/tree.py            the decomposition, two processes, and both forms on the first quarters
python benchmarks/tree.py --one 300  the full tree as one problem too, for at most so many seconds
"""

from __future__ import annotations

import argparse
import os
import resource
import time

from gigawatt.catalog.load import load_catalog
from gigawatt.core.errors import SolverError
from gigawatt.plan.decompose import Decomposition
from gigawatt.plan.extensive import extensive
from gigawatt.plan.recourse import Processes, Serial
from gigawatt.plan.whole import solve_whole
from gigawatt.study.resolve import resolve
from gigawatt.study.scenario import Horizon, load_scenario
from gigawatt.study.tree import tree_of

TARGET_GAP, TARGET_S = 5e-3, 180.0
FEWER_QUARTERS = 5


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--one", type=float, default=0.0)
    words.add_argument("--gap", type=float, default=TARGET_GAP)
    asked = words.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    scenario, catalog = load_scenario("renegotiated"), load_catalog()
    start, spent = time.perf_counter(), time.process_time()
    whole = extensive(tree_of(resolve(scenario, catalog)))
    built = time.perf_counter() - start
    print(
        f"renegotiated, {len(whole.leaves)} leaves: {whole.lower.size:,} decisions, {whole.row_lower.size:,} "
        f"constraints, built in {built:.1f} s"
    )
    with Decomposition(whole, executor=Processes(2)) as search:
        found = search.run(gap=asked.gap, time_limit_s=10 * TARGET_S, say=lambda line: print(f"  {line}", flush=True))
    took, children = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"gap {found.gap:.2%} in {took:.0f} s with the build (target {TARGET_GAP:.1%} in {TARGET_S:.0f} s); "
        f"{len(found.rounds)} rounds; processor time {time.process_time() - spent:.0f} s in the master, "
        f"{children.ru_utime + children.ru_stime:.0f} s in the leaves; "
        f"worst row {whole.violation(found.x):.0e}; load average {os.getloadavg()[0]:.1f}"
    )
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
