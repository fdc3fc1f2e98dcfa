"""Catalogue: files in, checked entries out. Overlays win, and say so."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from gigawatt.catalog.plausible import implausible
from gigawatt.catalog.reading import read_yaml
from gigawatt.catalog.schema import (
    KINDS_OF_ENTRY,
    Calibration,
    Costs,
    Deal,
    Efficiency,
    Entry,
    Model,
    Provider,
    Reference,
    Shipments,
    Site,
    Software,
    Source,
    Statement,
    System,
    Workload,
)
from gigawatt.core.errors import CatalogError, shown
from gigawatt.core.source import Fact

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

DATA = Path(__file__).parent / "data"

E = TypeVar("E", bound=Entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """All entries by kind and id, the sources they cite, and which ids an overlay replaced."""

    entries: Mapping[str, Mapping[str, Entry]]
    sources: Mapping[str, Source]
    overlaid: tuple[str, ...] = ()
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def system(self, name: str, *, at: str = "") -> System:
        """System under its id or any alias."""
        return cast(System, self.find("systems", name, at=at))

    def model(self, name: str, *, at: str = "") -> Model:
        """Model under its id, alias or Hugging Face name, whatever the organisation in front."""
        return cast(Model, self.find("models", name, at=at))

    def workload(self, name: str, *, at: str = "") -> Workload:
        """Workload class under its id or alias."""
        return cast(Workload, self.find("workloads", name, at=at))

    def provider(self, name: str, *, at: str = "") -> Provider:
        """Provider under its id or alias."""
        return cast(Provider, self.find("providers", name, at=at))

    def site(self, name: str, *, at: str = "") -> Site:
        """Site under its id or alias."""
        return cast(Site, self.find("sites", name, at=at))

    def deal(self, name: str, *, at: str = "") -> Deal:
        """Deal under its id or alias."""
        return cast(Deal, self.find("deals", name, at=at))

    def software(self, name: str, *, at: str = "") -> Software:
        """Software step under its id."""
        return cast(Software, self.find("software", name, at=at))

    def costs(self, name: str, *, at: str = "") -> Costs:
        """Set of cost assumptions."""
        return cast(Costs, self.find("costs", name, at=at))

    def efficiency(self, name: str, *, at: str = "") -> Efficiency:
        """Set of roofline efficiencies."""
        return cast(Efficiency, self.find("efficiency", name, at=at))

    def calibration(self, name: str) -> Calibration:
        """Set of fitted coefficients."""
        return cast(Calibration, self.find("calibration", name))

    def reference(self, name: str) -> Reference:
        """Cited figure that claims are compared with."""
        return cast(Reference, self.find("references", name))

    def all(self, kind: type[E]) -> list[E]:
        """Entries of a type, in the order of their files."""
        folder = next(name for name, entry_type in KINDS_OF_ENTRY.items() if entry_type is kind)
        return [cast(E, entry) for entry in self.entries[folder].values()]

    def statements(self) -> list[Statement]:
        """Statements of the source articles in their order."""
        return self.all(Statement)

    def shipments(self) -> list[Shipments]:
        """Yearly shipments by vendor."""
        return self.all(Shipments)

    def find(self, folder: str, name: str, *, at: str = "") -> Entry:
        """Entry of ``folder`` under its id or alias.

        Raises CatalogError with the nearest names, and the key ``at`` which the name was asked for.
        """
        known = self.names[folder]
        key = known.get(_fold(name)) or (self._by_last_part(name) if folder == "models" else None)
        if key is None:
            near = difflib.get_close_matches(_fold(name), list(known), n=3, cutoff=0.5)
            close = sorted({known[word] for word in near})
            hint = f"did you mean {' or '.join(close)}?" if close else f"'gigawatt show {folder}' lists them."
            where = f"{at}: " if at else ""
            raise CatalogError(f"{where}no {folder.rstrip('s')} is called {shown(name)}; {hint}")
        return self.entries[folder][key]

    def _by_last_part(self, name: str) -> str | None:
        """Id of the model whose Hugging Face name ends as this one, whoever it is filed under. Raises CatalogError."""
        last = _last_part(name)
        entries = self.entries["models"]
        keys = sorted(
            {
                key
                for full, key in self.names["models"].items()
                if _last_part(full) == last and ("/" in full or full in (_fold(key), _fold(entries[key].name)))
            }
        )
        if len(keys) > 1:
            raise CatalogError(f"the model '{name}' may be {' or '.join(keys)}; write which")
        return keys[0] if keys else None


def _last_part(name: str) -> str:
    """What stands behind the organisation or folder of a name.

    >>> _last_part("zai-org/GLM-5") == _last_part("/models/zhipuai/glm-5/")
    True
    """
    return _fold(name).rstrip("/").rsplit("/", 1)[-1]


def _fold(name: str) -> str:
    return name.strip().lower().replace("_", "-").replace(" ", "-")


def facts(entry: BaseModel, path: str = "") -> Iterator[tuple[str, Fact]]:
    """Every figure of an entry with its path, ``package.peak.dense.fp8``."""
    for name in type(entry).model_fields:
        yield from _facts_in(getattr(entry, name), f"{path}.{name}" if path else name)


def _facts_in(value: Any, path: str) -> Iterator[tuple[str, Fact]]:
    if isinstance(value, Fact):
        yield path, value
    elif isinstance(value, BaseModel):
        yield from facts(value, path)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _facts_in(item, f"{path}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _facts_in(item, f"{path}[{index}]")


def explain(error: ValidationError, where: str) -> str:
    """Sentence for the first problems pydantic found: where, what, what would be right."""
    lines = []
    for problem in error.errors(include_url=False)[:5]:
        place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in problem["loc"]).lstrip(".")
        lines.append(f"{where}: {place}: {_in_words(problem)}" if place else f"{where}: {_in_words(problem)}")
    return "\n".join(lines)


def _in_words(problem: ErrorDetails) -> str:
    kind, given = problem["type"], problem.get("input")
    if kind == "extra_forbidden":
        return "is not a key that exists here"
    if kind.startswith("int_"):
        return f"{shown(given)} is not a whole number; write for example 28"
    if kind in ("float_parsing", "float_type"):
        return f"{shown(given)} is not a number; write for example 0.25, with a decimal point"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"{shown(given)} stands where keys belong; write {{key: value, ...}}"
    if kind in ("tuple_type", "list_type"):
        return f"{shown(given)} stands where a list belongs; write [...]"
    if kind == "string_type":
        return f"{shown(given)} is not text; put it in quotes"
    return problem["msg"].removeprefix("Value error, ")


def _read_folder(root: Path, folder: str, entry_type: type[Entry], files: dict[str, str]) -> dict[str, Entry]:
    """Entries of a kind by id; notes the file of each in ``files``."""
    found: dict[str, Entry] = {}
    for path in sorted((root / folder).glob("*.yaml")):
        rows = read_yaml(path)
        for place, row in enumerate(rows if isinstance(rows, list) else [rows]):
            name = row.get("id", path.stem) if isinstance(row, dict) else f"{path.stem}[{place}]"
            try:
                entry = entry_type.model_validate(row)
            except ValidationError as error:
                raise CatalogError(explain(error, f"{path.name}: {name}")) from error
            if broken := next(implausible(folder, entry, facts(entry)), None):
                raise CatalogError(f"{path.name}: {name}: {broken}")
            if entry.id in found:
                raise CatalogError(f"{path.name}: the id '{entry.id}' stands twice in {folder}")
            found[entry.id], files[entry.id] = entry, path.name
    return found


def _names(entries: Mapping[str, Entry], files: Mapping[str, str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for entry in entries.values():
        for name in (entry.id, entry.name, *entry.aliases):
            if names.setdefault(_fold(name), entry.id) != entry.id:
                other = names[_fold(name)]
                raise CatalogError(
                    f"{files[entry.id]}: {entry.id}: the name '{name}' is that of {other} in {files[other]} too; "
                    "write another"
                )
    return names


def _read_sources(root: Path) -> dict[str, Source]:
    path = root / "sources.yaml"
    if not path.exists():
        return {}
    rows = read_yaml(path)
    if not isinstance(rows, dict):
        raise CatalogError(f"{path.name}: sources are a mapping, key: {{title: ..., site: ..., date: ...}}")
    found = {}
    for key, row in rows.items():
        if not isinstance(row, dict):
            raise CatalogError(f"{path.name}: {shown(key)} is {shown(row)}; write {{title: ..., site: ..., date: ...}}")
        if "key" in row:
            raise CatalogError(f"{path.name}: {shown(key)} has a key 'key'; its name is its key, drop it")
        try:
            found[key] = Source.model_validate(row | {"key": key})
        except ValidationError as error:
            raise CatalogError(explain(error, f"{path.name}: {shown(key)}")) from error
    return found


def _check_layout(overlay: Path) -> None:
    """Raises CatalogError for what a catalogue would never read: folders and files of other names, and nested ones."""
    has = f"it has {', '.join(KINDS_OF_ENTRY)}, each with files NAME.yaml, and sources.yaml"
    if not overlay.is_dir():
        raise CatalogError(f"the overlay {overlay} is not a folder")
    for part in sorted(overlay.iterdir()):
        if part.name.startswith(".") or part.suffix in _SIDE_TEXTS:
            continue
        if part.is_dir() and part.name not in KINDS_OF_ENTRY:
            raise CatalogError(f"{part}: the catalogue has no such folder; {has}")
        if not part.is_dir() and part.name != "sources.yaml":
            raise CatalogError(f"{part}: would not be read; put it into a folder of its kind: {has}")
        for inner in sorted(part.iterdir()) if part.is_dir() else ():
            read = inner.suffix == ".yaml" and inner.is_file()
            if inner.suffix == ".yaml" and not inner.is_file() and not inner.is_dir():
                raise CatalogError(f"{inner}: is a pipe or a device; an entry is a file")
            if not read and not inner.name.startswith(".") and inner.suffix not in _SIDE_TEXTS:
                raise CatalogError(f"{inner}: would not be read; the entries of {part.name} are files NAME.yaml in it")


_SIDE_TEXTS = (".md", ".txt")


@cache
def load_catalog(overlay: Path | None = None) -> Catalog:
    """The shipped catalogue, with the entries of an ``overlay`` folder of the same layout in place of its own.

    Raises CatalogError naming file, entry and field.
    """
    entries: dict[str, Mapping[str, Entry]] = {}
    names: dict[str, Mapping[str, str]] = {}
    sources = _read_sources(DATA)
    overlaid: list[str] = []
    if overlay is not None:
        _check_layout(overlay)
        sources |= _read_sources(overlay)
    for folder, entry_type in KINDS_OF_ENTRY.items():
        files: dict[str, str] = {}
        own = _read_folder(DATA, folder, entry_type, files)
        if overlay is not None:
            new = _read_folder(overlay, folder, entry_type, files)
            overlaid += [f"{folder}/{key}" for key in new if key in own]
            own |= new
        entries[folder], names[folder] = own, _names(own, files)
    catalog = Catalog(
        entries=entries, sources=sources, overlaid=tuple(overlaid),
        names=names,
    )  # fmt: skip
    _check_sources(catalog)
    return catalog


def _check_sources(catalog: Catalog) -> None:
    for folder, rows in catalog.entries.items():
        for entry in rows.values():
            for path, fact in facts(entry):
                for one in (fact, *fact.alternatives):
                    for key in one.source:
                        if key not in catalog.sources:
                            raise CatalogError(
                                f"{folder}/{entry.id}: {path} cites '{key}', which sources.yaml does not hold"
                            )
