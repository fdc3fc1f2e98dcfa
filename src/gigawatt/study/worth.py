"""What each quarter of a hardware generation or of a dated software step is worth: finite differences on one live plan.

Milestone equity is released by the fraction of a gigawatt here, so that a difference is not that of two roundings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gigawatt.core.calendar import str_quarter
from gigawatt.core.errors import InfeasibleError
from gigawatt.plan.alternatives import divisible
from gigawatt.plan.session import PlanSession
from gigawatt.study.change import Change, Gain, Late, apply
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.resolve import Case
from gigawatt.study.why import settled

MONTHS = 3
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """One dated thing: discounted USD a plan saves per month it comes earlier, and loses per month it comes later.

    A quarter's finite difference over three months; None where the move leaves the horizon or no plan exists.
    ``low_usd`` and ``high_usd``: change of the plan's cost at the ends of a software step's multiplier range.
    """

    kind: str
    id: str
    quarter: str
    earlier_usd_per_month: float | None
    later_usd_per_month: float | None
    multiplier: tuple[float, float, float] | None = None
    low_usd: float | None = None
    high_usd: float | None = None


def worth(case: Case, *, say: Say | None = None) -> list[Worth]:
    """Every system that first opens within the horizon, and every software step dated within it, in order of date.

    Raises InfeasibleError, SolverError where the case itself has no plan.
    """
    session = PlanSession(divisible(plan_inputs(case)))
    best = session.solve(say=say).objective_musd
    rows = [*_systems(case, session, best, say), *_software(case, session, best, say)]
    return sorted(rows, key=lambda row: (row.kind, row.quarter, row.id))


def _cost(case: Case, session: PlanSession, change: Change) -> float | None:
    """Cost of the case after a change [MUSD]; None where no plan exists."""
    with session.trial():
        session.change(divisible(plan_inputs(apply(case, (change,)))))
        try:
            return session.solve(explain=False).objective_musd
        except InfeasibleError:
            return None


def _per_month(difference_musd: float | None) -> float | None:
    return None if difference_musd is None else difference_musd * 1e6 / MONTHS


def _less(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else settled(a - b, a)


def _systems(case: Case, session: PlanSession, best: float, say: Say | None) -> Iterator[Worth]:
    inputs = session.inputs
    dates = {o.system.id: o.offer.available or o.system.first_available for o in case.offers}
    dated = [name for name, date in dates.items() if date is not None and date.value > case.quarters[0]]
    for system in sorted(dated):  # others wait for their lead time, which is no date of a roadmap
        ids = [offer.id for offer in case.offers if offer.system.id == system]
        open_to = np.asarray((inputs.add_max_mw.sel(offer=ids).values > 0).any(axis=0))
        if not open_to.any() or open_to[0]:
            continue
        if say:
            say(f"moving {system} by a quarter")
        first = int(open_to.argmax())
        sooner = _cost(case, session, Late(kind="system", id=system, quarters=-1))
        later = None
        if first + 1 < len(case.quarters):
            later = _cost(case, session, Late(kind="system", id=system, quarters=1))
        yield Worth(
            kind="system", id=system, quarter=case.labels[first],
            earlier_usd_per_month=_per_month(_less(best, sooner)), later_usd_per_month=_per_month(_less(later, best)),
        )  # fmt: skip


def _software(case: Case, session: PlanSession, best: float, say: Say | None) -> Iterator[Worth]:
    for step in case.software:
        date = int(step.available.value)
        if not case.quarters[0] < date <= case.quarters[-1]:
            continue
        if say:
            say(f"moving {step.id} by a quarter, and its multiplier to its bounds")
        low, central, high = step.multiplier.range
        sooner = None
        if date - 1 > case.quarters[0]:
            sooner = _cost(case, session, Late(kind="software", id=step.id, quarters=-1))
        later = _cost(case, session, Late(kind="software", id=step.id, quarters=1))
        ends = [
            _less(_cost(case, session, Gain(id=step.id, multiplier=value)), best) if value != central else 0.0
            for value in (low, high)
        ]
        yield Worth(
            kind="software", id=step.id, quarter=str_quarter(date),
            earlier_usd_per_month=_per_month(_less(best, sooner)), later_usd_per_month=_per_month(_less(later, best)),
            multiplier=(low, central, high),
            low_usd=None if ends[0] is None else ends[0] * 1e6, high_usd=None if ends[1] is None else ends[1] * 1e6,
        )  # fmt: skip
