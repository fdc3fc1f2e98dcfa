"""Systems side by side: peaks as vendors state them, memory, power, price, and what they serve at each class's SLO."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, get_args

from gigawatt.catalog.load import Catalog
from gigawatt.catalog.schema import Precision, System
from gigawatt.core.errors import CatalogError
from gigawatt.core.source import Fact
from gigawatt.core.units import pretty
from gigawatt.perf.inference import Speculation
from gigawatt.perf.precision import peak
from gigawatt.perf.search import Basis, basis_of
from gigawatt.perf.serving import serving_point
from gigawatt.report.values import bare

if TYPE_CHECKING:
    from rich.console import RenderableType

Row = dict[str, Any]
WORKLOADS = ("chat", "reasoning", "coding-interactive", "open-chat-70b")
"""Classes that are compared unless others are named."""

PRECISIONS: tuple[str, ...] = get_args(Precision)
PER_TABLE = 4


def compare_rows(
    catalog: Catalog,
    names: Sequence[str] = (),
    *,
    workloads: Sequence[str] = WORKLOADS,
) -> list[Row]:
    """Systems as plain data in base units, of the whole unit (rack, server or machine) unless a key says otherwise.

    A system whose figures are not public has ``refusal`` and nothing else. Raises CatalogError on an unknown name.
    """
    systems = [catalog.system(name) for name in names] or catalog.all(System)
    basis = basis_of(catalog)
    return [_row(catalog, system, workloads, basis) for system in systems]


def _row(catalog: Catalog, system: System, workloads: Sequence[str], basis: Basis) -> Row:
    row: Row = {"id": system.id, "name": system.name, "vendor": system.vendor, "status": system.status}
    package = system.package
    if package is None or system.it_power is None or system.n_packages is None:
        return row | {"refusal": system.refusal}
    n, watts, price = system.n_packages.value, system.it_power.value, bare(system.price)
    computed_in = next((name for name in ("fp8", "int8", "bf16", "fp16") if peak(package, name)), "")
    narrow = peak(package, computed_in)
    peaks = {
        kind: {p: figures[p].value * n for p in PRECISIONS if p in figures}
        for kind, figures in (
            ("dense", package.peak.dense),
            ("inference", package.peak.inference),
            ("training", package.peak.training),
        )
    }
    totals = {
        "memory_bytes": _times(package.memory, n),
        "bandwidth_bytes_per_s": _times(package.memory_bandwidth, n),
        "sram_bytes": _times(package.sram, n),
        "sram_bandwidth_bytes_per_s": _times(package.sram_bandwidth, n),
        "fp8_flops": narrow * n or None,
    }
    return row | {
        "refusal": "",
        "unit": system.unit,
        "n_packages": n,
        "n_dies": n * package.n_dies.value,
        "it_power_w": watts,
        "price_usd": price,
        "first_available_quarter": bare(system.first_available),
        "peak_flops": peaks,
        "fp8_computed_in": computed_in,
        **totals,
        "price_usd_per_w": price / watts if price else None,
        "per_w": {key: value / watts for key, value in totals.items() if value},
        "per_usd": {key: value / price for key, value in totals.items() if value} if price else {},
        "serving": {name: _serving(catalog, system, name, basis, price) for name in workloads},
    }


def _times(fact: Fact | None, n: float) -> float | None:
    return fact.value * n if fact else None


def _serving(catalog: Catalog, system: System, name: str, basis: Basis, price: float | None) -> Row:
    """Output tokens a second at the SLO, with the 80 % band; why not, where it is not met."""
    workload = catalog.workload(name)
    if workload.kind != "inference" or workload.model is None:
        raise CatalogError(f"'{name}' is a training class; compare takes classes of inference")
    point = serving_point(system, workload, catalog.model(workload.model), basis)
    guess = basis.draft if point.draft_tokens else Speculation()
    if not point.is_served:
        said = f" ({guess.said})" if guess.tokens else ""
        return {"name": workload.name, "reason": point.reason + said}
    ends = {
        "": point.output_tokens_per_s,
        "_low": point.output_tokens_per_s_low,
        "_high": point.output_tokens_per_s_high,
    }
    return {
        "name": workload.name,
        "reason": "",
        **{f"tokens_per_s{end}": rate for end, rate in ends.items()},
        **{f"tokens_per_s_per_w{end}": rate / point.it_power_w for end, rate in ends.items()},
        "tokens_per_s_per_usd": point.output_tokens_per_s / price if price else None,
        "speed_tokens_per_s_user": point.speed_tokens_per_s_user,
        "speculation": {"tokens": guess.tokens, "accepted": guess.accepted},
        "ttft_s": point.ttft_s,
        "batch_size": point.batch_size,
        "n_packages_per_replica": point.n_packages_per_replica,
        "precision": point.precision,
        "layout": point.layout,
        "busy_power_w": point.busy_power_w,
        "band": point.band,
        "maker": point.maker,
    }


def compare_table(rows: Sequence[Row]) -> RenderableType:
    """Systems as columns, four to a table; those whose figures are not public stand below with their sentence."""
    from rich.console import Group
    from rich.text import Text

    shown = [row for row in rows if not row["refusal"]]
    parts: list[RenderableType] = []
    for start in range(0, len(shown), PER_TABLE):
        parts += [_columns(shown[start : start + PER_TABLE]), Text("")]
    parts += [Text(f"{row['name']}: {row['refusal']}", style="yellow") for row in rows if row["refusal"]]
    if shown:
        parts.append(
            Text(
                "Figures are of the whole unit. Dense peaks are the default; figures a vendor gives for inference "
                "or training are neither dense nor sparse. Rates: calibrated model at the SLO of a class, ends of its "
                "80 % band, less the share that a plan keeps free. W is rated IT power; gigawatt perf divides by what "
                "is drawn at work, and says both.",
                style="dim",
            )
        )
    return Group(*parts)


def _columns(rows: Sequence[Row]) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    table.add_column("", ratio=3, overflow="fold")
    for row in rows:
        table.add_column(Text(f"{row['name']}\n{row['id']}"), justify="right", ratio=4, overflow="fold")
    heading = ""
    for title, read in _lines(rows):
        if read is None:
            heading = title
            continue
        cells = [read(row) for row in rows]
        if any(cell != "-" for cell in cells):
            if heading:
                table.add_row(Text(heading, style="bold cyan"))
            heading = ""
            table.add_row(Text(title), *(Text(cell, style="dim" if cell == "-" else "") for cell in cells))
    return table


Line = tuple[str, Callable[[Row], str] | None]


def _lines(rows: Sequence[Row]) -> list[Line]:
    """Lines of the table: a title, and what reads a system's cell; None for a heading."""
    plain: list[Line] = [
        ("status", lambda row: str(row["status"])),
        ("packages (dies)", lambda row: f"{row['n_packages']:,.0f} ({row['n_dies']:,.0f})"),
        ("IT power", lambda row: pretty(row["it_power_w"], "W")),
        ("price", lambda row: pretty(row["price_usd"], "USD")),
        ("memory", lambda row: pretty(row["memory_bytes"], "byte")),
        ("memory bandwidth", lambda row: pretty(row["bandwidth_bytes_per_s"], "byte/s")),
        ("SRAM", lambda row: pretty(row["sram_bytes"], "byte")),
        ("SRAM bandwidth", lambda row: pretty(row["sram_bandwidth_bytes_per_s"], "byte/s")),
    ]
    for kind, title in (("dense", "Peak, dense"), ("inference", "Peak, inference"), ("training", "Peak, training")):
        found = [p for p in PRECISIONS if any(p in row["peak_flops"][kind] for row in rows)]
        plain += [(title, None)] if found else []
        plain += [(f"  {precision.upper()}", _peak(kind, precision)) for precision in found]
    plain += [
        ("Per MW of IT power", None),
        ("  price", lambda row: _ratio(row["price_usd_per_w"], 1e6, "USD", "/MW")),
        ("  8-bit peak", _per("per_w", "fp8_flops", 1e6, "FLOP/s", "/MW")),
        ("  memory", _per("per_w", "memory_bytes", 1e6, "byte", "/MW")),
        ("  memory bandwidth", _per("per_w", "bandwidth_bytes_per_s", 1e6, "byte/s", "/MW")),
        ("  SRAM bandwidth", _per("per_w", "sram_bandwidth_bytes_per_s", 1e6, "byte/s", "/MW")),
        ("Per $1M of price", None),
        ("  8-bit peak", _per("per_usd", "fp8_flops", 1e6, "FLOP/s", "/$M")),
        ("  memory", _per("per_usd", "memory_bytes", 1e6, "byte", "/$M")),
        ("  memory bandwidth", _per("per_usd", "bandwidth_bytes_per_s", 1e6, "byte/s", "/$M")),
    ]
    for name, point in rows[0]["serving"].items():
        plain.append((f"{point['name']}: output tokens", None))
        plain += [(title, _served(name, read)) for title, read in _SERVED]
    return plain


