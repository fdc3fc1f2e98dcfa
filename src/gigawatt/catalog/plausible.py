"""Laws that every entry obeys, shipped or from an overlay; loading checks them, so that no engine meets a nonsense.

``BOUNDS`` are ranges of figures. They catch slipped prefixes, not opinions: what is shipped lies within (low, high),
and what a user brings within (least, most), which are wider where others build smaller or larger.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from itertools import pairwise

from gigawatt.catalog.schema import Architecture, Calibration, Entry, Model, System
from gigawatt.core.calendar import DAY_S, HOUR_S, YEAR_S, str_quarter
from gigawatt.core.source import Fact
from gigawatt.core.units import pretty

_KWH_J = 3.6e6


@dataclass(frozen=True, slots=True)
class Range:
    """Range of the figures whose path matches ``pattern``, in base ``unit``; first match wins."""

    pattern: str
    unit: str
    low: float
    high: float
    least: float
    most: float


def _rows(*rows: tuple[str, str, float, float] | tuple[str, str, float, float, float, float]) -> tuple[Range, ...]:
    return tuple(Range(*row[:4], *(row[4:] or row[2:4])) for row in rows)


BOUNDS: dict[str, tuple[Range, ...]] = {
    "systems": _rows(
        ("n_packages", "", 1, 1024, 1, 1e6),
        ("scale_up_packages", "", 1, 20_000, 1, 1e6),
        ("package.n_dies", "", 1, 16, 1, 1e4),
        ("package.peak.*.int8", "FLOP/s", 1e13, 2e17, 1e9, 1e21),  # Blackwell Ultra gave INT8 up
        ("package.peak.*", "FLOP/s", 1e14, 2e17, 1e9, 1e21),
        ("package.memory", "byte", 1e10, 4e12, 1e6, 1e16),
        ("package.memory_bandwidth", "byte/s", 1e12, 1e14, 1e8, 1e17),
        ("package.sram", "byte", 1e7, 1e11, 1e4, 1e14),
        ("package.sram_bandwidth", "byte/s", 1e13, 1e17, 1e9, 1e19),
        ("package.fabric_bandwidth", "byte/s", 1e9, 1e11, 1e6, 1e15),
        ("package.link_latency", "s", 1e-7, 1e-3, 1e-10, 1),
        ("package.scale_up_bandwidth", "byte/s", 1e11, 2e13, 1e6, 1e17),
        ("package.scale_out_bandwidth", "byte/s", 1e10, 1e12, 1e6, 1e16),
        ("package.power", "W", 100, 30_000, 10, 1e7),
        ("it_power", "W", 5e3, 1e6, 10, 1e9),
        ("price", "USD", 1e5, 5e7, 1e3, 1e12),
        ("first_available", "quarter", 4 * 2020, 4 * 2030, 4 * 1990, 4 * 2100),
    ),
    "models": _rows(
        ("params_total", "", 1e9, 1e13, 1e3, 1e16),
        ("params_active", "", 1e9, 1e12, 1e3, 1e16),
    ),
    "workloads": _rows(
        ("input_tokens", "token", 1, 1e6, 1, 1e9),
        ("output_tokens", "token", 1, 1e6, 1, 1e9),
        ("prefix_hit", "", 0, 1),
        ("slo.ttft", "s", 1e-3, 31 * DAY_S, 1e-6, YEAR_S),
        ("slo.speed", "token/s", 1, 1e4, 1e-3, 1e7),
        ("slo.percentile", "", 0.5, 0.9999, 1e-6, 0.999999),
        ("value", "USD/token", 1e-9, 1e-2, 0, 1e3),
        ("peak_to_mean", "", 1, 20, 1, 1e3),
        ("utilisation", "", 0.01, 1, 1e-6, 1),
    ),
    "sites": _rows(
        ("*.power", "W", 1e5, 2e10, 0, 1e14),
        ("*.quarter", "quarter", 4 * 2020, 4 * 2050, 4 * 1900, 4 * 2199),
        ("capacity", "W", 1e5, 2e10, 1, 1e14),
        ("hall", "W", 1e6, 1e9, 1, 1e12),
        ("facility_over_it", "", 1, 2, 1, 10),
        ("annual_pue", "", 1, 2, 1, 10),
        ("power_price", "USD/J", 0.01 / _KWH_J, 0.5 / _KWH_J, -1 / _KWH_J, 100 / _KWH_J),
    ),
    "deals": _rows(
        ("signed", "quarter", 4 * 2015, 4 * 2030, 4 * 1900, 4 * 2199),
        ("power", "W", 1e6, 5e10, 1, 1e14),
        ("amount", "USD", 1e6, 2e12, 1, 1e16),
        ("term", "s", 0, 50 * YEAR_S, 0, 200 * YEAR_S),
        ("equity.per_gw", "USD/W", 0.1, 1000, 0, 1e6),
        ("equity.cap", "USD", 1e6, 1e12, 0, 1e16),
        ("equity.valuation", "USD", 1e8, 1e13, 1, 1e17),
        ("equity.first_on_signing", "USD", 0, 1e12, 0, 1e16),
        ("equity.lag", "s", 0, 10 * YEAR_S, 0, 100 * YEAR_S),
    ),
    "software": _rows(
        ("available", "quarter", 4 * 2020, 4 * 2035, 4 * 1990, 4 * 2199),
        ("multiplier", "", 1, 3, 1, 1000),
    ),
    "costs": _rows(
        ("network_over_system", "", 0, 1, 0, 100),
        ("shell", "USD/W", 0.5, 20, 0, 1e4),
        ("power_plant", "USD/W", 0.5, 20, 0, 1e4),
        ("cooling", "USD/W", 0.2, 20, 0, 1e4),
        ("maintenance", "1/s", 0, 0.2 / YEAR_S, 0, 1 / YEAR_S),
        ("facility_opex", "1/s", 0, 0.2 / YEAR_S, 0, 1 / YEAR_S),
        ("facility_over_it", "", 1, 2, 1, 10),
        ("annual_pue", "", 1, 2, 1, 10),
        ("load_factor", "", 0.1, 1, 1e-3, 1),
        ("idle_load", "", 0.05, 0.6, 0, 1),
        ("power_price", "USD/J", 0.01 / _KWH_J, 0.5 / _KWH_J, 0, 100 / _KWH_J),
        ("system_life", "s", 1 * YEAR_S, 15 * YEAR_S, 0.25 * YEAR_S, 100 * YEAR_S),
        ("facility_life", "s", 5 * YEAR_S, 50 * YEAR_S, 0.25 * YEAR_S, 200 * YEAR_S),
        ("discount", "1/s", 0, 0.5 / YEAR_S, 0, 10 / YEAR_S),
        ("system_lead_time", "s", 0.1 * YEAR_S, 2 * YEAR_S, 0, 50 * YEAR_S),
        ("lead_times.*", "s", 0.25 * YEAR_S, 10 * YEAR_S, 0, 50 * YEAR_S),
    ),
    "efficiency": _rows(
        ("draft_tokens", "", 0, 16, 0, 64),
        ("software_by_vendor.*", "", 0.01, 1, 1e-3, 1.25),  # of what was measured; above it no share of a peak is left
        ("headroom", "", 0, 0.9, 0, 0.99),
        ("draft_accepted", "", 0, 1),
        ("*", "", 0.01, 1, 1e-3, 100),
    ),
    "shipments": _rows(
        ("units", "", 1e3, 1e9, 1, 1e12),
        ("h100_equivalents", "", 1e3, 1e9, 0, 1e12),
        ("power", "W", 1e6, 1e12, 1, 1e15),
    ),
}


def _as(pattern: str, folder: str, path: str) -> Range:
    """Range of a scenario's figure that the catalogue has too."""
    row = bound(folder, path)
    assert row is not None
    return replace(row, pattern=pattern)


