"""Laws every entry of the catalogue obeys. A new YAML is tested the moment it exists."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from gigawatt.catalog.load import facts, load_catalog
from gigawatt.catalog.plausible import BOUNDS, Range, bound, implausible
from gigawatt.catalog.schema import KINDS_OF_ENTRY, Architecture, Entry, Model, Peaks, System
from gigawatt.core.errors import CatalogError
from gigawatt.core.source import Fact

CATALOG = load_catalog()
ENTRIES = [(folder, key) for folder in KINDS_OF_ENTRY for key in CATALOG.entries[folder]]
FACTS = [(folder, key, path, fact) for folder, key in ENTRIES for path, fact in facts(CATALOG.entries[folder][key])]
SYSTEMS = CATALOG.all(System)
MODELS = CATALOG.all(Model)

SIZED = [row for row in FACTS if row[0] in BOUNDS]  # cited references are of any size

TRAPS = {
    "nvl144": "vr-nvl72", "vr200": "vr-nvl72", "rubin": "vr-nvl72", "nvl144-cpx": "vr-nvl144-cpx",
    "nvl576": "rubin-ultra-kyber", "kyber-nvl144": "rubin-ultra-kyber", "mi450": "mi455x-helios", "groq": "groq-lpu-v1",
    "lpx": "groq-3-lpx", "cerebras": "cs-3", "titan": "jalapeno",
}  # fmt: skip
"""Names that vendors gave twice, changed, or that only sound like another system's."""


def _each(fact: Fact) -> tuple[Fact, ...]:
    return (fact, *fact.alternatives)


def _ids(rows: list[tuple[str, str, str, Fact]]) -> list[str]:
    return [f"{folder}/{key}:{path}" for folder, key, path, _ in rows]


# ---------------------------------------------------------------- every entry


@pytest.mark.parametrize(("name", "key"), TRAPS.items())
def test_names_that_mislead_mean_one_system(name: str, key: str) -> None:
    assert CATALOG.system(name).id == key


@pytest.mark.parametrize(("folder", "key"), ENTRIES)
def test_every_name_of_an_entry_finds_it(folder: str, key: str) -> None:
    entry = CATALOG.entries[folder][key]
    for name in (entry.id, entry.name, *entry.aliases, entry.id.upper(), entry.id.replace("-", "_")):
        assert CATALOG.find(folder, name) is entry


@pytest.mark.parametrize(("folder", "key"), ENTRIES)
def test_what_is_unknown_says_why(folder: str, key: str) -> None:
    entry: Entry = CATALOG.entries[folder][key]
    assert entry.name
    assert all(reason.strip() for reason in entry.unknown.values())


def test_a_wrong_name_gets_the_nearest_one() -> None:
    with pytest.raises(CatalogError, match=r"no system is called 'gb20'; did you mean .*gb200-nvl72"):
        CATALOG.system("gb20")


def test_every_source_can_be_looked_up() -> None:
    for key, source in CATALOG.sources.items():
        assert source.title, key
        assert source.site, key
        assert source.date, key


# ---------------------------------------------------------------- every figure


@pytest.mark.parametrize(("folder", "key", "path", "fact"), FACTS, ids=_ids(FACTS))
def test_figure_is_never_bare(folder: str, key: str, path: str, fact: Fact) -> None:
    for one in _each(fact):
        assert one.source
        assert set(one.source) <= set(CATALOG.sources)
        assert one.as_of
        assert one.kind != "scenario"
        assert math.isfinite(one.value)
        assert one.unit == fact.unit


@pytest.mark.parametrize(("folder", "key", "path", "fact"), FACTS, ids=_ids(FACTS))
def test_judgement_has_a_range_and_a_sentence(folder: str, key: str, path: str, fact: Fact) -> None:
    for one in _each(fact):
        low, value, high = one.range
        assert low <= value <= high
        if one.kind == "judgement":
            assert one.low is not None
            assert one.high is not None
            assert one.note.strip().endswith("."), "the note is a sentence"


@pytest.mark.parametrize(("folder", "key", "path", "fact"), SIZED, ids=_ids(SIZED))
def test_figure_is_plausible(folder: str, key: str, path: str, fact: Fact) -> None:
    row = bound(folder, path)
    assert row is not None, f"{path} has no plausible range yet; add one to catalog/plausible.py"
    for one in _each(fact):
        assert one.unit == row.unit
        assert all(row.low <= value <= row.high for value in one.range)


