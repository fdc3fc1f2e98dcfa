"""Names for people in place of identifiers, as plain text: a door that needs markup escapes them."""

from __future__ import annotations

from gigawatt.core.errors import CatalogError
from gigawatt.study.resolve import Case


def system_name(case: Case, name: str) -> str:
    """Name of a system as its vendor writes it."""
    return next(offer.system.name for offer in case.offers if offer.system.id == name)


def site_name(case: Case, name: str) -> str:
    """Name of a site; its identifier, spelled out, where the scenario made it up."""
    entry = next((site.entry for site in case.sites if site.id == name), None)
    return entry.name if entry else spelled(name)


def class_name(case: Case, name: str) -> str:
    """Name of a class of demand."""
    item = next(item for item in case.classes if item.id == name)
    return item.workload.name if item.id == item.workload.id else spelled(name)


def party_name(case: Case, name: str) -> str:
    """Name of a party of the ledger."""
    try:
        return case.catalog.provider(name).name
    except CatalogError:
        return spelled(name)


def spelled(slug: str) -> str:
    """An identifier as words, "to-be-named" as "To be named"."""
    words = slug.replace("-", " ")
    return words[:1].upper() + words[1:]
