"""The operator model: values worked out by hand, and what every pass obeys."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigawatt.catalog.load import load_catalog
from gigawatt.perf.fit_inference import PRIORS
from gigawatt.perf.inference import (
    Speculation,
    cache_bytes_per_sequence,
    cache_bytes_per_token,
    capacity_sequences,
    free_bytes,
    served,
    software_of,
    table_of,
    weight_bytes,
)
from gigawatt.perf.layout import Layout
from gigawatt.perf.operators import Pass, Software, Work, generation_step, stacked, values_of, work_of
from gigawatt.perf.precision import settle

CATALOG = load_catalog()
FITTED = values_of(CATALOG.calibration("inference-2026"))
# Coefficients that leave one term each: reading at peak, no overheads, nothing smooth to add.
BARE = dict.fromkeys(PRIORS, 0.0) | {
    name: 1.0
    for name in PRIORS
    if name.startswith(("read", "compute", "link")) or name in ("generation", "popularity", "memory_share")
}


def work(system: str = "hgx-h100", model: str = "llama-3.1-8b", weights: str = "", **layout: int) -> Work:
    entry, named = CATALOG.system(system), CATALOG.model(model)
    assert entry.package
    return work_of(entry, entry.package, named, settle(entry, named, weights), Layout(**layout))


def test_one_token_reads_every_matrix_once() -> None:
    """Llama 3.1 8B in bf16 on one H100: 7.505 G parameters x 2 bytes / 3.35 TB/s = 4.48 ms."""
    run = Pass(work(), BARE)
    body = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336)
    expected = (body + 128_256 * 4096) * 2 / 3.35e12
    assert float(run.decode_s(1.0, 0.0)) == pytest.approx(expected, rel=2e-3)


def test_cache_of_a_sequence() -> None:
    """32 layers x 2 x 8 heads x 128 x 2 bytes = 131,072 bytes a token; 4,096 of them in 0.160 ms."""
    one = work()
    assert float(cache_bytes_per_token(one)) == 131_072
    assert float(Pass(one, BARE).sequence_s(4096.0)) == pytest.approx(4096 * 131_072 / 3.35e12)


def test_latent_cache_is_not_split_by_tensor_ranks() -> None:
    """DeepSeek-V3: 61 layers x 576 values x 1 byte on each of eight ranks; GQA with eight heads is an eighth each."""
    latent = work("hgx-h200", "deepseek-v3", tp=8, moe_tp=8)
    assert float(cache_bytes_per_token(latent)) == 61 * 576
    grouped = work("hgx-h100", "llama-3.1-70b", "fp8", tp=8)
    assert float(cache_bytes_per_token(grouped)) == 80 * 2 * 128


def test_windows_keep_only_their_window() -> None:
    """gpt-oss-120b: half of 36 layers see 128 tokens, whatever the context."""
    one = work("hgx-b200", "gpt-oss-120b")
    each = 2 * 8 * 64 * 1
    assert float(cache_bytes_per_token(one)) == 18 * each
    assert float(cache_bytes_per_sequence(one)) == 18 * 128 * each
    run = Pass(one, BARE)
    growth = float(run.sequence_s(20_000.0) - run.sequence_s(10_000.0))
    assert growth == pytest.approx(10_000 * 18 * each / 8e12)


@pytest.mark.parametrize(("tokens", "touched"), [(1, 8.0), (10**7, 256.0)])
def test_experts_touched_at_both_ends(tokens: int, touched: float) -> None:
    """One token reads the 8 experts it takes, very many read all 256."""
    one = work("hgx-b200", "deepseek-v3", "nvfp4", tp=8, moe_ep=8)
    silent = BARE | {"popularity": 1e6, "compute": 1e9, "compute_experts": 1e9, "link_reduce": 1e9}
    cold, warm = (Pass(replace(one, expert=size), silent) for size in (0.0, one.expert))
    seconds = float(warm.prefill_gpu_s(float(tokens)) - cold.prefill_gpu_s(float(tokens)))
    assert seconds == pytest.approx(touched * one.expert * 4.5 / 8 / 8 / 8e12, rel=1e-2)


def test_prompt_of_a_dense_model_by_hand() -> None:
    """8,192 tokens of Llama 3.1 8B: 2 N P FLOP at 989.5 TFLOP/s and causal attention 2 L h (d + d) N^2 / 2."""
    run = Pass(work(), BARE)
    body = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336)
    attention = 2 * 32 * 32 * 256 * 8192**2 / 2
    head = 128_256 * 4096 * 2 / 3.35e12
    expected = (2 * 8192 * body + attention) / 989.5e12 + head
    assert float(run.prefill_gpu_s(8192.0)) == pytest.approx(expected, rel=3e-3)


def test_cached_prefix_is_attended_and_not_computed() -> None:
    """1,000 tokens behind 7,000 attend to 7,500 on average and cost 1,000 tokens of matrices."""
    run = Pass(work(), BARE)
    longer = float(run.prefill_gpu_s(1000.0, 7000.0) - run.prefill_gpu_s(1000.0, 0.0))
    assert longer == pytest.approx(2 * 32 * 32 * 256 * 1000 * 7000 / 989.5e12)


def test_power_limited_arithmetic() -> None:
    """A FLOP costs 1/peak + e/TDP: 0.2 pJ at 700 W adds 0.286e-15 s to 1.011e-15 s."""
    slow, fast = (Pass(work(), BARE | {"flop_energy": e}).prefill_gpu_s(1e5) for e in (0.2e-12, 0.0))
    head = float(Pass(replace(work(), attention=0.0, dense=0.0, n_heads=1e-9), BARE).prefill_gpu_s(1e5))
    ratio = (float(slow) - head) / (float(fast) - head)
    assert ratio == pytest.approx(1 + (0.2e-12 / 700) * 989.5e12, rel=1e-3)


def test_a_token_travels_to_its_experts_and_not_to_all_ranks() -> None:
    """Exchange grows with attention ranks up to the experts a token takes (8), not beyond."""
    bare = BARE | {"link_reduce": 1e12}

    def exchange(dp: int) -> float:
        ranks = work("gb200-nvl72", "deepseek-v3", "nvfp4", dp=dp, moe_ep=dp)
        free = Pass(replace(ranks, link=1e30), bare).prefill_gpu_s(1000.0)
        return float(Pass(ranks, bare).prefill_gpu_s(1000.0) - free)

    assert exchange(4) == pytest.approx(2 * 58 * 3 * 1000 * 7168 * 2 / 0.9e12)
    assert exchange(64) == pytest.approx(2 * 58 * 8 * 1000 * 7168 * 2 / 0.9e12)


def test_kernels_shorten_with_a_generation() -> None:
    """A Blackwell pays ``generation`` of a Hopper's fixed time; unnamed systems count by their year."""
    hopper, blackwell = (CATALOG.system(name) for name in ("hgx-h200", "hgx-b200"))
    assert (generation_step(hopper), generation_step(blackwell)) == (0.0, 1.0)
    fixed = BARE | {"kernel_s": 1e-6, "layer_kernels": 10.0, "generation": 0.8}
    times = [
        float(Pass(replace(work(name), attention=0.0, dense=0.0, head=0.0, state=0.0), fixed).decode_s(1.0, 0.0))
        for name in ("hgx-h200", "hgx-b200")
    ]
    assert times == pytest.approx([32 * 10e-6, 32 * 8e-6], rel=0.05)


