"""Other plans that cost little more: the least and the most of each vendor, site and technology, and life without them.

    session = PlanSession(inputs)
    found = alternatives(session, groups, slacks=(0.01, 0.05))

Within x % of the optimum the least and the most of each group are optima of the same problem with one row more, the
budget, and another objective: modelling to generate alternatives (Brill, Chang and Hopkins, 1982), with the extremes of
each group in place of random directions. What a group is worth is the cost of a plan that adds nothing of it. Whole
numbers stay as they are in the optimum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.core.errors import InfeasibleError
from gigawatt.plan.infeasible import given_way
from gigawatt.plan.live import integer_columns
from gigawatt.plan.session import PlanSession

Floats = npt.NDArray[np.float64]
Say = Callable[[str], None]

NONE_GW = 1e-6
"""Facility GW below which a group counts as absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Facility GW of a group that stand at a date, least and most within a share above the optimal cost."""

    within_frac: float
    least_gw: float
    most_gw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """A vendor, site, system or provider in other plans.

    Attributes:
        by: what it is: vendor, site, system, provider.
        name: of it.
        planned_gw: facility GW at the date in the optimum.
        spans: by slack, in rising order.
        without_musd: what the plan costs more where nothing of it is added; inf where no such plan exists.
        forbidden_by: what forbids to do without it, in words; empty where a plan exists.
    """

    by: str
    name: str
    planned_gw: float
    spans: tuple[Span, ...]
    without_musd: float
    forbidden_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternatives:
    """All groups, the quarter at which GW are counted, and the optimum they are measured against [MUSD]."""

    at: str
    objective_musd: float
    groups: tuple[Alternative, ...]


def alternatives(
    session: PlanSession,
    groups: Mapping[str, xr.DataArray],
    *,
    slacks: Sequence[float] = (0.01, 0.05),
    at: str | None = None,
    say: Say = lambda _: None,
) -> Alternatives:
    """Least and most of every group within each slack, and the cost of leaving it out.

    Args:
        session: of the plan; left as it was found.
        groups: kind to label by offer (offer), for example ``{"vendor": inputs.offer_vendor}``.
        slacks: shares above the optimum's cost, above 0.
        at: quarter whose standing capacity counts; the last if None.
        say: called with a sentence before each group.

    Raises ValueError for a slack of 0 or less, or a quarter that is not in the plan.
    """
    d = session.inputs
    at = at or d.quarters[-1]
    if at not in d.quarters:
        raise ValueError(f"{at} is not in the plan; it runs from {d.quarters[0]} to {d.quarters[-1]}")
    if min(slacks, default=1.0) <= 0.0:
        raise ValueError("a slack is a share above 0, for example 1%")
    plan = session.solve()
    best, primal = plan.objective_musd, plan.primal.copy()
    names = [(kind, name) for kind, labels in groups.items() for name in sorted({str(x) for x in labels.values})]
    masks = {(kind, name): groups[kind].values.astype(str) == name for kind, name in names}
    names = [key for key in names if d.add_max_mw.values[masks[key]].any() or d.initial_mw.values[masks[key]].any()]
    weights = {key: _facility_gw(session, masks[key], at) for key in names}
    spans: dict[tuple[str, str], list[Span]] = {key: [] for key in names}
    with session.trial():
        _hold_integers(session, primal)
        for slack in sorted(slacks):
            with session.trial():
                budget = best + slack * abs(best) - plan.model.constant
                session.add_row(session.numbers.cost, -np.inf, budget + float(plan.model.tie_break @ primal))
                for number, key in enumerate(names):
                    say(f"within {slack:.3g}: {key[1]}, {number + 1} of {len(names)}")
                    is_none = bool(spans[key]) and spans[key][-1].least_gw < NONE_GW  # and stays so with more slack
                    least = 0.0 if is_none else _extreme(session, weights[key], weights[key])
                    most = _extreme(session, -weights[key], weights[key])
                    spans[key].append(Span(within_frac=slack, least_gw=least, most_gw=most))
    found = []
    for number, (kind, name) in enumerate(names):
        say(f"without {name}, {number + 1} of {len(names)}")
        more, why = _without(session, masks[kind, name], best)
        found.append(
            Alternative(
                by=kind,
                name=name,
                planned_gw=float(weights[kind, name] @ primal),
                spans=tuple(spans[kind, name]),
                without_musd=more,
                forbidden_by=why,
            )
        )
    return Alternatives(at=at, objective_musd=best, groups=tuple(found))


def _facility_gw(session: PlanSession, mask: npt.NDArray[np.bool_], at: str) -> Floats:
    """(columns,) facility GW that stand at a quarter, by column."""
    d, model = session.inputs, session.live.model
    weight = np.zeros(model.n_columns)
    columns = model.variables["stock"].columns[:, d.quarters.index(at)]
    live = mask & (columns >= 0)
    weight[columns[live]] = d.facility_over_it.values[live] / 1000.0
    return weight


def _hold_integers(session: PlanSession, primal: Floats) -> None:
    whole = integer_columns(session.live.model)
    session.pin(whole, primal[whole])


def _extreme(session: PlanSession, cost: Floats, weight: Floats) -> float:
    """Facility GW by ``weight`` in the plan that is least in ``cost``."""
    session.minimise(cost)
    found = float(weight @ session.solve(explain=False).primal)
    return found if found > NONE_GW else 0.0


def _without(session: PlanSession, mask: npt.NDArray[np.bool_], best: float) -> tuple[float, str]:
    """(MUSD more where nothing of these offers is added, what forbids that)."""
    offers = [str(name) for name in session.inputs.offer_site["offer"].values[mask]]
    with session.trial():
        session.set_upper("add", 0.0, offer=offers)
        try:
            return max(session.solve(explain=False).objective_musd - best, 0.0), ""
        except InfeasibleError:
            return np.inf, "; ".join(one.words for one in given_way(session.live)[:2]) or "other limits of the scenario"
