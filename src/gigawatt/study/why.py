"""Why a system is in a plan or not, and what price or date would change that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gigawatt.core.units import pretty
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.solve import LivePlan, open_plan, solve
from gigawatt.study.economics import capex_usd_per_w, rent_usd_per_w
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.resolve import Case, OfferCase
from gigawatt.study.results import Results

ENOUGH_MW = 0.5
"""IT MW accepted over the horizon above which a system counts as chosen."""


def why_not(results: Results, name: str) -> list[str]:
    """Sentences about one system: where it is chosen, or why not, and the least change that would bring it in.

    Prices come from reduced costs, which hold at the margin; dates from solving again with the system available
    earlier. Raises CatalogError for a name that is no system.
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
    """What is paid would have to fall by the reduced cost of the quarter in which it is least."""
    reduced = live.reduced("add")
    for offer in offers:
        index = list(reduced["offer"].values).index(offer.id)
        open_to = live.inputs.add_max_mw.values[index] > 0
        if not open_to.any():
            yield f"  {offer.id}: cannot be accepted within the horizon (available, lead time)"
            continue
        cost = np.where(open_to, reduced.values[index], np.inf)
        best = int(np.argmin(cost))
        quarter, gap = case.labels[best], float(cost[best]) / float(live.inputs.discount.values[best])
        if gap <= 1e-6:
            yield f"  {offer.id}: as good as what was chosen in {quarter}; a dollar less would bring it in"
            continue
        pays = capex_usd_per_w(case, offer)
        if pays > 0:
            assert offer.system.it_power
            unit = offer.offer.price or offer.system.price
            price = unit.value if unit else 0.0
            drop = min(1.0, gap / pays)
            yield (
                f"  {offer.id}: would enter in {quarter} at {pretty(price * (1 - drop), 'USD')} a {offer.system.unit} "
                f"instead of {pretty(price, 'USD')} ({-drop:.0%})" if drop < 1.0
                else f"  {offer.id}: not even as a gift: its power and building are worth more with other systems"
            )  # fmt: skip
        else:
            stay = len(case.quarters) - best
            less = gap / max(1, stay)
            rent = rent_usd_per_w(offer)
            yield (
                f"  {offer.id}: would enter in {quarter} with about {pretty(less * 4, 'USD')} a watt and year off its "
                f"rent of {pretty(rent * 4, 'USD')} ({-less / rent:.0%})"
            )


def _date(case: Case, inputs: PlanInputs, system: str) -> Iterator[str]:
    """Solves again with the system available 4 quarters earlier, then from the start."""
    mine = inputs.offer_system == system
    first = int(np.argmax((inputs.add_max_mw.where(mine, 0.0) > 0).any("offer").values))
    for earlier in sorted({max(0, first - 4), 0}, reverse=True):
        if earlier >= first:
            continue
        most = inputs.add_max_mw.copy(deep=True)
        most.values[mine.values, earlier:first] = np.inf
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
