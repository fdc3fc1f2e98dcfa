"""Catalogue: files in, checked entries out. Overlays win, and say so."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

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
from gigawatt.core.errors import CatalogError
from gigawatt.core.source import Fact

DATA = Path(__file__).parent / "data"

E = TypeVar("E", bound=Entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """All entries by kind and id, the sources they cite, and which ids an overlay replaced."""

    entries: Mapping[str, Mapping[str, Entry]]
    sources: Mapping[str, Source]
    overlaid: tuple[str, ...] = ()
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def system(self, name: str) -> System:
        """System under its id or any alias."""
        return cast(System, self.find("systems", name))

    def model(self, name: str) -> Model:
        """Model under its id, alias or Hugging Face name, whatever the organisation in front."""
        return cast(Model, self.find("models", name))

    def workload(self, name: str) -> Workload:
        """Workload class under its id or alias."""
        return cast(Workload, self.find("workloads", name))

    def provider(self, name: str) -> Provider:
        """Provider under its id or alias."""
        return cast(Provider, self.find("providers", name))

    def site(self, name: str) -> Site:
        """Site under its id or alias."""
        return cast(Site, self.find("sites", name))

    def deal(self, name: str) -> Deal:
        """Deal under its id or alias."""
        return cast(Deal, self.find("deals", name))

    def software(self, name: str) -> Software:
        """Software step under its id."""
        return cast(Software, self.find("software", name))

    def costs(self, name: str) -> Costs:
        """Set of cost assumptions."""
        return cast(Costs, self.find("costs", name))

    def efficiency(self, name: str) -> Efficiency:
        """Set of roofline efficiencies."""
        return cast(Efficiency, self.find("efficiency", name))

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

    def find(self, folder: str, name: str) -> Entry:
        """Entry of ``folder`` under its id or alias. Raises CatalogError with the nearest names."""
        known = self.names[folder]
        key = known.get(_fold(name)) or (self._by_last_part(name) if folder == "models" else None)
        if key is None:
            near = difflib.get_close_matches(_fold(name), list(known), n=3, cutoff=0.5)
            close = sorted({known[word] for word in near})
            hint = f"did you mean {' or '.join(close)}?" if close else f"'gigawatt show {folder}' lists them."
            raise CatalogError(f"no {folder.rstrip('s')} is called '{name}'; {hint}")
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


def read_yaml(path: Path) -> Any:
    """Content of a YAML file. Raises CatalogError where it does not parse or repeats a key."""
    import yaml

    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_strict_loader())
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        words = ": ".join(text for text in (error.context, error.problem) if text)
        raise CatalogError(f"{path.name}: {line}{words}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path.name}: {' '.join(str(error).split())}") from error
    except OSError as error:
        raise CatalogError(f"{path}: {error.strerror}") from error


@cache
def _strict_loader() -> type:
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Strict(base):  # type: ignore[misc]
        """Dates, clock times and numbers with leading zeros stay text, and a repeated key is an error."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen: set[str] = set()
            for key, _ in node.value:
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key '{key.value}' stands twice", key.start_mark
                    )
                seen.add(key.value)
            return super().construct_mapping(node, deep=deep)

    dropped = {f"tag:yaml.org,2002:{kind}" for kind in ("timestamp", "int", "float")}
    Strict.yaml_implicit_resolvers = {
        first: [pair for pair in pairs if pair[0] not in dropped]
        for first, pairs in base.yaml_implicit_resolvers.items()
    }
    whole = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
    real = re.compile(r"[-+]?([0-9][0-9_]*\.[0-9]*|\.[0-9]+|[0-9][0-9_]*)([eE][-+]?[0-9]+)?")
    Strict.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(whole.pattern + r"\Z"), list("-+0123456789"))
    Strict.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(rf"(?!0[0-9]){real.pattern}\Z"), list("-+0123456789.")
    )
    return Strict


def explain(error: ValidationError, where: str) -> str:
    """Sentence for the first problems pydantic found: where, what, what would be right."""
    lines = []
    for problem in error.errors()[:5]:
        place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in problem["loc"]).lstrip(".")
        message = problem["msg"].removeprefix("Value error, ")
        given = problem.get("input")
        if problem["type"] == "extra_forbidden":
            message = "is not a key that exists here"
        elif problem["type"].startswith("int_"):
            message = f"{given!r} is not a whole number; write for example 28"
        elif problem["type"] == "string_pattern_mismatch":
            near = re.sub(r"[^a-z0-9]+", "-", str(given).lower()).strip("-") or "my-plan"
            message = f"{given!r} is not a name; write lower case letters, digits and hyphens, for example {near}"
        lines.append(f"{where}: {place}: {message}" if place else f"{where}: {message}")
    return "\n".join(lines)


def _read_folder(root: Path, folder: str, entry_type: type[Entry]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for path in sorted((root / folder).glob("*.yaml")):
        rows = read_yaml(path)
        for row in rows if isinstance(rows, list) else [rows]:
            name = row.get("id", path.stem) if isinstance(row, dict) else path.stem
            try:
                entry = entry_type.model_validate(row)
            except ValidationError as error:
                raise CatalogError(explain(error, f"{path.name}: {name}")) from error
            if entry.id in found:
                raise CatalogError(f"{path.name}: the id '{entry.id}' stands twice in {folder}")
            found[entry.id] = entry
    return found


def _names(entries: Mapping[str, Entry], folder: str) -> dict[str, str]:
    names: dict[str, str] = {}
    for entry in entries.values():
        for name in (entry.id, entry.name, *entry.aliases):
            if names.setdefault(_fold(name), entry.id) != entry.id:
                raise CatalogError(f"{folder}: the name '{name}' means both {names[_fold(name)]} and {entry.id}")
    return names


def _read_sources(root: Path) -> dict[str, Source]:
    path = root / "sources.yaml"
    if not path.exists():
        return {}
    return {key: Source(key=key, **row) for key, row in read_yaml(path).items()}


@cache
def load_catalog(overlay: Path | None = None) -> Catalog:
    """The shipped catalogue, with the entries of an ``overlay`` folder of the same layout in place of its own.

    Raises CatalogError naming file, entry and field.
    """
    entries: dict[str, Mapping[str, Entry]] = {}
    sources = _read_sources(DATA)
    overlaid: list[str] = []
    if overlay is not None:
        if not overlay.is_dir():
            raise CatalogError(f"the overlay {overlay} is not a folder")
        for part in overlay.iterdir():
            if part.is_dir() and part.name not in KINDS_OF_ENTRY:
                raise CatalogError(f"{part}: the catalogue has no such folder; it has {', '.join(KINDS_OF_ENTRY)}")
        sources |= _read_sources(overlay)
    for folder, entry_type in KINDS_OF_ENTRY.items():
        own = _read_folder(DATA, folder, entry_type)
        if overlay is not None:
            new = _read_folder(overlay, folder, entry_type)
            overlaid += [f"{folder}/{key}" for key in new if key in own]
            own |= new
        entries[folder] = own
    catalog = Catalog(
        entries=entries, sources=sources, overlaid=tuple(overlaid),
        names={folder: _names(rows, folder) for folder, rows in entries.items()},
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
