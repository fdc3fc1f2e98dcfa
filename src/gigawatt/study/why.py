"""Why a system, site, provider or vendor is in a plan or not, what binds it, and what price or date would change that.

Everything is asked of one live plan: another price, a date moved, and back. Dates are finite differences.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from gigawatt.core.errors import InfeasibleError
from gigawatt.core.units import pretty
from gigawatt.plan.alternatives import divisible, without_new
from gigawatt.plan.explain import Binding, bindings, date_bindings, labels_of, ranked
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.session import PlanSession
from gigawatt.study.change import Late, apply
from gigawatt.study.entry import A_LITTLE_MW, enough_mw, entering_share, has_room, price_text
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.named import Named, find, labels
from gigawatt.study.resolve import Case, OfferCase
from gigawatt.study.results import Results

ROUNDING = 1e-7
"""Share of a plan's cost below which two costs are the same: the solver's tolerance."""


def why_not(results: Results, name: str) -> list[str]:
    """Sentences about one system, site, provider or vendor of a run: see ``reasons``."""
    session = PlanSession(plan_inputs(results.case))
    session.solve()
    return reasons(results.case, session, name)


def reasons(case: Case, session: PlanSession, name: str) -> list[str]:
    """Where a system, site, provider or vendor is chosen and what the plan would cost without it, or why it is not
    chosen and the least change that would bring it in.

    What is chosen is planned again with nothing new of it, milestone equity by the fraction of a gigawatt. Prices come
    from planning again at other prices (``entry``), dates with it available earlier.

    Args:
        case: what was planned.
        session: a plan of the case, solved.
        name: a system by id or alias, a site, a provider or a vendor.

    Raises ScenarioError for a name the case does not know.
    """
    named = find(case, name)
    if not named.offers:
        return [_absent(case, named)]
    accepted, stood = session.live.value("add").sum("quarter"), session.live.value("stock").max("quarter")
    enough = enough_mw(float(accepted.sum()))
    taken = [offer.id for offer in named.offers if float(accepted.sel(offer=offer.id)) > enough]
    chosen = [f"{pretty(float(stood.sel(offer=key)) * 1e6, 'W')} {_of(named, key, case)}" for key in taken]
    lines = [f"{named.id} is in the plan: {', '.join(chosen)} (IT power, at its most)"] if chosen else []
    if not chosen:
        lines.append(f"{named.id} is offered, and the plan takes none of it.")
    if named.kind == "system":
        lines += _speed(case, named.id)
    if chosen:
        return [*lines, *_without(case, session, named)]
    return [*lines, *_price(case, session, named.offers), *_date(case, session, named)]


def _without(case: Case, session: PlanSession, named: Named) -> Iterator[str]:
    """What the plan would cost with nothing new of a name, and what would stand in its place."""
    by = labels(case, named.kind)
    with session.trial():
        if session.inputs.milestones is not None and session.inputs.milestones.whole:
            session.change(divisible(session.inputs))
        best = session.solve(explain=False)
        before, size = best.value("add").sum("quarter"), abs(best.objective_musd)
        other = without_new(session, [offer.id for offer in named.offers])
        if isinstance(other, str):
            yield f"  it is chosen because no plan exists without it: {other} cannot hold then"
            return
        extra = settled(other.objective_musd - best.objective_musd, size)
        gap = max(best.mip_gap, other.mip_gap) * size
        more = (other.value("add").sum("quarter") - before).groupby(by.rename(named.kind)).sum()
    if extra <= gap:
        about = "as much" if gap == 0.0 else f"as much to {pretty(gap * 1e6, 'USD')}, the gap of whole numbers,"
        yield f"  without new capacity of it the plan would cost {about}: it is one of several equal choices"
        return
    name = named.kind
    grown = sorted(((float(more.sel({name: key})), str(key)) for key in more[name].values), reverse=True)
    enough = enough_mw(float(before.sum()))
    taken = [f"{pretty(mw * 1e6, 'W')} of {key}" for mw, key in grown[:3] if mw > enough]
    place = f"in its place it would take {', '.join(taken)}" if taken else "nothing would take its place"
    if named.kind == "site":
        place = place.replace(" of ", " at ")
    yield (
        f"  it is chosen because without new capacity of it the plan would cost {pretty(extra * 1e6, 'USD')} more "
        f"({extra / size:.2%} of its discounted cost); {place} (IT power accepted over the horizon)"
    )


def settled(difference_musd: float, cost_musd: float) -> float:
    """A difference of two costs [MUSD], 0 where it is the solver's rounding."""
    return difference_musd if abs(difference_musd) > ROUNDING * abs(cost_musd) else 0.0


def binding(session: PlanSession, named: Named | None = None, most: int = 8) -> list[Binding]:
    """Limits that bind, those of a name or all, the most valuable over the horizon first."""
    about = None
    if named is not None:
        about = labels_of(session.live, [offer.id for offer in named.offers])
        if named.kind == "site":
            about |= {named.id}
    return ranked([*bindings(session.live, about, most), *date_bindings(session, about, most)])[:most]


def _absent(case: Case, named: Named) -> str:
    if named.kind == "system":
        system = case.catalog.system(named.id)
        if system.status == "undisclosed":
            return f"{system.id} is not in the plan: {system.refusal}"
    kind = {"site": "stands there", "vendor": "has systems of it"}.get(named.kind, "names it")
    return f"{named.id} is not in the plan: no offer of {case.scenario.name} {kind}; add one under offers"