WHOLE = ("package.n_dies", "draft_tokens")
"""Paths of what is counted; packages of a system may be a mean of several racks."""


@cache
def bound(folder: str, path: str) -> Range | None:
    """Range of a figure; None where it may be of any size, as in cited references."""
    return next((row for row in BOUNDS.get(folder, ()) if fnmatchcase(path, row.pattern)), None)


SCENARIO = (
    _as("*.power_price", "sites", "power_price"),
    _as("*.facility_over_it", "sites", "facility_over_it"),
    _as("*.annual_pue", "sites", "annual_pue"),
    _as("offers*.price", "systems", "price"),
    _as("discount", "costs", "discount"),
    _as("demand.inference*.speed", "workloads", "slo.speed"),
    *_rows(
        ("demand.inference*", "USD/token", 1e-9, 1e-2, 0, 1e3),
        ("demand.*", "token/s", 0, 1e12, 0, 1e16),
        ("demand.*", "FLOP/s", 0, 1e24, 0, 1e28),
        ("demand.weekly_users*.value", "", 0, 1e10, 0, 1e11),
        ("*.rent_per_package_hour", "USD/s", 0.05 / HOUR_S, 100 / HOUR_S, 0, 1e5 / HOUR_S),
        ("*.rent", "USD/W/s", 0.05 / YEAR_S, 100 / YEAR_S, 0, 1e4 / YEAR_S),
        ("*.capex", "USD/W", 0.5, 60, 0, 1e4),
        ("*.term", "s", 28 * DAY_S, 50 * YEAR_S, HOUR_S, 200 * YEAR_S),
        ("*", "W", 0, 5e10, 0, 1e14),
        ("*", "USD", 0, 1e13, 0, 1e17),
    ),
)
"""The same of a scenario's figures: (low, high) is what is usual, and zero is nothing at all."""


def impossible(figures: Iterable[tuple[str, Fact]]) -> Iterator[str]:
    """Sentences for what cannot be in a scenario, given its figures with their paths."""
    for path, fact in figures:
        if row := _of_scenario(path, fact):
            yield from _beyond(path, fact, row)


