"""Times what users wait for: import, catalogue, build and hand-off, solve, a whole run. Medians of several runs."""

from __future__ import annotations

import contextlib
import os
import resource
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gigawatt.study.scenario import Scenario

import numpy as np

from gigawatt.core.errors import InfeasibleError
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.replay import delays_of, replay
from gigawatt.plan.session import PlanSession

REPEATS = 5


def median_s(call: object, repeats: int = REPEATS) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()  # type: ignore[operator]
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def fresh_s(code: str) -> float:
    """Wall time of a fresh interpreter, less that of an empty one."""
    empty = median_s(lambda: subprocess.run([sys.executable, "-c", ""], check=True))
    return median_s(lambda: subprocess.run([sys.executable, "-c", code], check=True)) - empty


def session_s(inputs: PlanInputs) -> tuple[float, float]:
    """(warm re-solve after one cost or bound has changed, replay of 10,000 draws) [s], medians."""
    session = PlanSession(inputs)
    plan = session.solve()
    rng, times = np.random.default_rng(0), []
    offers = [str(name) for name in inputs.offer_site["offer"].values]
    for number in range(4 * REPEATS):
        offer = offers[rng.integers(len(offers))]
        if number % 2:
            session.set_cost("add", float(rng.uniform(5.0, 60.0)), offer=offer)
        else:
            session.set_upper("add", float(rng.uniform(0.0, 200.0)), offer=offer)
        start = time.perf_counter()
        with contextlib.suppress(InfeasibleError):  # a minimum take may need what the bound forbids
            session.solve(explain=False)
        times.append(time.perf_counter() - start)
    session = PlanSession(inputs)
    plan, draws = session.solve(), 10_000
    late = delays_of(inputs, draws, site=lambda _: rng.poisson(1.0, draws), system=lambda _: rng.poisson(0.7, draws))
    replay(plan, delays_of(inputs, 2))  # compiled
    return statistics.median(times), median_s(lambda: replay(plan, late), 3)


def with_whole_lumps(scenario: Scenario) -> Scenario:
    """The scenario with its lumps whole."""
    return scenario.model_copy(update={"policy": scenario.policy.model_copy(update={"lumps": "whole"})})


def main() -> None:
    from gigawatt.catalog.load import load_catalog
    from gigawatt.plan.solve import open_plan, solve
    from gigawatt.study.inputs import plan_inputs
    from gigawatt.study.resolve import resolve
    from gigawatt.study.run import run
    from gigawatt.study.scenario import bundled, load_scenario

    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; medians of {REPEATS}")
    print(f"import gigawatt                {fresh_s('import gigawatt'):7.2f} s   (target 0.5)")
    for name in bundled():
        inputs = plan_inputs(resolve(load_scenario(name), load_catalog()))
        plans = [solve(open_plan(inputs)) for _ in range(REPEATS)]
        build = statistics.median(plan.build_s + plan.hand_off_s for plan in plans)
        took = statistics.median(plan.solve_s for plan in plans)
        size = f"{plans[0].model.n_columns:,} variables, {plans[0].model.n_rows:,} rows, gap {plans[0].mip_gap:.2%}"
        whole = median_s(lambda name=name: run(name), 3)  # type: ignore[misc]
        print(f"{name:16s} build + hand-off {build:6.2f} s (target 1.0)   solve {took:6.2f} s (target 5)   "
              f"run {whole:5.1f} s   {size}")  # fmt: skip
        warm, played = session_s(inputs)
        print(f"{'':16s} warm re-solve {warm:10.3f} s (target 0.5)   replay of 10,000 draws {played:5.2f} s (target 5)")
    for name in bundled():
        inputs = plan_inputs(resolve(with_whole_lumps(load_scenario(name)), load_catalog()))
        plan = solve(open_plan(inputs))
        print(f"{name:16s} whole lumps        solve {plan.solve_s:6.2f} s   {plan.model.n_columns:,} variables, "
              f"gap {plan.mip_gap:.2%}")  # fmt: skip
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process    {peak:7.0f} MB (target 2,000)")


if __name__ == "__main__":
    main()
