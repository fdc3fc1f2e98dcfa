"""What each right and each promise costs: the plan as it is signed, against the plan without it or in another state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np

from gigawatt.core.errors import InfeasibleError
from gigawatt.plan.extract import extract
from gigawatt.plan.session import PlanSession
from gigawatt.study.change import Change, Settled, Without, apply
from gigawatt.study.inputs import plan_inputs, right_rows
from gigawatt.study.resolve import Case

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one right or promise costs as it is signed, against one thing tried in its place.

    ``kind`` is right, commitment, minimum take, option or all; ``tried`` is off, exercised or declined, "no effect"
    where the right binds nobody. ``cost_usd`` [USD, discounted to the start] is negative where what was tried costs
    more, nan where it has no plan; ``accepted_gw`` is the facility power accepted then, ``moves`` by how many GW that
    differs for whom, the most first.
    """

    kind: str
    id: str
    holder: str
    tried: str
    cost_usd: float = np.nan
    accepted_gw: float = np.nan
    moves: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The plan as it is signed, and every right and promise tried off and in its other states, one at a time.

    ``gap_usd`` is how far whole gigawatts may leave each plan from its optimum: costs below it say nothing.
    """

    objective_usd: float
    accepted_gw: float
    gap_usd: float
    rows: tuple[Cost, ...]


Trial = tuple[Cost, tuple[Change, ...]]
"""What is tried, and the changes that make it so; none where an option is exercised in full."""


def rights_costs(case: Case, *, mip_gap: float = 1e-2, time_limit_s: float = 120.0, say: Say = lambda _: None) -> Costs:
    """Cost of every right, commitment, minimum take and option of a case, each tried alone; then of all at once.

    The solver goes on from the basis of the plan before; ``time_limit_s`` is of each plan. Raises what a run raises
    where the plan itself has no answer.
    """
    inputs = plan_inputs(case)
    session = PlanSession(inputs, mip_gap=mip_gap, time_limit_s=time_limit_s)
    say("planning as signed")
    live = session.solve()
    base, gap, signed = live.objective_musd, live.mip_gap, _accepted_gw(case, session)
    whole = sum(signed.values())
    binds = {right.id for right in inputs.rights}
    refusals = {right.id for right in case.scenario.rights if right.kind == "first-refusal"}
    rows = [
        Cost(kind="right", id=right.id, holder=right.holder, tried="no effect", cost_usd=0.0, accepted_gw=whole)
        for right in case.scenario.rights if right.id not in binds
    ]  # fmt: skip
    for row, changes in _trials(case, binds):
        say(f"planning without {row.id}" if row.tried == "off" else f"planning with {row.id} {row.tried}")
        session.change(plan_inputs(apply(case, changes)))
        try:
            with nullcontext() if changes else session.trial():
                if not changes:
                    _exercise(session, row.id)
                cost = (base - session.solve(explain=False).objective_musd) * 1e6
                gap, now = max(gap, session.live.mip_gap), _accepted_gw(case, session)
            moves = sorted(((who, now[who] - signed[who]) for who in now), key=lambda move: -abs(move[1]))
            row = replace(row, cost_usd=cost, accepted_gw=sum(now.values()), moves=tuple(moves))
        except InfeasibleError:
            pass  # stays nan: there is no plan so
        rows.append(row)
        if row.id in refusals and row.tried == "off":
            rows.append(replace(row, tried="declined"))  # who declines takes nothing: the same plan
    return Costs(objective_usd=base * 1e6, accepted_gw=whole, gap_usd=gap * abs(base) * 1e6, rows=tuple(rows))


def _accepted_gw(case: Case, session: PlanSession) -> dict[str, float]:
    """Facility GW accepted over the horizon, as a run counts them, by provider; what is owned by its vendor."""
    last = extract(session.live)["accepted_facility_w"].isel(quarter=-1)
    found: dict[str, float] = {}
    for offer in case.offers:
        own = offer.offer.contract == "own"
        who = f"own {offer.system.vendor}" if own else offer.offer.provider
        found[who] = found.get(who, 0.0) + float(last.sel(offer=offer.id)) / 1e9
    return found


def _exercise(session: PlanSession, option: str) -> None:
    """The option exercised in full, for as long as the trial lasts."""
    options = session.inputs.terms.options
    assert options is not None
    variable = session.live.model.variables["exercised"]
    columns = variable.columns[list(variable.axes["option"]).index(option)]
    row = np.zeros(session.live.model.n_columns)
    row[columns[columns >= 0]] = 1.0
    most = float(options.most_mw.sel(option=option))
    session.add_row(row, most, most)


def _trials(case: Case, binds: set[str]) -> Iterator[Trial]:
    """Every right and promise that binds somebody, off; what has states in its other states; then all off."""
    off = list(_off(case, binds))
    yield from off
    for right in case.scenario.rights:
        taken = Settled(kind="right", id=right.id, outcome="exercised")
        if right.kind == "first-refusal" and right.outcome != "exercised" and _holds(case, taken):
            yield Cost(kind="right", id=right.id, holder=right.holder, tried="exercised"), (taken,)
    for offer in case.scenario.offers:
        if offer.terms.option:
            tried = Cost(kind="option", id=offer.id, holder=offer.provider, tried="exercised")
            none = Settled(kind="option", id=offer.id, outcome="declined")
            yield tried, ()
            yield replace(tried, tried="declined"), (none,)
    if len(off) > 1:
        changes = tuple(change for _, made in off for change in made)
        yield Cost(kind="all", id="all of these", holder="", tried="off"), changes


def _off(case: Case, binds: set[str]) -> Iterator[Trial]:
    for right in case.scenario.rights:
        if right.id in binds:
            off = Cost(kind="right", id=right.id, holder=right.holder, tried="off")
            yield off, (Without(kind="right", id=right.id),)
    for row in case.scenario.commitments:
        holder = row.vendor or ", ".join(row.providers) or "any"
        off = Cost(kind="commitment", id=row.id, holder=holder, tried="off")
        yield off, (Without(kind="commitment", id=row.id),)
    for offer in case.scenario.offers:
        if offer.minimum_take:
            off = Cost(kind="minimum take", id=offer.id, holder=offer.provider, tried="off")
            yield off, (Without(kind="take", id=offer.id),)


def _holds(case: Case, taken: Settled) -> bool:
    """Whether a right that is exercised binds anybody: its holder offers something while it lasts."""
    ids = [offer.id for offer in case.offers]
    return any(row.id == taken.id and bool(row.held.any()) for row in right_rows(apply(case, (taken,)), ids))


def cost_rows(costs: Costs) -> dict[str, object]:
    """The same as plain data; what has no plan is null."""
    rows = [
        {
            "kind": row.kind, "id": row.id, "holder": row.holder, "tried": row.tried,
            "cost_usd": None if np.isnan(row.cost_usd) else row.cost_usd,
            "accepted_gw": None if np.isnan(row.accepted_gw) else row.accepted_gw,
            "moves_gw": dict(row.moves),
        }
        for row in costs.rows
    ]  # fmt: skip
    return {
        "objective_usd": costs.objective_usd, "accepted_gw": costs.accepted_gw, "gap_usd": costs.gap_usd, "rows": rows,
    }  # fmt: skip