@pytest.mark.parametrize("row", [row for rows in BOUNDS.values() for row in rows], ids=lambda row: row.pattern)
def test_what_is_shipped_is_within_what_may_be_brought(row: Range) -> None:
    assert row.least <= row.low <= row.high <= row.most


@pytest.mark.parametrize(("folder", "key"), ENTRIES)
def test_entry_is_possible(folder: str, key: str) -> None:
    """The laws that loading holds every entry to: ranges, units that draw what is in them, shapes that divide."""
    entry = CATALOG.entries[folder][key]
    assert list(implausible(folder, entry, facts(entry))) == []


# ---------------------------------------------------------------- systems

PLANNED = [system for system in SYSTEMS if system.package is not None]


def _value(fact: Fact | None) -> float:
    return math.nan if fact is None else fact.value


@pytest.mark.parametrize("system", PLANNED, ids=lambda s: s.id)
def test_unit_draws_at_least_what_its_packages_draw(system: System) -> None:
    assert system.package
    assert system.it_power
    assert system.n_packages
    if system.package.power is not None:
        assert system.it_power.value >= system.n_packages.value * system.package.power.value
        assert system.it_power.range[0] >= system.n_packages.value * system.package.power.range[0]


@pytest.mark.parametrize("system", PLANNED, ids=lambda s: s.id)
def test_sparse_is_twice_dense_exactly_where_the_vendor_says_so(system: System) -> None:
    assert system.package
    peak: Peaks = system.package.peak
    assert set(peak.sparse) <= set(peak.dense)
    ratios = {name: peak.sparse[name].value / peak.dense[name].value for name in peak.sparse}
    assert all(ratio >= 1 for ratio in ratios.values()), "sparse is never below dense"
    doubled = bool(ratios) and all(math.isclose(ratio, 2, rel_tol=2e-3) for ratio in ratios.values())
    assert doubled == peak.sparse_doubles


@pytest.mark.parametrize("system", PLANNED, ids=lambda s: s.id)
def test_narrower_numbers_are_never_slower(system: System) -> None:
    assert system.package
    for figures in (system.package.peak.dense, system.package.peak.sparse, system.package.peak.inference):
        order = [figures[name].value for name in ("bf16", "fp8", "fp4") if name in figures]
        assert order == sorted(order)
        if "fp16" in figures and "bf16" in figures:
            assert figures["fp16"].value == figures["bf16"].value


@pytest.mark.parametrize("system", PLANNED, ids=lambda s: s.id)
def test_inference_marketing_is_never_below_dense(system: System) -> None:
    assert system.package
    peak = system.package.peak
    for name, fact in peak.inference.items():
        assert fact.value >= _value(peak.dense.get(name, fact))


@pytest.mark.parametrize("system", PLANNED, ids=lambda s: s.id)
def test_memory_gets_slower_outwards(system: System) -> None:
    """SRAM is faster than HBM, HBM than the scale-up links, those than the network cards."""
    assert system.package
    package = system.package
    speeds = (
        package.sram_bandwidth,
        package.memory_bandwidth,
        package.scale_up_bandwidth,
        package.scale_out_bandwidth,
    )
    known = [fact.value for fact in speeds if fact is not None]
    assert known == sorted(known, reverse=True)


@pytest.mark.parametrize("system", PLANNED, ids=lambda s: s.id)
def test_system_holds_weights_somewhere(system: System) -> None:
    assert system.package
    package = system.package
    if system.kind == "sram":
        assert package.sram is not None
        assert package.sram_bandwidth is not None
        assert package.memory is None
    else:
        assert package.memory is not None
        assert package.memory_bandwidth is not None


@pytest.mark.parametrize("system", PLANNED, ids=lambda s: s.id)
def test_price_is_there_or_its_absence_explained(system: System) -> None:
    assert system.price is not None or "price" in system.unknown
    if system.price is not None and system.it_power is not None:
        assert 3 <= system.price.value / system.it_power.value <= 150, "USD per watt of IT"


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda s: s.id)
def test_only_undisclosed_systems_refuse(system: System) -> None:
    assert bool(system.refusal) == (system.status == "undisclosed")
    assert (system.package is None) == (system.status == "undisclosed")


def test_wafer_has_no_dense_peak() -> None:
    """No precision of the 125 PFLOP/s is agreed on, so none may be planned on."""
    system = CATALOG.system("cs-3")
    assert system.package
    assert not system.package.peak.dense
    assert "package.peak.dense" in system.unknown


