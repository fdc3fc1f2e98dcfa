"""When what a plan accepts has to be ordered: acceptances moved back by tests and lead times.

A lead time runs from order to delivery; an acceptance lag, the time of tests, from delivery to acceptance.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from gigawatt.core.calendar import str_quarter
from gigawatt.core.errors import CatalogError

if TYPE_CHECKING:
    import xarray as xr

    from gigawatt.catalog.schema import Costs
    from gigawatt.study.resolve import Case, SiteCase
    from gigawatt.study.scenario import Scenario

QUARTER_S = 8760 / 4 * 3600.0
NEEDS = ("substation-transformer", "switchgear")
"""What every phase of a site waits for where the scenario names nothing else."""
LEAST_W = 1e3
"""Smaller parts of a plan are rounding, no order."""


def lead_quarters(seconds: float) -> int:
    """Whole quarters of a lead time; a part of a quarter counts as one."""
    return math.ceil(seconds / QUARTER_S - 1e-9)


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
    before_start (the order lies before the horizon and must have been placed).
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
                    "power_w": float(watts),
                }))  # fmt: skip
    return rows


def _phases(case: Case, plan: xr.Dataset) -> list[tuple[int, dict[str, Any]]]:
    """Steps of a site's connection that the plan takes into use; ordered when their slowest item has to be."""
    rows = []
    for site, in_use in zip(case.sites, plan["in_use_facility_w"].values, strict=True):
        item, lead = slowest(case, site)
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


def slowest(case: Case, site: SiteCase) -> tuple[str, int]:
    """(item with the longest lead time of those a site waits for, its quarters); no item where a provider builds."""
    if site.use.tenure == "provider":
        return "", 0
    wanted = site.use.needs if site.use.needs is not None else NEEDS
    leads = {item: lead_quarters(case.costs.lead_times[item].value) for item in wanted if item in case.costs.lead_times}
    return max(leads.items(), key=lambda pair: pair[1]) if leads else ("", 0)