def test_software_multiplies_its_side_only() -> None:
    fixed = BARE | {"kernel_s": 1e-6, "layer_kernels": 10.0}
    plain = float(Pass(work(), fixed).decode_s(1.0, 0.0))
    slower = float(Pass(work(), fixed, Software(overhead=2.0)).decode_s(1.0, 0.0))
    assert slower - plain == pytest.approx(32 * 10e-6)
    older = float(Pass(work(), fixed | {"ageing": 0.5}, Software(age_y=2.0)).decode_s(1.0, 0.0))
    assert older - plain == pytest.approx(32 * 10e-6)


def test_weights_and_what_is_left_by_hand() -> None:
    """Llama 3.1 70B in fp8 on two H100: 68.5 G / 2 in layers, two 16-bit tables of 1.05 G / 2."""
    one = work("hgx-h100", "llama-3.1-70b", "fp8", tp=2)
    table = 128_256 * 8192
    layers = 80 * (2 * 8192 * 8192 + 2 * 8192 * 1024 + 3 * 8192 * 28672)
    assert float(weight_bytes(one)) == pytest.approx((layers + 4 * table) / 2, rel=1e-3)
    assert float(free_bytes(one)) == pytest.approx(0.9 * 80e9 - 2e9 - (layers + 4 * table) / 2, rel=1e-3)
    assert float(capacity_sequences(one, 1000.0)) == pytest.approx(
        float(free_bytes(one)) / (1000 * 80 * 8 * 128), rel=1e-3
    )


