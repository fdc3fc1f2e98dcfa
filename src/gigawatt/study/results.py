"""What a run leaves: a plan, the books, a summary, and a folder that can be read without the code."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from gigawatt.__about__ import __version__
from gigawatt.catalog.load import Catalog, facts
from gigawatt.core.errors import ScenarioError
from gigawatt.core.names import slug
from gigawatt.core.reading import json_of, read_text
from gigawatt.core.source import Fact
from gigawatt.core.writing import settled, sha256_of, whole_folder
from gigawatt.plan.solver import solver_version

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
    """First 10 hex digits of SHA-256 over scenario, catalogue, events and the versions of gigawatt and of its solver.

    Of plans that cost the same another version of the solver may choose another one.
    """
    digest = hashlib.sha256()
    digest.update(f"{__version__} highs {solver_version()}".encode())
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


FILES = ("plan.nc", "cash.parquet", "sources.bib", "claims.json", "report.html", "cite.txt", "manifest.json")
"""What a run's folder may hold of a run; anything else in it is the user's, and stays when the run is made again."""


def save(results: Results, out: Path, also: Mapping[str, Callable[[], str]] = MappingProxyType({})) -> Path:
    """Folder ``out/<name>-<hash>`` with plan.nc, cash.parquet, sources.bib, what ``also`` adds, and manifest.json.

    The folder is whole or not there, also where one stood before: it is filled aside and put in place in one step.

    Args:
        results: a finished run.
        out: folder of runs, made where it is missing.
        also: by name, of :data:`FILES`, what makes the text of a further file.

    Raises ScenarioError where the folder cannot be written.
    """
    folder = out / results.folder_name
    try:
        with whole_folder(settled(folder)) as part:
            (part / "plan.nc").write_bytes(_netcdf(results))
            results.book.to_parquet(part / "cash.parquet", index=False)
            (part / "sources.bib").write_text(bibliography(results.case), encoding="utf-8")
            for name, text in also.items():
                (part / name).write_text(text(), encoding="utf-8")
            seal(part, manifest(results))
            _keep_others(folder, part)
    except OSError as error:
        raise ScenarioError(f"cannot write the run to {folder}: {error.strerror}; choose another --out") from error
    return folder


def seal(folder: Path, told: dict[str, Any]) -> None:
    """Writes the manifest: ``told``, every file of the folder with its size and SHA-256, and its own checksum."""
    files = {path.name: {"bytes": path.stat().st_size, "sha256": sha256_of(path)} for path in sorted(folder.iterdir())}
    told = told | {"files": files}
    text = json.dumps(told | {"checksum": _checksum(told)}, indent=1) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run whose folder is whole: every file is there as it was written.

    Raises ScenarioError where it is not, and says what to do.
    """
    try:
        return _sealed(settled(folder))
    except ScenarioError:
        return _sealed(folder)  # once more: the folder may have been replaced between two looks


def _sealed(folder: Path) -> dict[str, Any]:
    again = "run the scenario again: 'gigawatt run NAME' writes it anew"
    try:
        told = json_of(read_text(folder / "manifest.json"))
        own, files = told.pop("checksum"), dict(told["files"])
        if own != _checksum(told):
            raise ValueError(own)
    except KeyError:
        raise ScenarioError(f"{folder}: manifest.json does not say which files belong to the run; {again}") from None
    except FileNotFoundError:
        raise ScenarioError(f"{folder} is not the folder of a whole run: it has no manifest.json; {again}") from None
    except OSError as error:
        raise ScenarioError(f"{folder}: manifest.json cannot be read: {error.strerror}; {again}") from None
    except (ValueError, TypeError, AttributeError):
        raise ScenarioError(f"{folder}: manifest.json is damaged; {again}") from None
    for name, held in files.items():
        path = folder / name
        if not path.is_file():
            raise ScenarioError(f"{folder} is not whole: {name} is missing; {again}")
        if path.stat().st_size != held["bytes"] or sha256_of(path) != held["sha256"]:
            raise ScenarioError(f"{folder} is not whole: {name} is not what the run wrote; {again}")
    return dict(told)


def _checksum(told: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _keep_others(old: Path, new: Path) -> None:
    """What the user put into the old folder is in the new one too (the same file where the system has links)."""
    for path in old.iterdir() if old.is_dir() else ():
        if path.name in FILES or (new / path.name).exists():
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(path, new / path.name, symlinks=True, copy_function=_linked)
        else:
            _linked(path, new / path.name)


def _linked(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


def _netcdf(results: Results) -> memoryview:
    """The plan as netCDF-4, made in memory: HDF5 does not survive a disk that is full."""
    plan = results.plan.drop_attrs(deep=False).assign_attrs(_text_attrs(results))
    encoding = {name: {"zlib": True} for name in plan.data_vars if plan[name].ndim}
    return plan.to_netcdf(engine="h5netcdf", encoding=encoding)


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
