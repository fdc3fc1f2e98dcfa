"""What a run leaves: a plan, the books, a summary, and a folder that can be read without the code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from gigawatt.__about__ import __version__
from gigawatt.catalog.load import Catalog, facts
from gigawatt.core.errors import ScenarioError
from gigawatt.core.names import slug
from gigawatt.core.source import Fact

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from gigawatt.study.resolve import Case
    from gigawatt.study.scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """A finished run."""

    case: Case
    plan: xr.Dataset
    book: pd.DataFrame
    summary: dict[str, Any]
    hash: str

    @property
    def folder_name(self) -> str:
        """Name of the run's folder: scenario and the hash of all its inputs."""
        return f"{slug(self.case.scenario.name)}-{self.hash}"


def input_hash(scenario: Scenario, catalog: Catalog, events: Sequence[str]) -> str:
    """First 10 hex digits of SHA-256 over scenario, catalogue, events and version: same input, same hash."""
    digest = hashlib.sha256()
    digest.update(__version__.encode())
    digest.update(json.dumps(_plain(scenario), sort_keys=True).encode())
    for folder, rows in sorted(catalog.entries.items()):
        for key, entry in sorted(rows.items()):
            digest.update(f"{folder}/{key}".encode())
            digest.update(json.dumps(_plain(entry), sort_keys=True).encode())
    digest.update(json.dumps(sorted(events)).encode())
    return digest.hexdigest()[:10]


def _plain(value: Any) -> Any:
    if isinstance(value, Fact):
        return [value.value, value.unit, value.low, value.high, value.kind, list(value.source)]
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def rests_on(case: Case) -> Iterator[tuple[str, Fact]]:
    """Every figure a run used, with where it stands."""
    yield from facts(case.scenario, "scenario")
    entries: list[tuple[str, BaseModel]] = [("costs", case.costs), ("efficiency", case.efficiency)]
    seen: set[str] = set()
    entries += [(f"systems/{offer.system.id}", offer.system) for offer in case.offers]
    entries += [(f"sites/{site.id}", site.entry) for site in case.sites if site.entry is not None]
    for item in case.classes:
        entries.append((f"workloads/{item.id}", item.workload))
        if item.workload.model:
            entries.append((f"models/{item.workload.model}", case.catalog.model(item.workload.model)))
    entries += [(f"software/{step.id}", step) for step in case.software]
    if case.milestone_deal is not None:
        entries.append((f"deals/{case.milestone_deal.id}", case.milestone_deal))
    for name in case.scenario.deals:
        entries.append((f"deals/{name}", case.catalog.deal(name)))
    for place, entry in entries:
        if place not in seen:
            seen.add(place)
            yield from facts(entry, place)


def save(results: Results, out: Path) -> Path:
    """Folder ``out/<name>-<hash>`` with plan.nc, cash.parquet, manifest.json and sources.bib.

    Raises ScenarioError where the folder cannot be written.
    """
    folder = out / results.folder_name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        results.plan.drop_attrs(deep=False).assign_attrs(_text_attrs(results)).to_netcdf(
            folder / "plan.nc",
            engine="h5netcdf",
            encoding={name: {"zlib": True} for name in results.plan.data_vars if results.plan[name].ndim},
        )
        results.book.to_parquet(folder / "cash.parquet", index=False)
        (folder / "manifest.json").write_text(json.dumps(manifest(results), indent=1) + "\n", encoding="utf-8")
        (folder / "sources.bib").write_text(bibliography(results.case), encoding="utf-8")
    except OSError as error:
        raise ScenarioError(f"cannot write the run to {folder}: {error.strerror}; choose another --out") from error
    return folder


def _text_attrs(results: Results) -> dict[str, Any]:
    return {key: float(value) for key, value in results.plan.attrs.items()} | {"scenario": results.case.scenario.name}


def manifest(results: Results) -> dict[str, Any]:
    """What reproduces a run: input hash, versions, events, sources, and the summary."""
    from importlib.metadata import version

    case = results.case
    judgements = sorted({place for place, fact in rests_on(case) if fact.kind == "judgement"})
    return {
        "gigawatt": __version__,
        "hash": results.hash,
        "scenario": case.scenario.name,
        "title": case.scenario.title,
        "events": list(case.events_on),
        "overlaid": list(case.catalog.overlaid),
        "versions": {name: version(name) for name in ("highspy", "numpy", "scipy", "xarray")},
        "seed": 0,
        "judgements": judgements,
        "sources": cited_keys(case),
        "summary": results.summary,
    }


def cited_keys(case: Case) -> list[str]:
    """Keys of the sources a run cites, sorted."""
    return sorted({key for _, fact in rests_on(case) for key in fact.source})


def bibliography(case: Case) -> str:
    """BibTeX of what a run cites; sources that a scenario names but the catalogue does not hold are listed as notes."""
    rows = []
    for key in cited_keys(case):
        source = case.catalog.sources.get(key)
        if source is None:
            rows.append(f"@misc{{{_bib(key)},\n  note = {{named in the scenario}}\n}}\n")
            continue
        url = f"\n  url = {{{_bib(source.url)}}}," if source.url else ""
        rows.append(
            f"@misc{{{_bib(key)},\n  title = {{{_bib(source.title)}}},\n"
            f"  howpublished = {{{_bib(source.site)}}},{url}\n"
            f"  year = {{{_bib(source.date)}}}\n}}\n"
        )
    return "\n".join(rows)


def _bib(text: str) -> str:
    """Text without what would end or break an entry of BibTeX."""
    return " ".join(text.translate({ord(sign): None for sign in "{}\\"}).split())
