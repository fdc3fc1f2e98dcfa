"""Near-optimal plans: the least and the most of something that costs no more than the optimum and a little.

After Brill, Chang and Hopkins 1982 (modelling to generate alternatives): minimise and maximise an amount under
``cost <= optimum + slack x |optimum|``. One session, every solve from the basis of the one before.

    session = PlanSession(divisible(inputs))
    rows = ranges(session, {"vendor": inputs.offer_vendor}, slacks_frac=(0.01, 0.05))
    without = left_out(session, {"vendor": inputs.offer_vendor})
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.core.errors import InfeasibleError, SolverError
from gigawatt.plan.infeasible import conflict
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.live import LivePlan
from gigawatt.plan.session import PlanSession

Floats = npt.NDArray[np.float64]
Say = Callable[[str], None]
COST_TOLERANCE = 1e-7
"""Share of the optimum that the limit on cost is above it where no slack is asked: what a solver's tolerance needs."""
ROUNDING_GW = 1e-6
"""What a solver's tolerances may move an amount by, per GW of it and at least: a kilowatt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Least and most of one name's capacity within a slack [facility GW at the end of the quarter]."""

    by: str
    name: str
    slack_frac: float
    least_gw: float
    optimum_gw: float
    most_gw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """What a plan without new capacity of one name costs more than the optimum; ``why`` where none exists.

    ``extra_frac`` is a share of the optimum's discounted cost.
    """

    by: str
    name: str
    extra_musd: float | None
    extra_frac: float | None
    why: str = ""


def divisible(inputs: PlanInputs) -> PlanInputs:
    """The same problem with nothing whole, so that it is an LP: gigawatts of milestones, halls, openings, gangs at one
    place and steps of warrants come by the fraction.

    Ranges are then outer bounds of those with whole numbers.
    """
    terms, lumps, warrants = inputs.milestones, inputs.lumps, inputs.terms.warrants
    if warrants is not None and warrants.step_mw is not None:
        inputs = replace(inputs, terms=replace(inputs.terms, warrants=replace(warrants, step_mw=None)))
    if lumps is not None:
        inputs = replace(inputs, lumps=replace(lumps, whole=False, gangs_whole=False))
    return inputs if terms is None else replace(inputs, milestones=replace(terms, whole=False))


def amount(session: PlanSession, offers: Sequence[str], quarter: str) -> Floats:
    """(columns,) facility GW of some offers: what was bought by the end of a quarter, and what is rented then."""
    d, model = session.inputs, session.live.model
    weight = np.zeros(model.n_columns)
    upto = d.quarters.index(quarter) + 1
    for offer in offers:
        row = list(d.offer_site["offer"].values).index(offer)
        owned = str(d.offer_contract.values[row]) == "own"
        name, first = ("add", 0) if owned else ("stock", upto - 1)
        columns = model.variables[name].columns[row, first:upto]
        weight[columns[columns >= 0]] += float(d.facility_over_it.values[row]) / 1e3
    return weight


def ranges(
    session: PlanSession,
    groups: Mapping[str, xr.DataArray],
    *,
    slacks_frac: Sequence[float] = (0.01, 0.05),
    quarter: str | None = None,
    say: Say | None = None,
) -> list[Span]:
    """Least and most of every name of every group, for every slack.

    Args:
        session: a problem without whole numbers (``divisible``).
        groups: (offer) name of each offer, by what is asked: vendor, site, system, provider, technology.
        slacks_frac: shares of the optimum's absolute cost that a plan may cost more.
        quarter: at whose end is counted; the last if None.
        say: called with a sentence for every name.

    Raises InfeasibleError, SolverError where the problem itself has no plan, and what ``checked`` raises.
    """
    at = quarter or session.inputs.quarters[-1]
    rows: list[Span] = []
    with session.trial(), _primal(session):
        best = session.solve(say=say)
        optimum, primal = float(session.numbers.cost @ best.primal), best.primal.copy()
        size, cost = abs(best.objective_musd), session.numbers.cost.copy()
        steps = sorted(set(slacks_frac))
        limit = session.live.solver.n_rows
        session.add_row(cost, -np.inf, optimum)
        for by, name, offers in _names(groups):
            if say:
                say(f"least and most of {by} {name}")
            weight = amount(session, offers, at)
            ends: dict[float, list[float]] = {slack: [] for slack in steps}
            for sign in (1.0, -1.0):
                for slack in steps:
                    with session.trial():  # from the optimum, which stays feasible under another objective
                        most = optimum + max(slack, COST_TOLERANCE) * size
                        session.live.solver.set_row_bounds(limit, -np.inf, most)
                        session.minimise(sign * weight)
                        ends[slack].append(float(weight @ session.solve(explain=False).primal))
            now = float(weight @ primal)
            rows += [
                checked(Span(by=by, name=name, slack_frac=slack, least_gw=least, optimum_gw=now, most_gw=most))
                for slack, (least, most) in ends.items()
            ]
    return rows