def unusual(figures: Iterable[tuple[str, Fact]]) -> Iterator[str]:
    """Sentences for what can be in a scenario but is far from what is usual."""
    for path, fact in figures:
        row = _of_scenario(path, fact)
        if row and fact.value and not row.low <= fact.value <= row.high:
            low, high = (_written(one, row.unit) for one in (row.low, row.high))
            yield f"{path}: {fact.text} is beyond the usual {low} to {high}; written so?"


def _of_scenario(path: str, fact: Fact) -> Range | None:
    return next((row for row in SCENARIO if row.unit == fact.unit and fnmatchcase(path, row.pattern)), None)


def implausible(folder: str, entry: Entry, figures: Iterable[tuple[str, Fact]]) -> Iterator[str]:
    """Sentences for what cannot be in an entry, given its figures with their paths."""
    for path, fact in figures:
        if row := bound(folder, path):
            for one in (fact, *fact.alternatives):
                yield from _beyond(path, one, row)
                if path in WHOLE and not one.value.is_integer():
                    yield f"{path}: {one.text} is no whole number; write for example {max(round(one.value), 1)}"
    if isinstance(entry, System) and entry.package is not None:
        yield from _of_system(entry)
    if isinstance(entry, Model):
        yield from _of_model(entry, entry.architecture)
    if isinstance(entry, Calibration):
        for name, fitted in entry.coefficients.items():
            if not fitted.low <= fitted.value <= fitted.high:
                yield f"coefficients.{name}: {fitted.value:g} does not lie within {fitted.low:g} to {fitted.high:g}"


def _beyond(path: str, fact: Fact, row: Range) -> Iterator[str]:
    for value in fact.range:
        if not row.least <= value <= row.most:
            least, most = (_written(bound, row.unit) for bound in (row.least, row.most))
            yield f"{path}: {_written(value, row.unit)} cannot be; write {least} to {most}"


def _written(value: float, unit: str) -> str:
    return str_quarter(int(value)) if unit == "quarter" else pretty(value, unit)


def _of_system(system: System) -> Iterator[str]:
    """A unit draws what its packages draw, narrower numbers are no slower, memory is slower outwards."""
    package = system.package
    assert package is not None
    assert system.n_packages is not None
    assert system.it_power is not None
    if package.power and system.it_power.value < system.n_packages.value * package.power.value:
        yield (
            f"it_power: {system.it_power.text} is less than {system.n_packages.text} packages of {package.power.text}"
        )
    memories = [package.memory, package.memory_bandwidth], [package.sram, package.sram_bandwidth]
    if None in memories[system.kind == "sram"]:
        yield f"package: a system of kind {system.kind} needs " + (
            "sram and sram_bandwidth" if system.kind == "sram" else "memory and memory_bandwidth"
        )
    for name, fact in package.peak.sparse.items():
        dense = package.peak.dense.get(name)
        if dense is None or fact.value < dense.value:
            yield f"package.peak.sparse.{name}: {fact.text} needs a dense peak that is no larger"
    for kind in ("dense", "sparse", "inference"):
        peaks = getattr(package.peak, kind)
        order = [(name, peaks[name]) for name in ("bf16", "fp8", "fp4") if name in peaks]
        for (wide, slow), (narrow, fast) in pairwise(order):
            if fast.value < slow.value:
                yield f"package.peak.{kind}.{narrow}: {fast.text} is less than the {slow.text} of {wide}"
    outwards = ("sram_bandwidth", "memory_bandwidth", "scale_up_bandwidth", "scale_out_bandwidth")
    known = [(name, fact) for name in outwards if (fact := getattr(package, name)) is not None]
    for (inner, fast), (outer, slow) in pairwise(known):
        if slow.value > fast.value:
            yield f"package.{outer}: {slow.text} is more than the {fast.text} of {inner}; memory gets slower outwards"


def _of_model(model: Model, shape: Architecture) -> Iterator[str]:
    """Active parameters are some of all, and heads and experts divide as a transformer's do."""
    active, total = model.params_active, model.params_total
    if active.value > total.value:
        yield f"params_active: {active.text} is more than the {total.text} of params_total"
    if shape.n_experts == 0 and active.value != total.value:
        yield f"params_active: {active.text} of {total.text}, but the model has no experts; write the same"
    if shape.experts_per_token > shape.n_experts:
        yield f"architecture.experts_per_token: {shape.experts_per_token} of {shape.n_experts} experts"
    if shape.n_heads % shape.n_kv_heads:
        yield f"architecture.n_kv_heads: {shape.n_kv_heads} does not divide the {shape.n_heads} heads"
    if (shape.attention == "mla") != (shape.kv_lora_rank > 0):
        yield "architecture.kv_lora_rank: stands above 0 where attention is mla, and only there"
    if shape.n_dense_layers > shape.n_layers or shape.window_layers + shape.linear_layers > shape.n_layers:
        yield f"architecture.n_layers: {shape.n_layers} are fewer than its dense, window or linear layers"
