"""What each right and each promise costs: the plan as it is signed, against the plan without it or in another state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Literal

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
    cost_usd: float
    accepted_gw: float
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    kind: str
    id: str
    holder: str
    tried: str
    changes: tuple[Change, ...] = ()
    exercised: str = ""
    """option that is exercised in full"""


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
    for trial in _trials(case, binds):
        say(f"planning without {trial.id}" if trial.tried == "off" else f"planning with {trial.id} {trial.tried}")
        session.change(plan_inputs(apply(case, trial.changes)))
        row = Cost(kind=trial.kind, id=trial.id, holder=trial.holder, tried=trial.tried, cost_usd=float("nan"),
                   accepted_gw=float("nan"))  # fmt: skip
        try:
            with session.trial() if trial.exercised else nullcontext():
                if trial.exercised:
                    _exercise(session, trial.exercised)
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


def _trials(case: Case, binds: set[str]) -> Iterator[_Trial]:
    """Every right and promise that binds somebody, off; what has states in its other states; then all off."""
    off = list(_off(case, binds))
    yield from off
    for right in case.scenario.rights:
        taken = Settled(kind="right", id=right.id, outcome="exercised")
        if right.kind == "first-refusal" and right.outcome != "exercised" and _holds(case, taken):
            yield _Trial(kind="right", id=right.id, holder=right.holder, tried="exercised", changes=(taken,))
    for offer in case.scenario.offers:
        if offer.terms.option:
            none = Settled(kind="option", id=offer.id, outcome="declined")
            tried = _Trial(kind="option", id=offer.id, holder=offer.provider, tried="exercised", exercised=offer.id)
            yield tried
            yield replace(tried, tried="declined", exercised="", changes=(none,))
    if len(off) > 1:
        yield _Trial(kind="all", id="all of these", holder="", tried="off",
                     changes=tuple(change for trial in off for change in trial.changes))  # fmt: skip


def _off(case: Case, binds: set[str]) -> Iterator[_Trial]:
    rows: list[tuple[str, Literal["right", "commitment", "take"], str, str]] = []
    rows += [("right", "right", row.id, row.holder) for row in case.scenario.rights if row.id in binds]
    for row in case.scenario.commitments:
        rows.append(("commitment", "commitment", row.id, row.vendor or ", ".join(row.providers) or "any"))
    rows += [("minimum take", "take", row.id, row.provider) for row in case.scenario.offers if row.minimum_take]
    for words, kind, name, holder in rows:
        yield _Trial(kind=words, id=name, holder=holder, tried="off", changes=(Without(kind=kind, id=name),))


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