def test_others_prompts_are_felt_while_decoding() -> None:
    """TPOT = t_decode + f (b - 1)/o t_prefill where nothing waits; alone it is t_decode."""
    c = BARE | {"interference": 0.5}
    run = Pass(work(), c)
    alone = served(run, 1.0, 1000.0, 100.0)
    assert float(alone.tpot_s) == pytest.approx(float(run.decode_s(alone.decoding, 1050.0)))
    crowd = served(run, 16.0, 1000.0, 100.0)
    felt = 0.5 * (float(crowd.decoding) - 1) / 100 * float(run.prefill_gpu_s(1000.0))
    assert float(crowd.tpot_s) == pytest.approx(float(run.decode_s(crowd.decoding, 1050.0)) + felt, rel=1e-2)
    assert 1 < float(crowd.decoding) < 16


def test_the_cache_limits_what_runs() -> None:
    """Qwen3-32B in bf16 on one H100 leaves 4 GB: of 64 sequences of 2,000 tokens about eight run."""
    one = Pass(work("hgx-h100", "qwen3-32b", "bf16"), FITTED)
    out = served(one, 64.0, 1024.0, 1024.0)
    assert float(out.running) == pytest.approx(float(capacity_sequences(one.w, 1792.0, FITTED["memory_share"])))
    assert 3 < float(out.running) < 16


def test_disaggregated_decode_feels_no_prompt() -> None:
    run = Pass(work("hgx-b200", "deepseek-v3", tp=8, moe_tp=8), FITTED)
    apart = served(run, 32.0, 4096.0, 512.0, prefill=run)
    assert float(apart.tpot_s) == pytest.approx(float(run.decode_s(32.0, 4352.0)))
    assert float(apart.tpot_s) < float(served(run, 32.0, 4096.0, 512.0).tpot_s)


@pytest.mark.parametrize(
    ("tokens", "accepted", "expected"), [(0, 0.9, 1.0), (1, 0.85, 1.85), (3, 0.5, 1.875), (2, 1.0, 3.0)]
)
def test_tokens_of_a_speculating_pass(tokens: int, accepted: float, expected: float) -> None:
    assert Speculation(tokens=tokens, accepted=accepted).tokens_per_pass == pytest.approx(expected)


def test_speculation_pays_alone_and_not_in_a_crowd() -> None:
    run = Pass(work("hgx-b200", "llama-3.1-70b", "fp8", tp=4), FITTED)
    draft = Speculation(tokens=3, accepted=0.7)
    alone, crowd = (
        [float(served(run, b, 512.0, 512.0, speculation=s).tpot_s) for s in (Speculation(), draft)]
        for b in (1.0, 512.0)
    )
    assert alone[1] < 0.6 * alone[0]
    assert crowd[1] / crowd[0] > 1.5 * alone[1] / alone[0]


