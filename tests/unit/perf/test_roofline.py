"""Roofline by hand on made-up machines, and laws over every system and class of the catalogue."""

from __future__ import annotations

import numpy as np
import pytest

from gigawatt.catalog.load import load_catalog
from gigawatt.catalog.schema import Efficiency, Model, System, Workload
from gigawatt.core.errors import CatalogError
from gigawatt.perf.memory import kv_bytes_per_token, weights_touched
from gigawatt.perf.roofline import peak_flops, serving_point, training_point

CATALOG = load_catalog()
EFFICIENCY = CATALOG.efficiency("roofline-2026")
SYSTEMS = [s for s in CATALOG.all(System) if s.status != "undisclosed"]
CLASSES = [w for w in CATALOG.all(Workload) if w.kind == "inference"]
PAIRS = [(s, w) for s in SYSTEMS for w in CLASSES]
NAMES = [f"{s.id}-{w.id}" for s, w in PAIRS]


def fig(value: str | float, low: str | float | None = None, high: str | float | None = None) -> dict[str, object]:
    return {"value": value, "source": "own", "kind": "derived", "as_of": "2026", "low": low, "high": high}


def machine(**package: object) -> System:
    """One package: 1 PFLOP/s dense FP8, 100 GB at 1 TB/s, 1 kW."""
    base: dict[str, object] = {
        "n_dies": fig(1), "peak": {"dense": {"fp8": fig("1 PFLOP/s")}}, "memory": fig("100 GB"),
        "memory_bandwidth": fig("1 TB/s"), "power": fig("1 kW"),
    }  # fmt: skip
    return System.model_validate({
        "id": "box", "name": "Box", "vendor": "nvidia", "generation": "x", "kind": "gpu", "unit": "server",
        "status": "shipping", "n_packages": fig(1), "scale_up_packages": fig(1), "it_power": fig("1 kW"),
        "package": base | package,
    })  # fmt: skip


def dense(params: str = "10 B") -> Model:
    return Model.model_validate({
        "id": "m", "name": "M", "family": "m", "params_total": fig(params), "params_active": fig(params),
        "weights_precision": "fp8", "kv_precision": "fp8",
        "architecture": {"source": "own", "kind": "derived", "as_of": "2026", "n_layers": 10, "hidden": 1000,
                         "n_heads": 8, "n_kv_heads": 2, "head_dim": 100, "attention": "gqa"},
    })  # fmt: skip


def ask(speed: str = "10 tok/s", prompt: str = "1 token", output: str = "1000 tokens", ttft: str = "10 s") -> Workload:
    return Workload.model_validate({
        "id": "w", "name": "W", "kind": "inference", "model": "m", "input_tokens": fig(prompt),
        "output_tokens": fig(output), "prefix_hit": fig(0), "value": fig("1 USD/Mtok"), "peak_to_mean": fig(1),
        "slo": {"ttft": fig(ttft), "speed": fig(speed), "percentile": fig("99 %")},
    })  # fmt: skip


def ideal(**changes: object) -> Efficiency:
    """Everything achieves its peak and nothing costs extra, unless a test says so."""
    return Efficiency.model_validate({
        "id": "e", "name": "E", "decode_bandwidth": fig(1), "prefill_compute": fig(1), "sram_bandwidth": fig(1),
        "sram_prefill_cost": fig(0), "training_compute": fig(1), "step_overhead": fig("0 s"),
        "layer_overhead": fig("0 s"), "link_bandwidth": fig(1), "memory_reserve": fig(0), "headroom": fig(0),
    } | changes)  # fmt: skip


def test_kv_bytes_by_hand() -> None:
    # GQA: 2 x 10 layers x 2 heads x 100 x 1 byte; Llama-3.1-70B bf16: 2 x 80 x 8 x 128 x 2 = 327,680
    assert kv_bytes_per_token(dense().architecture, "fp8") == 4000
    assert kv_bytes_per_token(CATALOG.model("llama-3.1-70b").architecture, "bf16") == 327_680
    # MLA: 61 layers x (512 + 64) x 2 bytes
    assert kv_bytes_per_token(CATALOG.model("deepseek-v3").architecture, "bf16") == 70_272


def test_experts_touched_by_hand() -> None:
    model = CATALOG.model("deepseek-v3")
    one, many = weights_touched(model, np.array([1.0, 1e6]))
    assert one == pytest.approx(model.params_active.value, rel=1e-9)
    assert many == pytest.approx(model.params_total.value, rel=1e-6)


def test_decode_is_bound_by_memory() -> None:
    # 10 GB of weights at 1 TB/s: 10 ms a step. Batch 1 asks 90 tok/s: 100 tok/s less what the prompt costs
    point = serving_point(machine(), ask(speed="90 tok/s"), dense(), ideal())
    # each sequence adds 4 kB x 501 tokens of cache: 2 us; so a large batch still meets 90 tok/s
    assert point.is_served
    step_s = 1 / point.speed_tokens_per_s_user
    cache_s = point.batch_size * 4000 * (1 + 500) / 1e12
    prefill_s = 2 * 10e9 * 1 / 1e15 * point.batch_size / 1000
    assert step_s == pytest.approx(0.01 + cache_s + prefill_s, rel=1e-3)
    assert point.output_tokens_per_s == pytest.approx(point.batch_size / step_s, rel=1e-9)


