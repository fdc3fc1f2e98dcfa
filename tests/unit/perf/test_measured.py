"""Measured kernels: conversion by hand from a made-up engine, refusals, and the real one where it is installed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest

from gigawatt.catalog.load import load_catalog
from gigawatt.catalog.schema import Costs, Model, System
from gigawatt.core.errors import TableError
from gigawatt.perf import measured
from gigawatt.perf.measured import (
    CHIPS,
    INSTALL,
    Choice,
    Correction,
    Kernels,
    Terms,
    chip_name,
    choose_maker,
    layout_name,
    measured_table,
    rising,
    table_from,
    why_not,
)
from gigawatt.perf.table import CALIBRATED, EXTRAPOLATED, MEASURED, Refusal, StepTable
from tests.cases.kernels import Stub

CATALOG = load_catalog()
SYSTEMS = {system.id: system for system in CATALOG.all(System)}
MODELS = {model.id: model for model in CATALOG.all(Model)}
TERMS = Terms(costs=CATALOG.all(Costs)[0])
H200, LLAMA = SYSTEMS["hgx-h200"], MODELS["llama-3.1-70b"]
EXTRA = pytest.mark.skipif(not measured.is_installed(), reason="needs the extra: pip install gigawatt[measured]")


@dataclass(frozen=True)
class Layout:
    tp: int = 1
    pp: int = 1
    dp: int = 1
    moe_tp: int = 1
    moe_ep: int = 1


def convert(layout: Layout, engine: Stub | None = None, terms: Terms = TERMS, model: Model = LLAMA) -> StepTable:
    kernels = Kernels(
        engine=engine or Stub(), software="vllm 0.24.0", kv_bytes_per_token=40_960.0, kv_capacity_tokens=3e6
    )
    return table_from(kernels, H200, model, layout, "fp8", terms)


def test_an_engine_becomes_a_table() -> None:
    table = convert(Layout(tp=8))
    assert table.decode(17, 1000) == pytest.approx((8 + 17 + 1.7) * 1e-3)
    assert table.prefill(700, 3000) == pytest.approx((6 + 70 + 0.3) * 1e-3)
    assert table.shared_s == pytest.approx([5e-3 / 1.14, 5e-3, 5e-3 * 1.14])
    assert table.decode(17, 1000, "high") == pytest.approx(1.14 * table.decode(17, 1000))
    assert (table.maker, table.layout, table.n_packages, table.software) == ("measured", "tp8", 8, "vllm 0.24.0")
    assert table.kv_bytes_per_token == 8 * 40_960.0 and table.kv_capacity_tokens == 3e6
    assert table.sources == ("aiconfigurator-core",)


def test_a_replica_spreads_sequences_and_tokens_over_its_ranks() -> None:
    table = convert(Layout(tp=1, dp=4, moe_ep=4))
    assert table.decode([1, 4, 64], 1000) == pytest.approx([9.1e-3, 9.1e-3, (8 + 16 + 1.6) * 1e-3])
    assert table.prefill(4 * 512, 0) == pytest.approx((6 + 51.2) * 1e-3)
    assert table.kv_capacity_tokens == 12e6 and table.n_packages == 4
    assert table.layout == "tp1 dp4 ep4"


def test_one_sequence_more_than_full_ranks_costs_a_step_of_the_slowest() -> None:
    table = convert(Layout(dp=4))
    assert table.decode([256, 257], 1000) == pytest.approx([(8 + 64 * 1.1) * 1e-3, (8 + 65 * 1.1) * 1e-3])


def test_a_pipeline_keeps_one_batch_a_stage() -> None:
    table = convert(Layout(tp=4, pp=2))
    assert table.decode(64, 1000) == pytest.approx((8 + 32 * 1.1) * 1e-3)
    assert table.n_packages == 8 and table.kv_capacity_tokens == 6e6


def test_a_correction_multiplies_times_and_marks_them_calibrated() -> None:
    plain = convert(Layout(tp=8))
    fixed = convert(Layout(tp=8), terms=Terms(costs=TERMS.costs, correction=Correction(value=1.2, low=1.1, high=1.3, source="fit")))  # fmt: skip
    assert fixed.decode(17, 1000) == pytest.approx(1.2 * plain.decode(17, 1000))
    assert fixed.prefill(100, 0, "low") == pytest.approx(1.1 * plain.prefill(100, 0))
    assert fixed.decode_provenance[0, 0] == CALIBRATED and plain.decode_provenance[0, 0] == MEASURED
    assert fixed.sources == ("aiconfigurator-core", "fit")
    with pytest.raises(TableError, match="needs 0 < low <= value <= high"):
        Correction(value=1.2)


def test_points_beyond_the_measured_kernels_are_marked() -> None:
    table = convert(Layout(tp=8))
    b, c = list(table.sequences), list(table.context)
    assert table.decode_provenance[b.index(256), c.index(32768)] == MEASURED  # 8.39 million tokens, just in
    assert table.decode_provenance[b.index(257), c.index(32768)] == EXTRAPOLATED
    assert table.prefill_provenance[-1, -1] == EXTRAPOLATED and table.prefill_provenance[-1, 0] == MEASURED
    assert (convert(Layout(tp=8), Stub(provenance="xshape")).decode_provenance == EXTRAPOLATED).all()


def test_a_table_ends_where_the_context_of_the_model_ends() -> None:
    shape = LLAMA.architecture.model_copy(update={"max_context": 40_000})
    table = convert(Layout(tp=8), model=LLAMA.model_copy(update={"architecture": shape}))
    assert table.context[-1] == 40_000 == table.cached[-1]


def test_power_is_the_share_of_the_system_that_the_replica_takes() -> None:
    table, rated = convert(Layout(tp=2)), H200.it_power
    assert rated
    assert table.watts_at([0.0, 1.0]) == pytest.approx([0.2 * rated.value / 4, 0.75 * rated.value / 4])
    assert table.watts_at(1.0, "low") < table.watts_at(1.0) < table.watts_at(1.0, "high")


def test_a_dip_between_kernels_becomes_a_step() -> None:
    table = convert(Layout(tp=8), Stub(dips=True))  # 9.1, 8.7, 12.4 ms: the dip and the point before it meet
    assert table.decode([1, 2, 4], 1000) == pytest.approx([8.9e-3, 8.9e-3, 12.4e-3])
    surface = np.random.default_rng(1).random((5, 6))
    level = rising(surface)
    assert (np.diff(level, axis=0) >= 0).all() and (np.diff(level, axis=1) >= 0).all()
    assert rising(level) == pytest.approx(level)


def test_shared_time_is_never_negative() -> None:
    assert (convert(Layout(tp=8), Stub(shared=-3.0)).shared_s == 0.0).all()


@pytest.mark.parametrize(
    ("layout", "name"),
    [(Layout(tp=8), "tp8"), (Layout(tp=4, pp=2), "tp4 pp2"), (Layout(dp=8, moe_tp=2, moe_ep=4), "tp1 dp8 moe-tp2 ep4")],
)
def test_a_layout_has_a_name(layout: Layout, name: str) -> None:
    assert layout_name(layout) == name


def test_chips_are_found_by_the_aliases_of_the_catalogue() -> None:
    found = {chip_name(system): system.id for system in SYSTEMS.values() if chip_name(system)}
    assert found["h200_sxm"] == "hgx-h200" and found["gb200"] == "gb200-nvl72"
    assert set(found) == set(CHIPS) - {"a100_sxm"}
    assert len(found) == sum(bool(chip_name(system)) for system in SYSTEMS.values())  # no chip is claimed twice


def pretend(monkeypatch: pytest.MonkeyPatch, *, installed: bool, known: bool = True) -> None:
    monkeypatch.setattr(measured, "is_installed", lambda: installed)
    monkeypatch.setattr(measured, "known_as", lambda model: model.id if known else "")


def test_what_is_not_covered_is_refused_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, installed=True)
    assert why_not(H200, LLAMA, "fp8") == ""
    assert why_not(SYSTEMS["vr-nvl72"], LLAMA, "fp8").startswith("no kernels are measured on NVIDIA Vera Rubin NVL72")
    assert why_not(H200, LLAMA, "fp16") == "no kernels are measured for fp16 weights; there are bf16, fp8, fp8_block, nvfp4, mxfp4, int4"  # fmt: skip
    assert why_not(H200, LLAMA, "nvfp4") == f"{H200.name} does not compute in fp4, as kernels for nvfp4 do"
    assert "is hypothetical" in why_not(SYSTEMS["hgx-b200"], MODELS["frontier-mid"], "nvfp4")
    pretend(monkeypatch, installed=True, known=False)
    assert why_not(H200, LLAMA, "fp8") == f"{LLAMA.name} is unknown to aiconfigurator-core"


def test_without_the_extra_a_refusal_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, installed=False)
    refusal = measured_table(H200, LLAMA, Layout(tp=8), "fp8", "vllm", TERMS)
    assert refusal == Refusal(system="hgx-h200", model="llama-3.1-70b", reason=INSTALL)
    assert "pip install gigawatt[measured]" in refusal.reason
    assert choose_maker(H200, LLAMA, "fp8") == Choice(maker="calibrated", reason=INSTALL)


def test_the_maker_follows_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, installed=True)
    measured_one = choose_maker(H200, LLAMA, "fp8")
    assert isinstance(measured_one, Choice) and measured_one.maker == "measured"
    assert measured_one.reason.startswith("kernels of h200_sxm are measured")
    sram = choose_maker(SYSTEMS["cs-3"], LLAMA, "fp8")
    assert isinstance(sram, Choice) and sram.maker == "dataflow"
    chip = SYSTEMS["jalapeno"]
    if chip.status == "undisclosed":
        assert choose_maker(chip, LLAMA, "fp8") == Refusal(system=chip.id, model=LLAMA.id, reason=chip.refusal)


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
def test_every_system_and_model_has_a_maker_or_a_reason(system: System) -> None:
    for model in MODELS.values():
        choice = choose_maker(system, model, model.weights_precision)
        assert choice.reason and "\n" not in choice.reason
        assert isinstance(choice, Choice) == (system.status != "undisclosed")


# -- the extra itself


@EXTRA
@pytest.mark.parametrize(
    ("system", "model", "layout", "precision", "backend"),
    [
        ("hgx-h200", "llama-3.1-70b", Layout(tp=8), "fp8", "vllm"),
        ("hgx-b200", "deepseek-r1", Layout(dp=8, moe_ep=8), "fp8_block", "sglang"),
        ("hgx-b200", "gpt-oss-120b", Layout(), "mxfp4", "trtllm"),
    ],
)
def test_real_kernels_give_a_plausible_table(
    system: str, model: str, layout: Layout, precision: str, backend: Literal["vllm", "sglang", "trtllm"]
) -> None:
    table = measured_table(SYSTEMS[system], MODELS[model], layout, precision, backend, TERMS)
    assert isinstance(table, StepTable), table.reason
    assert 2e-3 < table.decode(32, 1000) < 0.1
    assert table.decode(32, 1000) < table.prefill(8192, 0) < 2.0
    assert 0.0 < table.shared_s[1] < table.decode(256, 1000)
    assert (table.decode_provenance == MEASURED).mean() > 0.7
    assert 1e5 < table.kv_capacity_tokens < 1e8 and math.isfinite(table.kv_bytes_per_token)


@EXTRA
@pytest.mark.parametrize(
    ("model", "tp", "words"),
    [("llama-3.1-70b", 3, "divisible"), ("llama-3.1-405b", 2, "no KV budget"), ("kimi-k2", 8, "is unknown to")],
)
def test_real_kernels_refuse_in_a_sentence(model: str, tp: int, words: str) -> None:
    refusal = measured_table(SYSTEMS["hgx-h100"], MODELS[model], Layout(tp=tp), "fp8", "vllm", TERMS)
    assert isinstance(refusal, Refusal)
    assert words in refusal.reason and MODELS[model].name in refusal.reason
