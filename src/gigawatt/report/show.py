"""Entries of the catalogue in the terminal, and the same rows as plain data: lists, and one entry in full."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from gigawatt.catalog.load import Catalog, facts
from gigawatt.catalog.schema import KINDS_OF_ENTRY, Deal, Entry, Model, Site, System
from gigawatt.core.errors import CatalogError
from gigawatt.core.source import Fact
from gigawatt.core.units import pretty
from gigawatt.report.terminal import add_row, table_of
from gigawatt.report.values import bare, fact_row, value_text, with_alternatives

if TYPE_CHECKING:
    from rich.console import RenderableType

Row = dict[str, Any]


def system_rows(catalog: Catalog) -> list[Row]:
    """Systems: vendor, status, packages, IT power, memory, bandwidth, dense peaks, price; base units."""
    return [_system_row(entry) for entry in catalog.all(System)]


def _system_row(entry: System) -> Row:
    package = entry.package
    peaks = package.peak.dense if package else {}
    return {
        "id": entry.id,
        "name": entry.name,
        "vendor": entry.vendor,
        "status": entry.status,
        "unit": entry.unit,
        "n_packages": bare(entry.n_packages),
        "it_power_w": bare(entry.it_power),
        "memory_bytes_per_package": bare(package.memory if package else None),
        "bandwidth_bytes_per_s_per_package": bare(package.memory_bandwidth if package else None),
        "dense_fp8_flops_per_package": bare(peaks.get("fp8")),
        "price_usd": bare(entry.price),
        "first_available": value_text(entry.first_available) if entry.first_available else None,
        "refusal": entry.refusal,
    }


def model_rows(catalog: Catalog) -> list[Row]:
    """Models: parameters, precision, whether they are hypothetical classes."""
    return [
        {
            "id": entry.id,
            "name": entry.name,
            "family": entry.family,
            "params_total": entry.params_total.value,
            "params_active": entry.params_active.value,
            "weights_precision": entry.weights_precision,
            "attention": entry.architecture.attention,
            "hypothetical": entry.hypothetical,
        }
        for entry in catalog.all(Model)
    ]


def site_rows(catalog: Catalog) -> list[Row]:
    """Sites: where, who, capacity on its basis, last known power and its date, status."""
    rows = []
    for entry in catalog.all(Site):
        last = entry.energised[-1] if entry.energised else None
        rows.append(
            {
                "id": entry.id,
                "name": entry.name,
                "region": entry.region,
                "developer": entry.developer,
                "tenant": entry.tenant,
                "capacity_w": bare(entry.capacity),
                "basis": entry.basis,
                "last_power_w": last.power.value if last else None,
                "last_quarter": value_text(last.quarter) if last else None,
                "status": entry.status,
            }
        )
    return rows


def deal_rows(catalog: Catalog) -> list[Row]:
    """Deals: parties, side, how binding, power on its basis, amount, date."""
    return [
        {
            "id": entry.id,
            "name": entry.name,
            "buyer": entry.buyer,
            "seller": entry.seller,
            "side": entry.side,
            "bond": entry.bond,
            "power_w": bare(entry.power),
            "basis": entry.basis,
            "amount_usd": bare(entry.amount),
            "signed": value_text(entry.signed),
        }
        for entry in catalog.all(Deal)
    ]


_Columns = tuple[tuple[str, str, str], ...]
_LISTS: dict[str, tuple[Callable[[Catalog], list[Row]], _Columns]] = {
    "systems": (
        system_rows,
        (
            ("system", "id", ""),
            ("vendor", "vendor", ""),
            ("status", "status", ""),
            ("packages", "n_packages", "1"),
            ("IT power", "it_power_w", "W"),
            ("memory\neach", "memory_bytes_per_package", "byte"),
            ("bandwidth\neach", "bandwidth_bytes_per_s_per_package", "byte/s"),
            ("FP8 dense\neach", "dense_fp8_flops_per_package", "FLOP/s"),
            ("price", "price_usd", "USD"),
            ("from", "first_available", ""),
        ),
    ),
    "models": (
        model_rows,
        (
            ("model", "id", ""),
            ("name", "name", ""),
            ("parameters", "params_total", "1"),
            ("active", "params_active", "1"),
            ("weights", "weights_precision", ""),
            ("attention", "attention", ""),
            ("hypothetical", "hypothetical", ""),
        ),
    ),
    "sites": (
        site_rows,
        (
            ("site", "id", ""),
            ("region", "region", ""),
            ("developer", "developer", ""),
            ("capacity", "capacity_w", "W"),
            ("basis", "basis", ""),
            ("last dated power", "last_power_w", "W"),
            ("from", "last_quarter", ""),
            ("status", "status", ""),
        ),
    ),
    "deals": (
        deal_rows,
        (
            ("deal", "id", ""),
            ("buyer", "buyer", ""),
            ("seller", "seller", ""),
            ("side", "side", ""),
            ("bond", "bond", ""),
            ("power", "power_w", "W"),
            ("basis", "basis", ""),
            ("amount", "amount_usd", "USD"),
            ("signed", "signed", ""),
        ),
    ),
}
_OTHER: _Columns = (("id", "id", ""), ("name", "name", ""), ("note", "note", ""))


def list_rows(catalog: Catalog, folder: str) -> list[Row]:
    """Entries of a folder of the catalogue as plain data. Raises CatalogError where there is no such folder."""
    if folder not in KINDS_OF_ENTRY:
        raise CatalogError(f"the catalogue has no '{folder}'; it has {', '.join(KINDS_OF_ENTRY)}")
    if folder in _LISTS:
        return _LISTS[folder][0](catalog)
    return [{"id": e.id, "name": e.name, "note": e.note} for e in catalog.entries[folder].values()]


def list_table(catalog: Catalog, folder: str) -> RenderableType:
    """Entries of a folder of the catalogue; what cannot be planned says why below."""
    from rich.console import Group
    from rich.text import Text

    rows = list_rows(catalog, folder)
    columns = _LISTS[folder][1] if folder in _LISTS else _OTHER
    numbers = {key for _, key, unit in columns if unit}
    wide = folder not in _LISTS
    table = table_of(
        [(name, "right" if key in numbers else "left", 1 if wide and key != "id" else 0) for name, key, _ in columns]
    )
    for row in rows:
        add_row(table, [_cell(row[key], unit) for _, key, unit in columns], "dim" if row.get("refusal") else "")
    refusals = [Text(f"\n{row['name']}: {row['refusal']}", style="yellow") for row in rows if row.get("refusal")]
    return Group(table, *refusals)


def _cell(value: Any, unit: str) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return pretty(value, "" if unit == "1" else unit)
    return str(value)


def entry_rows(entry: Entry) -> list[Row]:
    """Every figure of an entry as plain data, with the figures that were not chosen."""
    return [fact_row(place, fact) for place, fact in facts(entry)]


def show(catalog: Catalog, folder: str, name: str | None = None) -> RenderableType:
    """Entries of a folder, or one of them in full. Raises CatalogError with the nearest names."""
    if name is None:
        return list_table(catalog, folder)
    if folder not in KINDS_OF_ENTRY:
        raise CatalogError(f"the catalogue has no '{folder}'; it has {', '.join(KINDS_OF_ENTRY)}")
    return show_entry(catalog.find(folder, name))


def show_entry(entry: Entry) -> RenderableType:
    """One entry: what it is, every figure with range, source, kind and date, what was not chosen, what is unknown."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [Text(f"{entry.name}  ", style="bold") + Text(entry.id, style="dim")]
    if entry.aliases:
        parts.append(Text(f"also {', '.join(entry.aliases)}", style="dim"))
    if refusal := getattr(entry, "refusal", ""):
        parts.append(Text(refusal, style="yellow"))
    if entry.note:
        parts.append(Text(entry.note))
    parts.append(Text(""))
    words = table_of([("", "left", 0), ("", "left", 1)])
    words.show_header = False
    for key, value in _plain_fields(entry):
        add_row(words, (key, value))
    parts.append(words)
    columns = [("figure", "left", 0), ("value", "right", 2), ("range", "left", 3), ("what it rests on", "left", 8)]
    figures = table_of(columns)
    for row in entry_rows(entry):
        for mark, one in with_alternatives(row):
            place = {"chosen": f"{row['place']} *", "not chosen": "  not chosen"}.get(mark, str(row["place"]))
            rests = f"{one['kind']} {one['as_of']}".strip() + f" [{', '.join(one['sources'])}]"
            cells = (place, one["text"], one["range"], " ".join(part for part in (rests, one["note"]) if part))
            add_row(figures, cells, "dim" if mark == "not chosen" else "")
    if figures.rows:
        parts += [Text(""), figures]
        if any(row["alternatives"] for row in entry_rows(entry)):
            parts.append(Text("* sources differ: the figure used stands first, the others below it.", style="dim"))
    if entry.unknown:
        unknown = table_of([("not publicly known", "left", 0), ("why", "left", 1)])
        for key, why in entry.unknown.items():
            add_row(unknown, (key, why))
        parts += [Text(""), unknown]
    return Group(*parts)


def _plain_fields(entry: BaseModel, prefix: str = "") -> list[tuple[str, str]]:
    """Fields of an entry that are words and counts, not figures."""
    rows: list[tuple[str, str]] = []
    for name in type(entry).model_fields:
        value = getattr(entry, name)
        if name in {"id", "name", "aliases", "note", "unknown", "refusal"} or isinstance(value, Fact):
            continue
        if isinstance(value, BaseModel):
            rows += _plain_fields(value, f"{prefix}{name}.")
        elif isinstance(value, bool):
            rows += [(prefix + name, "yes")] if value else []
        elif isinstance(value, (str, int, float)) and value not in ("", 0):
            rows.append((prefix + name, f"{value:,}" if isinstance(value, int) else str(value)))
        elif isinstance(value, tuple) and value and all(isinstance(item, str) for item in value):
            rows.append((prefix + name, ", ".join(value)))
        elif isinstance(value, tuple) and value and all(isinstance(item, BaseModel) for item in value):
            for index, item in enumerate(value):
                rows += _plain_fields(item, f"{prefix}{name}[{index}].")
    return rows