def _peak(kind: str, precision: str) -> Callable[[Row], str]:
    return lambda row: pretty(row["peak_flops"][kind].get(precision), "FLOP/s")


def _per(group: str, key: str, factor: float, unit: str, after: str) -> Callable[[Row], str]:
    return lambda row: _ratio(row[group].get(key), factor, unit, after)


def _ratio(value: float | None, factor: float, unit: str, after: str) -> str:
    return "-" if value is None else pretty(value * factor, unit) + after


def _band(point: Row, factor: float) -> str:
    low, high = (pretty(point[f"tokens_per_s_per_w{end}"] * factor, "token/s") for end in ("_low", "_high"))
    return f"{low} to {high}"


_SERVED: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("  per MW", lambda point: f"{pretty(point['tokens_per_s_per_w'] * 1e6, 'token/s')}/MW"),
    ("  per MW, range", lambda point: _band(point, 1e6)),
    ("  per kW", lambda point: f"{pretty(point['tokens_per_s_per_w'] * 1e3, 'token/s')}/kW"),
    ("  per $1M of price", lambda point: _ratio(point["tokens_per_s_per_usd"], 1e6, "token/s", "/$M")),
    ("  speed for each user", lambda point: pretty(point["speed_tokens_per_s_user"], "token/s")),
    ("  speculation", lambda point: Speculation(**point["speculation"]).said),
)


def _served(name: str, read: Callable[[Row], str]) -> Callable[[Row], str]:
    """Cell of a class: the figure, or on its first line why the class is not served."""
    first = read is _SERVED[0][1]

    def cell(row: Row) -> str:
        point = row["serving"][name]
        if point["reason"]:
            return f"not served: {point['reason']}" if first else "-"
        return read(point)

    return cell