def _of(named: Named, key: str, case: Case) -> str:
    if named.kind == "system":
        return f"at {key}"
    offer = next(item for item in case.offers if item.id == key)
    return f"of {offer.system.id} as {key}"


def _speed(case: Case, system: str) -> Iterator[str]:
    for (name, workload), point in case.serving.items():
        if name == system and not point.is_served:
            yield f"  {workload}: {point.reason}"


def _price(case: Case, session: PlanSession, offers: tuple[OfferCase, ...]) -> Iterator[str]:
    """The price at which each offer of the scenario would enter at any of the sites asked about."""
    entries: dict[str, tuple[OfferCase, ...]] = {}
    for offer in offers:
        entries[offer.offer.id] = (*entries.get(offer.offer.id, ()), offer)
    for key, sites in entries.items():
        name = key if len(sites) == len(sites[0].offer.sites) else ", ".join(offer.id for offer in sites)
        yield f"  {name}: {_entry(case, session, sites)}"


def _entry(case: Case, session: PlanSession, offers: tuple[OfferCase, ...]) -> str:
    """At which price one offer of the scenario would enter, or why at none."""
    ids, inputs = [offer.id for offer in offers], session.inputs
    if not bool((inputs.add_max_mw.sel(offer=ids) > 0).any()):
        return "cannot be accepted within the horizon (available, lead time)"
    if not has_room(session, offers):
        return f"even {A_LITTLE_MW:g} MW of it has no room (supply, sites, rights)"
    share = entering_share(case, session, offers)
    if share is None and float(session.live.value("stock").sel(offer=ids).max()) > enough_mw(0.0):
        return "not even as a gift: what stands under it already is enough; new capacity would only take its place"
    if share is None:
        return "not even as a gift: what comes with it (building, energy, rights of others) costs more than it saves"
    if share > 1.0 - 1e-3:
        return "costs the same as what was chosen; anything off its price would bring it in"
    return f"would enter at {price_text(offers[0], share)} instead of {price_text(offers[0])} ({share - 1.0:.1%})"


def sooner(named: Named, quarters: int) -> list[Late]:
    """A name's date moved: a site is energised, its offers are delivered, some quarters earlier; later if negative."""
    if named.kind == "site":
        return [Late(kind="site", id=named.id, quarters=-quarters)]
    return [Late(kind="offer", id=offer.id, quarters=-quarters) for offer in named.offers]


def _date(case: Case, session: PlanSession, named: Named) -> Iterator[str]:
    """The least move that brings it in, by halving over quarters, and what one quarter is worth."""
    inputs, at = session.inputs, [offer.id for offer in named.offers]
    mine = xr.DataArray([str(name) in at for name in inputs.offer_site["offer"].values], dims="offer")
    open_to = (inputs.add_max_mw.values[mine.values] > 0).any(axis=0)
    is_site = named.kind == "site"
    first = _energised(inputs, named.id) if is_site else int(np.argmax(open_to)) if open_to.any() else 0
    word = "energised" if is_site else "available"
    if first == 0:
        yield f"  it is {word} from the first quarter: no date would change that"
        return
    before = session.live.objective_musd

    def taken(quarters: int) -> tuple[float, float]:
        with session.trial():
            session.change(plan_inputs(apply(case, sooner(named, quarters))))
            live = session.solve(explain=False)
            return float(live.value("add").values[mine.values].sum()), before - live.objective_musd

    amount, saved = taken(first)
    enough = enough_mw(float(session.live.value("add").sum()))
    if amount <= enough:
        yield "  an earlier date alone would not bring it in"
        return
    low, high = 0, first
    while high - low > 1:
        middle = (low + high) // 2
        got, gain = taken(middle)
        if got > enough:
            high, amount, saved = middle, got, gain
        else:
            low = middle
    saved = settled(saved, before)
    cost = f"{pretty(saved * 1e6, 'USD')} less" if saved > 0 else "as much, to the gap of whole numbers"
    yield (
        f"  {word} in {case.labels[first - high]} instead of {case.labels[first]}, the plan would take "
        f"{pretty(amount * 1e6, 'W')} of it and cost {cost} (finite difference)"
    )


def _energised(inputs: PlanInputs, site: str) -> int:
    """Quarter by number in which a site first has room beyond what stands there."""
    room = inputs.connection_mw.sel(site=site).values > float(inputs.energised_initial_mw.sel(site=site)) + 1e-6
    return int(np.argmax(room)) if room.any() else len(inputs.quarters) - 1


def one_quarter(case: Case, session: PlanSession, named: Named) -> Iterator[str]:
    """What one quarter earlier and one later would cost or save: finite differences, labelled so."""
    before = session.live.objective_musd
    word = "energised" if named.kind == "site" else "available"
    for quarters, when in ((1, "earlier"), (-1, "later")):
        with session.trial():
            session.change(plan_inputs(apply(case, sooner(named, quarters))))
            try:
                cost = settled(session.solve(explain=False).objective_musd - before, before)
            except InfeasibleError:
                yield f"  if {word} one quarter {when}: no plan would exist (finite difference)"
                continue
        change = f"{pretty(abs(cost) * 1e6, 'USD')} {'less' if cost < 0 else 'more'}" if cost else "as much"
        yield f"  if {word} one quarter {when}: the plan would cost {change} (finite difference)"
