"""Systems, sites, providers and vendors of a case by name, with the offers each has; near matches for a wrong name."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

import xarray as xr

from gigawatt.core.errors import CatalogError, ScenarioError
from gigawatt.study.resolve import Case, OfferCase

KINDS = ("vendor", "site", "system", "provider", "technology")
TECHNOLOGIES = {"gpu": "GPU", "asic": "TPU & custom ASIC", "sram": "wafer-scale & SRAM"}
"""Words for what the catalogue calls the ``kind`` of a system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A name of a case and its offers."""

    kind: str
    id: str
    offers: tuple[OfferCase, ...]


def labels(case: Case, kind: str) -> xr.DataArray:
    """(offer) vendor, site, system, provider or technology of each offer. Raises ScenarioError for another kind.

    The technology is the catalogue's ``kind`` of the system, in words.
    """
    of = {
        "vendor": [offer.system.vendor for offer in case.offers],
        "site": [offer.site.id for offer in case.offers],
        "system": [offer.system.id for offer in case.offers],
        "provider": [offer.offer.provider for offer in case.offers],
        "technology": [TECHNOLOGIES[offer.system.kind] for offer in case.offers],
    }
    if kind not in of:
        near = difflib.get_close_matches(kind, KINDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it is one of {', '.join(KINDS)}"
        raise ScenarioError(f"'{kind}' is nothing that offers are grouped by; {hint}")
    return xr.DataArray(of[kind], dims="offer", coords={"offer": [offer.id for offer in case.offers]})


def find(case: Case, name: str) -> Named:
    """System, site, provider, vendor or alias of a system, in any case of letters, tried in this order.

    What the scenario or the catalogue knows and no offer names is found with no offers.

    Raises ScenarioError with near matches.
    """
    systems = case.catalog.entries["systems"]
    sites, providers = {site.id for site in case.sites}, {offer.offer.provider for offer in case.offers}
    vendors = {case.catalog.system(key).vendor for key in systems}
    by_kind: tuple[tuple[str, set[str], Callable[[OfferCase], str]], ...] = (
        ("system", set(systems), lambda offer: offer.system.id),
        ("site", sites, lambda offer: offer.site.id),
        ("provider", providers, lambda offer: offer.offer.provider),
        ("vendor", vendors, lambda offer: offer.system.vendor),
    )
    for kind, known, of in by_kind:
        found = next((one for one in sorted(known) if one.lower() == name.lower()), None)
        if found is not None:
            return Named(kind=kind, id=found, offers=tuple(offer for offer in case.offers if of(offer) == found))
    for spelled in dict.fromkeys((name, name.lower())):
        try:
            system = case.catalog.system(spelled).id
        except CatalogError:
            continue
        return Named(kind="system", id=system, offers=tuple(o for o in case.offers if o.system.id == system))
    names = sorted({o.system.id for o in case.offers} | sites | providers | {o.system.vendor for o in case.offers})
    near = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(names)}"
    raise ScenarioError(f"{case.scenario.where}: no system, site, provider or vendor is called '{name}'; {hint}")
