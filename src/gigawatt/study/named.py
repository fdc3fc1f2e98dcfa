"""Systems, sites, providers and vendors of a case by name, with the offers each has; near matches for a wrong name."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

import xarray as xr

from gigawatt.core.errors import CatalogError, ScenarioError
from gigawatt.study.resolve import Case, OfferCase

KINDS = ("vendor", "site", "system", "provider")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A name of a case and its offers."""

    kind: str
    id: str
    offers: tuple[OfferCase, ...]


def labels(case: Case, kind: str) -> xr.DataArray:
    """(offer) vendor, site, system or provider of each offer. Raises ScenarioError for another kind."""
    of = {
        "vendor": [offer.system.vendor for offer in case.offers],
        "site": [offer.site.id for offer in case.offers],
        "system": [offer.system.id for offer in case.offers],
        "provider": [offer.offer.provider for offer in case.offers],
    }
    if kind not in of:
        near = difflib.get_close_matches(kind, KINDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it is one of {', '.join(KINDS)}"
        raise ScenarioError(f"'{kind}' is nothing that offers are grouped by; {hint}")
    return xr.DataArray(of[kind], dims="offer", coords={"offer": [offer.id for offer in case.offers]})


def find(case: Case, name: str) -> Named:
    """System (id or alias), site or provider of a case. Raises ScenarioError with near matches.

    A site, or a system of the catalogue, that no offer names is found with no offers.
    """
    try:
        system = case.catalog.system(name).id
    except CatalogError:
        pass
    else:
        return Named(kind="system", id=system, offers=tuple(o for o in case.offers if o.system.id == system))
    if name in {site.id for site in case.sites}:
        return Named(kind="site", id=name, offers=tuple(o for o in case.offers if o.site.id == name))
    providers = {offer.offer.provider for offer in case.offers}
    if name in providers:
        return Named(kind="provider", id=name, offers=tuple(o for o in case.offers if o.offer.provider == name))
    known = sorted({o.system.id for o in case.offers} | {site.id for site in case.sites} | providers)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(known)}"
    raise ScenarioError(f"{case.scenario.name}: no system, site or provider is called '{name}'; {hint}")
