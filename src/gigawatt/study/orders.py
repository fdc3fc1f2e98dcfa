"""When what a plan accepts has to be ordered: acceptances moved back by tests and lead times.

A lead time runs from order to delivery; an acceptance lag, the time of tests, from delivery to acceptance. Dates follow
from what a plan accepts; ``policy.enforce_lead_times`` makes rules of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gigawatt.core.calendar import quarters_of, str_quarter
from gigawatt.core.errors import CatalogError

if TYPE_CHECKING:
    import xarray as xr

    from gigawatt.catalog.schema import Costs
    from gigawatt.plan.inputs import PlanInputs
    from gigawatt.study.resolve import Case, OfferCase, SiteCase
    from gigawatt.study.scenario import Scenario, SiteUse

Floats = npt.NDArray[np.float64]

NEEDS = ("substation-transformer", "switchgear")
"""What every phase of a site waits for where the scenario names nothing else."""
LEAST_W = 1e3
"""Smaller parts of a plan are rounding, no order."""


LEAD_QUARTERS = 2
"""Judgement: from order to acceptance of systems, and from the decision for a building to its use, unless said."""


def order_lead(case: Case, offer: OfferCase) -> int:
    """Quarters from order to acceptance, where a delay pushes orders: the offer's own, else what the scenario says of
    its uncertainty. What is rented by the quarter is there when it is asked for.
    """
    row, said = offer.offer, case.scenario.uncertainty
    on_demand = row.contract != "own" and row.term is None and not row.minimum_take
    asked = quarters_of(said.order_lead.value) if said and said.order_lead else LEAD_QUARTERS
    return (quarters_of(row.lead_time.value) if row.lead_time else 0 if on_demand else asked) + offer.lag


def check_needs(scenario: Scenario, costs: Costs) -> None:
    """Every item that a site waits for has a lead time. Raises CatalogError with a sentence."""
    for index, use in enumerate(scenario.sites):
        for item in use.needs or ():
            if item not in costs.lead_times:
                known = ", ".join(costs.lead_times) or "none"
                raise CatalogError(f"sites[{index}].needs: no lead time is known for '{item}'; {costs.id} has {known}")


def orders(case: Case, plan: xr.Dataset) -> list[dict[str, Any]]:
    """Orders by quarter of order, earliest first.

    Rows of quarter (of the order), kind (systems or site), what (offer or site), site, item (what sets the date),
    delivered (quarter, of systems), accepted (quarter), power_w (IT power of systems, facility power of sites),
    before_start (the order lies before the horizon and must have been placed), lead_is_default (of systems: the
    lead time is the catalogue's, as the offer says none).
    """
    rows = [*_systems(case, plan), *_phases(case, plan)]
    first = case.quarters[0]
    return [
        {"quarter": str_quarter(due), "before_start": due < first, **row}
        for due, row in sorted(rows, key=lambda pair: (pair[0], pair[1]["kind"], pair[1]["what"]))
    ]


def due(rows: list[dict[str, Any]], case: Case, n_quarters: int = 4) -> list[dict[str, Any]]:
    """Orders to be placed in the first quarters of the horizon."""
    soon = {str_quarter(q) for q in case.quarters[:n_quarters]}
    return [row for row in rows if row["quarter"] in soon]


def _systems(case: Case, plan: xr.Dataset) -> list[tuple[int, dict[str, Any]]]:
    rows = []
    for offer, added in zip(case.offers, plan["add_w"].values, strict=True):
        for quarter, watts in zip(case.quarters, added, strict=True):
            if watts > LEAST_W:
                rows.append((quarter - offer.lag - offer.lead, {
                    "kind": "systems", "what": offer.offer.id, "site": offer.site.id, "item": offer.system.id,
                    "delivered": str_quarter(quarter - offer.lag), "accepted": str_quarter(quarter),
                    "power_w": float(watts), "lead_is_default": offer.lead_is_default,
                }))  # fmt: skip
    return rows


def _phases(case: Case, plan: xr.Dataset) -> list[tuple[int, dict[str, Any]]]:
    """Steps of a site's connection that the plan takes into use; ordered when their slowest item has to be."""
    rows = []
    for site, in_use in zip(case.sites, plan["in_use_facility_w"].values, strict=True):
        item, lead = slowest(site.use, case.costs)
        if not item or not np.isfinite(site.connection_w).all():
            continue
        most = float(in_use.max())
        for index in range(1, len(case.quarters)):
            before, now = float(site.connection_w[index - 1]), float(site.connection_w[index])
            if (used := min(now, most) - before) > LEAST_W:
                rows.append((case.quarters[index] - lead, {
                    "kind": "site", "what": site.id, "site": site.id, "item": item,
                    "accepted": str_quarter(case.quarters[index]), "power_w": used,
                }))  # fmt: skip
    return rows


def slowest(use: SiteUse, costs: Costs) -> tuple[str, int]:
    """(item with the longest lead time of those a site waits for, its quarters); no item where a provider builds."""
    if use.tenure == "provider":
        return "", 0
    wanted = use.needs if use.needs is not None else NEEDS
    leads = {item: quarters_of(costs.lead_times[item].value) for item in wanted if item in costs.lead_times}
    return max(leads.items(), key=lambda pair: pair[1]) if leads else ("", 0)


def connection_in_time_w(site: SiteCase, costs: Costs, quarters: Sequence[int]) -> Floats:
    """Connection of a site where nothing comes sooner than ordered in the first quarter (quarter) [facility W].

    What stands in the first quarter, phases up to the scenario's ``ordered`` and phases that the catalogue calls
    energised or contracted keep their dates.
    """
    power, (_, lead) = site.connection_w, slowest(site.use, costs)
    if not lead or not np.isfinite(power).all():
        return power
    fixed = float(power[0])
    if site.use.ordered is not None:
        fixed = max(fixed, float(power[np.asarray(quarters) <= site.use.ordered.value].max(initial=0.0)))
    elif site.entry is not None and not site.use.connection:
        scale = site.facility_over_it if site.entry.basis == "it" else 1.0
        signed = [row.power.value * scale for row in site.entry.energised if row.status != "announced"]
        fixed = max([fixed, *signed])
    return np.where(np.arange(len(power)) < lead, np.minimum(power, fixed), power)


def with_leads(case: Case, d: PlanInputs) -> PlanInputs:
    """Inputs in which systems without a lead time of their own come no sooner than the default, where policy says so.

    Sooner comes only what a commitment or a minimum take calls for in its quarter: that much under each of its offers.
    """
    if not case.scenario.policy.enforce_lead_times:
        return d
    dates = [(d.commitment_mw, d.commitment_weight.transpose("commitment", "offer"))]
    if d.terms.takes is not None:
        dates.append((d.terms.takes.mw, d.terms.takes.member.transpose("take", "offer")))
    most = d.add_max_mw.values.copy()
    for index, offer in enumerate(case.offers):
        if not offer.lead_is_default:
            continue
        called = np.zeros(len(d.quarters))
        for promised, weight in dates:
            of_offer = weight.values[:, index]
            steps = np.maximum(np.diff(promised.values, prepend=0.0, axis=1), 0.0)[of_offer > 0]
            called = np.maximum(called, (steps / of_offer[of_offer > 0, None]).max(axis=0, initial=0.0))
        early = np.arange(len(d.quarters)) < offer.lead + offer.lag
        most[index] = np.where(early, np.minimum(most[index], called), most[index])
    return replace(d, add_max_mw=d.add_max_mw.copy(data=most))


def enforced_sentence(case: Case) -> str:
    """What ``policy.enforce_lead_times`` closes, for a scenario that has no plan with it and one without."""
    start = case.quarters[0]
    waits = {offer.lead + offer.lag for offer in case.offers if offer.lead_is_default}
    words = []
    if waits:
        first = str_quarter(start + max(waits))
        words.append(f"systems whose offer says no lead_time are accepted from {first} on")
    for item, lead in dict.fromkeys(slowest(site.use, case.costs) for site in case.sites):
        if lead:
            first = str_quarter(start + lead)
            words.append(f"phases of sites that are not on order come from {first} on ({item})")
    return (
        f"Without policy.enforce_lead_times a plan exists; with it {'; '.join(words)}. State what is on order: a "
        "lead_time in the offers, ordered at the sites, or initial"
    )
