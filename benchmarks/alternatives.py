"""Times the least and most of every vendor and site of ``renegotiated`` within 1 % and 5 %, and doing without each."""

from __future__ import annotations

import os
import time


def main() -> None:
    from gigawatt.catalog.load import load_catalog
    from gigawatt.plan.alternatives import divisible, left_out, ranges
    from gigawatt.plan.session import PlanSession
    from gigawatt.study.inputs import plan_inputs
    from gigawatt.study.resolve import resolve
    from gigawatt.study.scenario import load_scenario

    inputs = plan_inputs(resolve(load_scenario("renegotiated"), load_catalog()))
    groups = {"vendor": inputs.offer_vendor, "site": inputs.offer_site}
    names = sum(len(set(map(str, labels.values))) for labels in groups.values())
    began, worked = time.perf_counter(), time.process_time()
    session = PlanSession(divisible(inputs))
    session.solve()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {names} vendors and sites")
    print(f"build and first solve      {time.perf_counter() - began:7.1f} s")
    spans = ranges(session, groups)
    wall, work = time.perf_counter() - began, time.process_time() - worked
    print(f"with {len(spans) * 2} ends                {wall:7.1f} s   {work:7.1f} s of processor (target 60)")
    left_out(session, groups)
    wall, work = time.perf_counter() - began, time.process_time() - worked
    print(f"and doing without each     {wall:7.1f} s   {work:7.1f} s of processor")


if __name__ == "__main__":
    main()