def test_speed_limit_and_its_reason() -> None:
    point = serving_point(machine(), ask(speed="200 tok/s"), dense(), ideal())
    assert not point.is_served
    assert point.output_tokens_per_s == 0.0
    assert point.reason == "Box reaches 100 tok/s per user at most; W asks for 200"


def test_a_model_that_does_not_fit_says_by_how_much() -> None:
    assert (
        serving_point(machine(), ask(), dense("120 B"), ideal()).reason == "M does not fit 1 packages: 20 GB too large"
    )


def test_slow_prefill_breaks_the_first_token() -> None:
    # 2 x 10e9 x 1e5 FLOP at 1 PFLOP/s are 2 s, attention 4 x 10 x 8 x 100 x 1e5 x 5e4 = 0.16 PFLOP 0.16 s
    point = serving_point(machine(), ask(prompt="100000 tokens", ttft="1 s"), dense(), ideal())
    assert point.reason == "Box needs 2.17 s to the first token; allowed are 1 s"


def test_four_bit_weights_compute_in_what_the_chip_has() -> None:
    package = CATALOG.system("hgx-h100").package
    assert package is not None
    assert peak_flops(package, "fp4")[1] == "fp8"


def test_undisclosed_system_is_refused_with_its_sentence() -> None:
    with pytest.raises(CatalogError, match="jalapeno cannot be planned: performance undisclosed"):
        serving_point(CATALOG.system("jalapeno"), ask(), dense(), EFFICIENCY)


def test_sram_pipeline_by_hand() -> None:
    # 10 GB of weights on chips of 1 GB SRAM at 10 TB/s: 10 chips and one for the cache, 1 ms a token, 10 stages at most
    sram = machine(sram=fig("1 GB"), sram_bandwidth=fig("10 TB/s"))
    system = sram.model_copy(update={"kind": "sram"})
    point = serving_point(system, ask(speed="900 tok/s"), dense(), ideal())
    assert point.speed_tokens_per_s_user == pytest.approx(1000.0)
    assert point.n_packages_per_replica == 11  # 10 sequences x 1,001 tokens x 4 kB = 40 MB more than ten chips hold
    assert point.output_tokens_per_s == pytest.approx(10 * 1000 / 11)


def test_training_is_dense_peak_times_utilisation() -> None:
    work = Workload.model_validate({"id": "t", "name": "T", "kind": "training", "peak_to_mean": fig(1),
                                    "utilisation": fig("40 %")})  # fmt: skip
    point = training_point(CATALOG.system("hgx-h100"), work, EFFICIENCY)
    assert point.effective_flops == pytest.approx(8 * 0.989e15 * 0.4, rel=1e-2)
    assert not training_point(CATALOG.system("cs-3"), work, EFFICIENCY).is_served


@pytest.mark.parametrize(("system", "workload"), PAIRS, ids=NAMES)
def test_every_point_is_sane(system: System, workload: Workload) -> None:
    """Determinism, an ordered band, the SLO kept, and never more tokens than the memory can be read for."""
    assert workload.model and workload.slo
    model = CATALOG.model(workload.model)
    point = serving_point(system, workload, model, EFFICIENCY)
    assert point == serving_point(system, workload, model, EFFICIENCY)
    if not point.is_served:
        assert point.reason.endswith(point.reason.strip()) and len(point.reason) > 20
        assert point.output_tokens_per_s == 0.0
        return
    assert 0 <= point.output_tokens_per_s_low <= point.output_tokens_per_s <= point.output_tokens_per_s_high
    if workload.slo.speed:
        assert point.speed_tokens_per_s_user >= workload.slo.speed.value * (1 - 1e-9)
    if workload.slo.ttft:
        assert point.ttft_s <= workload.slo.ttft.value * (1 + 1e-9)
    assert system.it_power and point.it_power_w == system.it_power.value


@pytest.mark.parametrize("system", SYSTEMS, ids=[s.id for s in SYSTEMS])
def test_a_looser_slo_never_serves_less(system: System) -> None:
    workload = CATALOG.workload("open-chat-70b")
    assert workload.slo and workload.slo.speed and workload.model
    model = CATALOG.model(workload.model)
    slower = workload.slo.speed.__class__(
        value=workload.slo.speed.value / 2, unit="token/s", text="half", source=("own",), kind="derived", as_of="2026"
    )
    loose = workload.model_copy(update={"slo": workload.slo.model_copy(update={"speed": slower})})
    tight_rate = serving_point(system, workload, model, EFFICIENCY).output_tokens_per_s
    assert serving_point(system, loose, model, EFFICIENCY).output_tokens_per_s >= tight_rate * (1 - 1e-9)