def _rack(name: str, kind: str, precision: str) -> float:
    system = CATALOG.system(name)
    assert system.package
    assert system.n_packages
    return system.n_packages.value * getattr(system.package.peak, kind)[precision].value


@pytest.mark.parametrize(
    ("name", "kind", "precision", "published"),
    [
        ("vr-nvl144-cpx", "inference", "fp4", 8e18),
        ("vr-nvl72", "inference", "fp4", 3.6e18),
        ("vr-nvl72", "training", "fp4", 2.52e18),
        ("vr-nvl72", "training", "fp8", 1.2e18),
        ("gb300-nvl72", "dense", "fp4", 1.08e18),
        ("gb200-nvl72", "dense", "fp4", 0.72e18),
        ("gb200-nvl72", "sparse", "fp4", 1.44e18),
        ("rubin-ultra-kyber", "inference", "fp4", 14.4e18),
        ("rubin-ultra-kyber", "training", "fp8", 5e18),
        ("trainium3", "dense", "fp8", 362.4e15),
        ("groq-3-lpx", "dense", "fp8", 314.9e15),
    ],
)
def test_rack_totals_are_the_published_ones(name: str, kind: str, precision: str, published: float) -> None:
    assert _rack(name, kind, precision) == pytest.approx(published, rel=1e-3)


# ---------------------------------------------------------------- models


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.id)
def test_model_shape_is_consistent(model: Model) -> None:
    shape: Architecture = model.architecture
    assert model.params_active.value <= model.params_total.value
    assert (shape.n_experts == 0) == (model.params_active.value == model.params_total.value)
    assert shape.experts_per_token <= shape.n_experts
    assert shape.n_kv_heads <= shape.n_heads
    assert shape.n_heads % shape.n_kv_heads == 0
    assert (shape.attention == "mla") == (shape.kv_lora_rank > 0)
    if shape.attention == "gqa":
        assert shape.n_kv_heads < shape.n_heads
    assert shape.source in CATALOG.sources


@pytest.mark.parametrize("model", [m for m in MODELS if not m.architecture.n_experts], ids=lambda m: m.id)
def test_dense_model_has_the_parameters_its_shape_needs(model: Model) -> None:
    """Attention and embeddings alone are less than the total; twelve h^2 a layer come near it."""
    shape = model.architecture
    attention = 2 * shape.hidden * shape.head_dim * (shape.n_heads + shape.n_kv_heads) * shape.n_layers
    embedding = 2 * shape.vocabulary * shape.hidden
    assert attention + embedding < model.params_total.value
    assert 0.5 < (12 * shape.hidden**2 * shape.n_layers + embedding) / model.params_total.value < 1.5


@pytest.mark.parametrize("model", [m for m in MODELS if m.hypothetical], ids=lambda m: m.id)
def test_hypothetical_model_says_so_and_has_ranges(model: Model) -> None:
    assert "not any real product" in model.note
    for fact in (model.params_total, model.params_active):
        assert fact.kind == "judgement"


# ---------------------------------------------------------------- costs, shipments, software


def _capex_per_facility_w(name: str) -> float:
    """USD per watt of facility power: systems and network that fit, and the facility around them."""
    system, costs = CATALOG.system(name), CATALOG.costs("us-2026")
    assert system.price
    assert system.it_power
    per_it_w = system.price.value / system.it_power.value * (1 + costs.network_over_system.value)
    return per_it_w / costs.facility_over_it.value + costs.shell.value + costs.power_plant.value + costs.cooling.value


def test_capex_of_a_gigawatt_lands_where_analysts_do() -> None:
    """Bernstein 35 and Epoch 38 GUSD for GB200; Morgan Stanley 41 to Huang's 60 for Rubin."""
    assert 34 <= _capex_per_facility_w("gb200-nvl72") <= 39
    assert 41 <= _capex_per_facility_w("vr-nvl72") <= 60
    assert _capex_per_facility_w("trainium3") < _capex_per_facility_w("gb200-nvl72")


def test_shipments_grow_and_draw_what_chips_draw() -> None:
    rows = sorted(CATALOG.shipments(), key=lambda row: (row.vendor, row.year))
    for row in rows:
        assert 300 <= row.power.value / row.units.value <= 2500, "W a package"
    for before, after in pairwise(rows):
        if before.vendor == after.vendor:
            assert after.year > before.year
            assert after.h100_equivalents.value > before.h100_equivalents.value
            assert after.units.value > before.units.value
