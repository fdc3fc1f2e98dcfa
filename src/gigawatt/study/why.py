"""Why a system is in a plan or not, and what price or date would change that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gigawatt.core.units import pretty
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.live import LivePlan, hand_off, integer_columns, set_integer
from gigawatt.plan.solve import open_plan, solve
from gigawatt.study.economics import rent_usd_per_w, rents_usd_per_w, upkeep_usd_per_w
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.resolve import Case, OfferCase
from gigawatt.study.results import Results

ENOUGH_MW = 0.5
"""IT MW accepted over the horizon above which a system counts as chosen."""

A_LITTLE_MW = 0.02
"""IT MW forced in to price an offer: little, as each further MW costs more."""


def why_not(results: Results, name: str) -> list[str]:
    """Sentences about one system: where it is chosen, or why not, and the least change that would bring it in.

    Prices come from planning again with a little of the offer forced in, dates with the system available earlier.
    Raises CatalogError for a name that is no system.
    """
    case = results.case
    system = case.catalog.system(name)
    if system.status == "undisclosed":
        return [f"{system.id} is not in the plan: {system.refusal}"]
    offers = [offer for offer in case.offers if offer.system.id == system.id]
    if not offers:
        return [f"{system.id} is not in the plan: no offer of {case.scenario.name} names it; add one under offers"]
    accepted = results.plan["add_w"].sum("quarter")
    taken = {o.id: float(accepted.sel(offer=o.id)) for o in offers}
    chosen = [f"{pretty(watts, 'W')} at {key}" for key, watts in taken.items() if watts > ENOUGH_MW * 1e6]
    lines = [f"{system.id} is in the plan: {', '.join(chosen)} (IT power)"] if chosen else []
    if not chosen:
        lines.append(f"{system.id} is offered, and the plan takes none of it.")
    lines += _speed(case, system.id)
    inputs = plan_inputs(case)
    live = solve(open_plan(inputs))
    if not chosen:
        lines += _price(case, live, offers)
        lines += _date(case, inputs, system.id)
    return lines


def _speed(case: Case, system: str) -> Iterator[str]:
    for (name, workload), point in case.serving.items():
        if name == system and not point.is_served:
            yield f"  {workload}: {point.reason}"


def _price(case: Case, live: LivePlan, offers: list[OfferCase]) -> Iterator[str]:
    """Plans again with a little of each offer forced in: its extra cost over its price is the share too dear."""
    for offer in offers:
        open_to = live.inputs.add_max_mw.sel(offer=offer.id).values > 0
        if not open_to.any():
            yield f"  {offer.id}: cannot be accepted within the horizon (available, lead time)"
            continue
        dear = _too_dear(live, offer.id, case)
        price = offer.offer.price or offer.system.price
        if dear is None:
            yield f"  {offer.id}: even {A_LITTLE_MW:g} MW of it has no room (supply, sites, rights)"
        elif np.isnan(dear):
            yield f"  {offer.id}: what stands under it already is enough; new capacity would only take its place"
        elif dear < 1e-3:
            yield f"  {offer.id}: costs the same as what was chosen; anything off its price would bring it in"
        elif dear >= 1.0:
            yield (
                f"  {offer.id}: not even as a gift: what comes with it (building, energy, rights of others) "
                "costs more than it saves"
            )
        elif offer.offer.contract == "own" and price is not None:
            yield (
                f"  {offer.id}: would enter at {pretty(price.value * (1 - dear), 'USD')} a {offer.system.unit} instead "
                f"of {pretty(price.value, 'USD')} ({-dear:.1%})"
            )
        else:
            rent = rent_usd_per_w(case, offer) * 4
            yield (
                f"  {offer.id}: would enter at ${rent * (1 - dear):,.2f} a watt and year instead of ${rent:,.2f} "
                f"({-dear:.1%})"
            )


def _too_dear(live: LivePlan, name: str, case: Case) -> float | None:
    """Share by which an offer's price or rent is too high; None where not even a little fits, nan where it
    would only replace what stands under the same offer.

    The least, over plans that take ``A_LITTLE_MW`` of it, of extra cost over the discounted money that scales with its
    price (systems, network and upkeep less salvage, or rent), by Dinkelbach's iteration. The whole gigawatts stay.
    """
    d, model = live.inputs, live.model
    row = list(d.initial_mw["offer"].values).index(name)
    offer = next(item for item in case.offers if item.id == name)
    discount = d.discount.values
    priced = np.zeros(model.n_columns)
    for variable, per_mw in (
        ("add", d.capex_musd_per_mw.values[row] * discount),
        ("stock", (rents_usd_per_w(case, offer) + upkeep_usd_per_w(case, offer)) * discount),
        ("kept", -d.salvage_musd_per_mw.values[row]),
    ):
        columns = model.variables[variable].columns[row]
        priced[columns[columns >= 0]] += per_mw[columns >= 0]
    highs, taken = hand_off(model), model.variables["add"].columns[row]
    stands = model.variables["stock"].columns[row]
    index = taken[taken >= 0].astype(np.int32)
    whole = integer_columns(model)
    if whole.size:
        set_integer(highs, whole, whole=False)
        held = live.primal[whole]
        highs.changeColsBounds(whole.size, whole.astype(np.int32), held, held)
    highs.addRow(A_LITTLE_MW, np.inf, index.size, index, np.ones(index.size))
    cost, every = model.cost + model.tie_break, np.arange(model.n_columns, dtype=np.int32)
    share = 0.0
    for _ in range(12):
        highs.changeColsCost(model.n_columns, every, cost - share * priced)
        highs.run()
        if highs.getInfo().primal_solution_status != 2:
            return None
        change = np.asarray(highs.getSolution().col_value) - live.primal
        extra, scales = float(cost @ change), float(priced @ change)
        if scales <= 0.0 or float(change[stands].sum()) < A_LITTLE_MW:
            return float("nan")
        better = max(0.0, extra / scales)
        if share > 0.0 and better >= share - 1e-4:
            break
        share = better
    return share


def _date(case: Case, inputs: PlanInputs, system: str) -> Iterator[str]:
    """Solves again with the system available 4 quarters earlier, then from the start."""
    mine = inputs.offer_system == system
    first = int(np.argmax((inputs.add_max_mw.where(mine, 0.0) > 0).any("offer").values))
    for earlier in sorted({max(0, first - 4), 0}, reverse=True):
        if earlier >= first:
            continue
        most = inputs.add_max_mw.copy(deep=True)
        cap = most.where(mine["offer"] == mine["offer"]).max("quarter").values
        most.values[mine.values, earlier:first] = cap[mine.values][:, None]
        moved = solve(open_plan(replace(inputs, add_max_mw=most)))
        taken = float(moved.value("add").where(mine, 0.0).sum())
        if taken > ENOUGH_MW:
            yield (
                f"  available in {case.labels[earlier]} instead of {case.labels[first]}, the plan would take "
                f"{pretty(taken * 1e6, 'W')} of it"
            )
            return
    yield (
        "  an earlier date alone would not bring it in"
        if first
        else "  it is available from the first quarter: no date would change that"
    )
