"""Lumps of a scenario: halls, openings, fibre between sites; and what the planner reads of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from pydantic import Field

from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.lumps import Lumps
from gigawatt.study.written import Block, Name

Floats = npt.NDArray[np.float64]

if TYPE_CHECKING:
    from gigawatt.study.resolve import Case, OfferCase, SiteCase


class Fibre(Block):
    """Two sites close enough for one training cluster over both."""

    sites: Annotated[tuple[Name, ...], Field(min_length=2, max_length=2)]


def check_lumps(scenario: Any) -> None:
    """What lumps need of each other within a scenario. Raises ValueError with a sentence."""
    sites = {use.site: use for use in scenario.sites}
    for index, use in enumerate(scenario.sites):
        for key in ("hall", "opening"):
            if getattr(use, key) is not None and use.tenure == "provider":
                raise ValueError(
                    f"sites[{index}].{key}: '{use.site}' is the provider's own; halls and openings are of sites that "
                    "the buyer builds or leases"
                )
        if use.hall is not None and use.hall.value <= 0:
            raise ValueError(f"sites[{index}].hall: a hall of {use.hall.text} holds nothing; write for example 100 MW")
    for index, row in enumerate(scenario.fibre):
        for name in row.sites:
            if name not in sites:
                raise ValueError(f"fibre[{index}].sites: '{name}' is not among this scenario's sites: add it there")
        if row.sites[0] == row.sites[1]:
            raise ValueError(f"fibre[{index}].sites: '{row.sites[0]}' stands twice; fibre links two sites")


def hall_mw(case: Case) -> Floats:
    """Facility MW of a hall by site: the scenario's, else the catalogue's; 0 where none is given."""
    found = []
    for site in case.sites:
        hall = site.use.hall or (site.entry.hall if site.entry and site.use.tenure != "provider" else None)
        found.append(hall.value / 1e6 if hall else 0.0)
    return np.array(found)


def with_lumps(case: Case, d: PlanInputs) -> PlanInputs:
    """Inputs with the lumps of the case; as they are where it has none."""
    whole = case.scenario.policy.lumps == "whole"
    halls = hall_mw(case)
    opens = tuple(
        site.id for site, stands in zip(case.sites, d.energised_initial_mw.values, strict=True)
        if site.use.opening and stands <= 0
    )  # fmt: skip
    gangs = bool(d.gang_workload)
    if not gangs and not halls.any() and not opens:
        return d
    coords = {"site": list(d.sites)}
    able = _gang_able(case, d, halls) if gangs else None
    lumps = Lumps(
        whole=whole,
        hall_mw=xr.DataArray(halls, dims="site", coords=coords),
        opens=opens,
        gang_able=able,
        gang_runs=None if able is None else _gang_runs(able, d),
    )
    if able is None:
        return replace(d, lumps=lumps)
    return replace(d, lumps=lumps, gang_offer=able.max("place").transpose("gang", "offer"))


def places(case: Case) -> list[tuple[str, ...]]:
    """Where a gang may stand: every site, and every pair that fibre links.

    A region of a provider is no place where the scenario has the provider's offers at sites.
    """
    named = {offer.offer.provider for offer in case.offers if not is_region(offer.site)}
    vague = {
        site.id for site in case.sites
        if is_region(site) and {o.offer.provider for o in case.offers if o.site.id == site.id} & named
    }  # fmt: skip
    return [(site.id,) for site in case.sites if site.id not in vague] + [row.sites for row in case.scenario.fibre]


def is_region(site: SiteCase) -> bool:
    """True for what a provider offers without saying where or how much: many buildings, of which one holds a gang."""
    return site.use.tenure == "provider" and not np.isfinite(site.connection_w).all()


def _gang_able(case: Case, d: PlanInputs, halls: Floats) -> xr.DataArray:
    """(gang, place, offer) 1 where the offer stands at the place, runs the job, and the place can carry the gang."""
    spots = places(case)
    offers = d.offer_site["offer"]
    table = np.zeros((len(d.gang_workload), len(spots), offers.size))
    room = d.connection_mw.values - d.energised_initial_mw.values[:, None]
    size = np.where(halls > 0, halls, 1.0)[:, None]
    room = np.where(halls[:, None] > 0, np.floor(room / size + 1e-6) * size, room)
    power = dict(zip(d.sites, d.energised_initial_mw.values[:, None] + room, strict=True))
    for g, job in enumerate(d.gang_workload):
        runs = d.gang_mw.values[g] > 0
        for p, spot in enumerate(spots):
            it_mw = sum(
                power[site.id][runs].max(initial=0.0) / site.facility_over_it for site in case.sites if site.id in spot
            )
            carries = it_mw >= float(d.gang_mw.values[g].max(initial=0.0)) * (1 - 1e-9)
            for o, offer in enumerate(case.offers):
                table[g, p, o] = float(carries and offer.site.id in spot and runs_on(offer, case, job))
    return xr.DataArray(
        table, dims=("gang", "place", "offer"),
        coords={"gang": list(d.gang_workload), "place": ["+".join(spot) for spot in spots], "offer": offers.values},
    )  # fmt: skip


def _gang_runs(able: xr.DataArray, d: PlanInputs) -> xr.DataArray:
    """(gang, system, offer) 1 where the offer can be part of the gang and is of the system; two do not mix."""
    systems = sorted({str(name) for name in d.offer_system.values})
    of = xr.DataArray(
        (np.array(systems)[:, None] == d.offer_system.values[None, :]).astype(float), dims=("system", "offer"),
        coords={"system": systems, "offer": able["offer"]},
    )  # fmt: skip
    return (able.max("place") * of).transpose("gang", "system", "offer")


def _systems_at(case: Case, spot: tuple[str, ...]) -> list[str]:
    """Systems that are offered at a spot, by name."""
    return sorted({offer.system.id for offer in case.offers if offer.site.id in spot})


def runs_on(offer: OfferCase, case: Case, job: str) -> bool:
    """Whether the machines of an offer may run a job."""
    return case.training[offer.system.id, job].is_served and (not offer.offer.only or job in offer.offer.only)


def lump_rows(case: Case, plan: xr.Dataset) -> list[dict[str, Any]]:
    """Lumps of a plan: what, where, how much, whether it is whole. Halls at the end, openings, places of gangs."""
    rows: list[dict[str, Any]] = []

    def add(what: str, where: str, amount: float) -> None:
        if amount > 1e-6:
            rows.append({"what": what, "where": where, "amount": round(amount, 4),
                         "whole": abs(amount - round(amount)) < 1e-4})  # fmt: skip

    if "halls" in plan:
        for site in plan["halls"]["hall_site"].values:
            add("halls", str(site), float(plan["halls"].sel(hall_site=site).sum()))
    if "opened" in plan:
        for site in plan["opened"]["opened_site"].values:
            add("opened", str(site), float(plan["opened"].sel(opened_site=site).values[-1]))
    return rows + _gang_rows(case, plan)


def _gang_rows(case: Case, plan: xr.Dataset) -> list[dict[str, Any]]:
    """The largest part of each job's gang that one system at one place holds while the job runs."""
    rows = []
    for gang in plan["gang"].values if "reserved_w" in plan else ():
        held = plan["reserved_w"].sel(gang=gang).transpose("offer", "quarter").values
        size = _gang_w(case, str(gang))
        runs = held.sum(axis=0) > 1.0
        best, where, on = 0.0, "", ""
        for spot in places(case) if runs.any() else ():
            for system in _systems_at(case, spot):
                fits = np.array([o.site.id in spot and o.system.id == system for o in case.offers])
                part = float((held[fits].sum(axis=0)[runs] / size).min())
                if part > best * (1 + 1e-6):
                    best, where, on = part, "+".join(spot), system
        rows.append({"what": f"gang {gang}", "where": where, "on": on, "amount": round(min(best, 1.0), 4),
                     "whole": best >= 1.0 - 1e-4,
                     "region": any(site.id == where and is_region(site) for site in case.sites)})  # fmt: skip
    return rows


def _gang_w(case: Case, job: str) -> float:
    """IT W of a job's gang."""
    return next(float(item.row.gang.value) for item in case.classes if item.id == job and item.row.gang)  # type: ignore[union-attr]


def lump_sentences(rows: list[dict[str, Any]], *, whole: bool) -> list[str]:
    """Lumps in words: "relaxed: 3.4 halls at shackelford"; gangs are whole in both modes."""
    lines = []
    for row in rows:
        amount, head = row["amount"], "whole" if whole else "relaxed"
        if row["what"] == "halls":
            words = f"{amount:.3g} {'hall' if amount == 1 else 'halls'} at {row['where']}"
        elif row["what"] == "opened":
            words = f"{row['where']} opened" + ("" if row["whole"] else f" by {100 * amount:.0f} %")
        else:
            share = "all" if row["whole"] else f"at most {100 * amount:.0f} %"
            near = "somewhere in" if row["region"] else "at"
            words = f"{share} of {row['what']} {near} {row['where']}, on {row['on']}"
            head, words = "whole", words if row["where"] else f"none of {row['what']}"
        lines.append(f"{head}: {words}")
    return lines
