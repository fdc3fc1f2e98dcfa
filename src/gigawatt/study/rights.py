"""What each right and each promise costs: the plan with it, against the plan without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from gigawatt.core.errors import InfeasibleError
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.session import PlanSession
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.resolve import Case

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one right or promise costs [USD, discounted to the start], and the facility GW accepted without it.

    ``kind`` is right, commitment, minimum take or all; ``cost_usd`` is nan where no plan exists without it.
    """

    kind: str
    id: str
    holder: str
    cost_usd: float
    accepted_gw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The plan as it is signed, and every right and promise switched off one at a time.

    ``gap_usd`` is how far whole gigawatts may leave each plan from its optimum: costs below it say nothing.
    """

    objective_usd: float
    accepted_gw: float
    gap_usd: float
    rows: tuple[Cost, ...]


def rights_costs(case: Case, *, mip_gap: float = 1e-2, say: Say = lambda _: None) -> Costs:
    """Cost of every right, commitment and minimum take of a case, each switched off alone, then all at once.

    The solver goes on from the basis of the plan before. Raises what a run raises where the plan itself has no answer.
    """
    inputs = plan_inputs(case)
    session = PlanSession(inputs, mip_gap=mip_gap)
    say("planning as signed")
    live = session.solve()
    base, accepted, gap = live.objective_musd, _accepted_gw(session), live.mip_gap
    binds = {right.id for right in inputs.rights}
    rows = [
        Cost(kind="right", id=right.id, holder=right.holder, cost_usd=0.0, accepted_gw=accepted)
        for right in case.scenario.rights if right.id not in binds
    ]  # fmt: skip
    for kind, name, holder, without in _without(case, inputs):
        say(f"planning without {name}")
        session.change(without)
        try:
            cost = (base - session.solve(explain=False).objective_musd) * 1e6
            gap = max(gap, session.live.mip_gap)
            rows.append(Cost(kind=kind, id=name, holder=holder, cost_usd=cost, accepted_gw=_accepted_gw(session)))
        except InfeasibleError:
            rows.append(Cost(kind=kind, id=name, holder=holder, cost_usd=float("nan"), accepted_gw=float("nan")))
    return Costs(objective_usd=base * 1e6, accepted_gw=accepted, gap_usd=gap * abs(base) * 1e6, rows=tuple(rows))


def _accepted_gw(session: PlanSession) -> float:
    return float((session.live.value("add") * session.inputs.facility_over_it).sum()) / 1000.0


def _without(case: Case, inputs: PlanInputs) -> Iterator[tuple[str, str, str, PlanInputs]]:
    """(kind, name, holder, inputs without it) of every right and promise that binds somebody, then of all."""
    free, n = inputs, 0
    holders = {right.id: right.holder for right in case.scenario.rights}
    for right in inputs.rights:
        n += 1
        kept = tuple(row for row in inputs.rights if row.id != right.id)
        yield "right", right.id, holders[right.id], replace(inputs, rights=kept)
    free = replace(free, rights=())
    for row in case.scenario.commitments:
        n += 1
        mine = inputs.commitment_mw["commitment"] == row.id
        holder = row.vendor or ", ".join(row.providers) or "any"
        off = replace(inputs, commitment_mw=inputs.commitment_mw.where(~mine, 0.0), terms=inputs.terms.on_time(row.id))
        yield "commitment", row.id, holder, off
    free = replace(free, commitment_mw=inputs.commitment_mw * 0.0, terms=replace(inputs.terms, late=None))
    if (takes := inputs.terms.takes) is not None:
        providers = {offer.id: offer.provider for offer in case.scenario.offers}
        for name in takes.mw["take"].values.tolist():
            n += 1
            terms = replace(inputs.terms, takes=takes.without(name))
            yield "minimum take", name, providers[name], replace(inputs, terms=terms)
        free = replace(free, terms=free.terms.without_takes())
    if n > 1:
        yield "all", "all of these", "", free


def cost_rows(costs: Costs) -> dict[str, object]:
    """The same as plain data; what has no plan is null."""
    rows = [
        {
            "kind": row.kind, "id": row.id, "holder": row.holder,
            "cost_usd": None if np.isnan(row.cost_usd) else row.cost_usd,
            "accepted_gw": None if np.isnan(row.accepted_gw) else row.accepted_gw,
        }
        for row in costs.rows
    ]  # fmt: skip
    return {
        "objective_usd": costs.objective_usd, "accepted_gw": costs.accepted_gw, "gap_usd": costs.gap_usd, "rows": rows,
    }  # fmt: skip