def test_rows_of_a_stack_are_what_they_are_alone() -> None:
    rows = [work(), work("hgx-b200", "deepseek-v3", tp=8, moe_ep=8), work("gb200-nvl72", "gpt-oss-120b")]
    together = Pass(stacked(rows), FITTED).decode_s(np.array([1.0, 8.0, 64.0]), np.array([100.0, 2000.0, 9000.0]))
    alone = [
        float(Pass(row, FITTED).decode_s(b, c))
        for row, b, c in zip(rows, (1.0, 8.0, 64.0), (100.0, 2000.0, 9000.0), strict=True)
    ]
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_offsets_multiply_along_their_keys() -> None:
    entry = CATALOG.calibration("inference-2026").model_copy(
        update={"offsets": {"vllm": {"work": 2.0}, "vllm/llama": {"work": 1.5}, "vllm@hopper": {"prefill": 3.0}}}
    )
    serving = settle(CATALOG.system("hgx-h100"), CATALOG.model("llama-3.1-8b"))
    known = software_of(entry, "vllm", "llama", serving)
    assert (known.work, known.prefill, known.overhead) == (3.0, 3.0, 1.0)
    assert software_of(entry, "", "llama", serving).work == 1.0


def test_table_holds_the_model() -> None:
    """At its grid points a StepTable is the model; between them at most 5 % off."""
    system, model = CATALOG.system("hgx-h200"), CATALOG.model("llama-3.1-70b")
    layout, serving = Layout(tp=4), settle(system, model, "fp8")
    made = table_of(system, model, layout, serving, CATALOG.calibration("inference-2026"), spread=(0.8, 1.3))
    run = Pass(work("hgx-h200", "llama-3.1-70b", "fp8", tp=4), FITTED)
    assert float(made.decode(32.0, 2048.0)) == pytest.approx(float(run.decode_s(32.0, 2048.0)))
    assert float(made.decode(32.0, 2048.0, "low")) == pytest.approx(0.8 * float(run.decode_s(32.0, 2048.0)))
    for batch, context in ((3.0, 700.0), (40.0, 3000.0), (200.0, 12_000.0)):
        assert float(made.decode(batch, context)) == pytest.approx(float(run.decode_s(batch, context)), rel=0.05)
    assert float(made.prefill(3000.0, 0.0)) == pytest.approx(float(run.prefill_s(3000.0)), rel=0.05)


PAIRS: list[Any] = [
    (system.id, model.id)
    for system in CATALOG.all(type(CATALOG.system("hgx-h100")))
    if system.kind != "sram" and system.status != "undisclosed" and system.package
    for model in (CATALOG.model(name) for name in ("llama-3.1-8b", "gpt-oss-120b", "deepseek-v3.2", "qwen3.5-397b"))
]


@pytest.mark.parametrize(("system", "model"), PAIRS)
def test_more_work_never_takes_less_time(system: str, model: str) -> None:
    entry, named = CATALOG.system(system), CATALOG.model(model)
    assert entry.package
    try:
        serving = settle(entry, named)
    except Exception:
        serving = settle(entry, named, "nvfp4")
    run = Pass(work_of(entry, entry.package, named, serving, Layout()), FITTED)
    batches, contexts = np.array([1, 2, 8, 64, 512.0]), np.array([1, 512, 8192, 131_072.0])
    decode = run.decode_s(batches[:, None], contexts[None, :])
    assert (np.diff(decode, axis=0) > 0).all() and (np.diff(decode, axis=1) >= 0).all()
    prefill = run.prefill_s(np.array([1, 100, 1000, 20_000.0])[:, None], np.array([0, 1000, 50_000.0])[None, :])
    assert (np.diff(prefill, axis=0) > 0).all() and (np.diff(prefill, axis=1) >= 0).all()
    assert np.isfinite(decode).all() and (decode > 0).all()


@given(st.floats(1, 1024), st.floats(1, 100_000), st.floats(1, 8192))
def test_a_crowd_waits_longer(batch: float, prompt: float, output: float) -> None:
    run = Pass(work("hgx-b200", "qwen3-235b", "fp8", tp=8, moe_ep=8), FITTED)
    few, many = (served(run, b, prompt, output) for b in (batch, batch + 8.0))
    assert float(few.tpot_s) <= float(many.tpot_s) * (1 + 1e-9)
    assert float(few.ttft_s) <= float(many.ttft_s) * (1 + 1e-9)
    assert float(few.decoding) <= float(few.running) * (1 + 1e-12) <= batch * (1 + 1e-9)
