"""A plan made window by window, seeing only so far ahead; and what that costs against seeing everything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gigawatt.core.calendar import str_quarter
from gigawatt.core.errors import InfeasibleError, ScenarioError
from gigawatt.plan.decisions import COLUMNS
from gigawatt.plan.live import LivePlan
from gigawatt.plan.session import PlanSession
from gigawatt.study.change import Horizon, apply
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.resolve import Case

STEP = 4


def roll(
    case: Case, look_ahead: int, *, step: int = STEP, mip_gap: float = 1e-2, time_limit_s: float = 120.0,
    say: Callable[[str], None] | None = None,
) -> tuple[LivePlan, list[str]]:  # fmt: skip
    """(plan over the whole horizon, last quarter of every window) of a planner who sees ``look_ahead`` quarters.

    Each window starts where the one before it was fixed: what was added, retired and energised in the ``step``
    quarters that have passed stays, and a gang that has started keeps its place. How capacity is used and money is
    raised follows from what stands and is planned anew. The last window sees the end of the horizon.

    Raises ScenarioError where the look-ahead is shorter than a step, InfeasibleError where what was ordered leaves no
    plan for what comes into sight.
    """
    n = len(case.quarters)
    if look_ahead < step:
        raise ScenarioError(
            f"--look-ahead {look_ahead}: a planner who moves {step} quarters at a time has to see at least {step} ahead"
        )
    session: PlanSession | None = None
    ends: list[str] = []
    done = 0
    while True:
        seen = min(n, done + look_ahead)
        inputs = plan_inputs(apply(case, [Horizon(quarters=seen)]) if seen < n else case)
        if session is None:
            session = PlanSession(inputs, mip_gap=mip_gap, time_limit_s=time_limit_s)
        else:
            before = session.live
            session.change(inputs)
            session.fix(before, case.labels[done - 1])
            pin_gangs(session, before, case.labels[:done])
        ends.append(str_quarter(case.quarters[seen - 1]))
        if say:
            say(
                f"planning to {ends[-1]}" + (f", with all before {case.labels[done]} as it was ordered" if done else "")
            )
        try:
            live = session.solve()
        except InfeasibleError as error:
            raise InfeasibleError(
                f"--look-ahead {look_ahead}: once {ends[-1]} is in sight, what was ordered before {case.labels[done]} "
                f"leaves no plan; look further ahead. {error}"
            ) from error
        if seen == n:
            return live, ends
        done += step


def pin_gangs(session: PlanSession, before: LivePlan, past: Sequence[str]) -> None:
    """Gangs that run in past quarters stay where the plan before put them, on the system it gave them."""
    runs = before.inputs.gang_mw.sel(quarter=list(past)) > 0
    for name, column in COLUMNS.items():
        if column.decided != "start" or column not in before.model or column not in session.live.model:
            continue
        chosen = before.value(name).round()
        for gang in runs["gang"].values[runs.any("quarter").values].tolist():
            session.set_lower(name, chosen.sel(gang=[gang]), gang=[gang])
            session.set_upper(name, chosen.sel(gang=[gang]), gang=[gang])


def regret(live: LivePlan, full: LivePlan, look_ahead: int, ends: list[str]) -> dict[str, Any]:
    """Cost of seeing only so far: the plan made window by window against the one that saw everything [USD]."""
    cost, best = live.objective_musd * 1e6, full.objective_musd * 1e6
    return {
        "look_ahead_quarters": look_ahead, "windows_end": ends, "cost_usd": cost, "full_foresight_usd": best,
        "full_foresight_bound_usd": full.bound_musd * 1e6, "regret_usd": cost - best,
        "regret_share": (cost - best) / abs(best) if best else 0.0,
    }  # fmt: skip