def checked(span: Span) -> Span:
    """The span with the optimum within it to the last digit, where the solver's rounding left it outside by less.

    Raises SolverError where the least lies above the optimum, the optimum above the most, or anything below zero by
    more than ``ROUNDING_GW``: what the solver answered then is wrong.
    """
    room = ROUNDING_GW * max(1.0, span.most_gw, span.optimum_gw)
    order = span.least_gw <= span.optimum_gw + room and span.optimum_gw <= span.most_gw + room
    if not order or span.least_gw < -room:
        raise SolverError(
            f"the range of {span.by} {span.name} within {span.slack_frac:.3%} cannot be right: least "
            f"{span.least_gw:.6g} GW, optimum {span.optimum_gw:.6g} GW, most {span.most_gw:.6g} GW; the solver's "
            "answers contradict each other. Ask for a wider --within, or report the scenario"
        )
    now = max(0.0, span.optimum_gw)
    return replace(
        span, least_gw=max(0.0, min(now, span.least_gw)), optimum_gw=now, most_gw=max(now, span.most_gw)
    )  # fmt: skip


def extra_musd(with_musd: float, without_musd: float, gap_frac: float, about: str) -> float:
    """What a plan without something costs more [MUSD], 0 where that is the solver's rounding or the gap of integers.

    Raises SolverError where it costs less than the optimum by more: leaving something out can save nothing.
    """
    extra, room = without_musd - with_musd, (COST_TOLERANCE + gap_frac) * max(1.0, abs(with_musd))
    if extra < -room:
        raise SolverError(
            f"a plan without {about} cannot cost less than the optimum, and the solver says by {-extra:,.4g} MUSD of "
            f"{with_musd:,.4g}; report the scenario"
        )
    return 0.0 if extra < 0.0 else extra


def left_out(session: PlanSession, groups: Mapping[str, xr.DataArray], *, say: Say | None = None) -> list[LeftOut]:
    """Cost of accepting nothing new of each name; what stands at the start stays.

    Raises InfeasibleError, SolverError where the problem itself has no plan, and what ``extra_musd`` raises.
    """
    rows = []
    optimum = session.solve(say=say)
    best = optimum.objective_musd
    for by, name, offers in _names(groups):
        if say:
            say(f"planning without {by} {name}")
        with session.trial():
            plan = without_new(session, offers)
        if isinstance(plan, str):
            why = f"no plan: {plan} cannot hold without it"
            rows.append(LeftOut(by=by, name=name, extra_musd=None, extra_frac=None, why=why))
            continue
        extra = extra_musd(best, plan.objective_musd, max(optimum.mip_gap, plan.mip_gap), f"{by} {name}")
        rows.append(LeftOut(by=by, name=name, extra_musd=extra, extra_frac=extra / max(abs(best), 1e-9)))
    return rows


def without_new(session: PlanSession, offers: Sequence[str]) -> LivePlan | str:
    """The plan with nothing new accepted under some offers; where there is none, what cannot hold then, in words.

    To be called within a trial of the session.
    """
    session.set_upper("add", 0.0, offer=list(offers))
    try:
        return session.solve(explain=False)
    except InfeasibleError:
        bounds = session.numbers.lower, session.numbers.upper
        return conflict(session.live.model, session.inputs, bounds)


def _names(groups: Mapping[str, xr.DataArray]) -> Iterator[tuple[str, str, list[str]]]:
    """(what is asked, name, offers of that name), names in order."""
    for by, labels in groups.items():
        for name in sorted({str(value) for value in labels.values}):
            yield by, name, [str(offer) for offer in labels["offer"].values[labels.values == name]]


def _primal(session: PlanSession) -> AbstractContextManager[None]:
    """The primal simplex for a while: another objective leaves the last plan feasible."""
    return session.live.solver.option("simplex_strategy", 4)
