"""Search of configurations: laws over systems and models, values by hand, and what bad input is told."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigawatt.catalog.load import load_catalog
from gigawatt.catalog.schema import System
from gigawatt.core.errors import CatalogError
from gigawatt.perf.dataflow import feed_forward
from gigawatt.perf.energy import idle_watts, package_watts, unit_watts
from gigawatt.perf.inference import Speculation, cache_bytes_per_sequence, cache_bytes_per_token, served, weight_bytes
from gigawatt.perf.layout import Layout
from gigawatt.perf.operators import Pass, Work, values_of, work_of
from gigawatt.perf.precision import peak, settle
from gigawatt.perf.search import (
    BATCHES,
    OBJECTIVES,
    PREFILL_LOAD,
    Candidates,
    Objective,
    Options,
    Tail,
    Task,
    answer,
    basis_of,
    best,
    candidates,
    paired,
    pareto,
    step_tables,
    task_of,
    within_slo,
)
from gigawatt.perf.shape import parameters
from tests.cases.kernels import from_priors

CATALOG = load_catalog()


PLAIN = basis_of(CATALOG, inference=from_priors())
SYSTEMS = [one.id for one in CATALOG.all(System) if one.package and one.status != "withdrawn"]
MODELS = ("deepseek-r1", "llama-3.1-70b", "gpt-oss-120b", "frontier-mid")
PAIRS = [(system, model) for system in SYSTEMS for model in MODELS]
H100, H200, B200 = (CATALOG.system(name) for name in ("hgx-h100", "hgx-h200", "hgx-b200"))
LLAMA, R1 = CATALOG.model("llama-3.1-70b"), CATALOG.model("deepseek-r1")


def task(model: str = "llama-3.1-70b", **changed: float) -> Task:
    plain = {"prompt": 2000.0, "output": 500.0, "cached": 400.0}
    return Task(model=CATALOG.model(model), **(plain | changed))


@cache
def found(system: str, model: str) -> Candidates:
    return candidates(CATALOG.system(system), task(model), PLAIN)


def asked(which: Candidates, **limits: float) -> Candidates:
    """The same candidates for a task with other limits."""
    return replace(which, task=replace(which.task, **limits))


# ---------------------------------------------------------------- laws over systems and models


@pytest.mark.parametrize(("system", "model"), PAIRS)
def test_every_candidate_is_sound(system: str, model: str) -> None:
    one = found(system, model)
    assert len(one) > 0, one.reason
    for times in (one.tpot_s, one.ttft_s):
        assert (times > 0).all() and (np.diff(times, axis=0) >= 0).all()
    assert (np.diff(one.tokens_per_s_package, axis=0) <= 0).all() and (one.tokens_per_s_package > 0).all()
    machine = one.system
    assert machine.n_packages and machine.it_power
    assert (one.watts_package <= machine.it_power.value / machine.n_packages.value * (1 + 1e-9)).all()
    if one.maker == "calibrated":
        assert (one.watts_package >= idle_watts(machine, PLAIN.power) / machine.n_packages.value * (1 - 1e-9)).all()
    assert (one.usd_per_h_package > 0).all()
    assert ((one.prefill_layout >= 0) == (one.prefill_per_decode > 0)).all()


@pytest.mark.parametrize(("system", "model"), PAIRS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_frontier_is_monotone_and_nothing_beats_it(system: str, model: str, objective: Objective) -> None:
    one = found(system, model)
    some, rate, tpot = pareto(one, objective), one.rate(objective), one.tpot_s[1]
    assert (np.diff(tpot[some]) < 0).all() and (np.diff(rate[some]) < 0).all()
    order = np.argsort(tpot, kind="stable")
    reached = np.maximum.accumulate(rate[order])
    upto = np.searchsorted(tpot[order], tpot[some], side="right") - 1
    np.testing.assert_array_equal(reached[upto], rate[some])
    assert rate.max() == rate[some[0]] and tpot.min() == tpot[some[-1]]


@pytest.mark.parametrize(("system", "model"), [pair for pair in PAIRS if found(*pair).maker == "calibrated"])
def test_nothing_legal_exceeds_memory(system: str, model: str) -> None:
    one, c = found(system, model), values_of(PLAIN.inference)
    work = of_layouts(one, one.layouts)
    each = cache_bytes_per_token(work) * (2000.0 + 0.75 * 500.0) + cache_bytes_per_sequence(work)
    ranks = np.array([layout.dp for layout in one.layouts])[one.layout]
    used = weight_bytes(work)[one.layout, 0] + one.batch / ranks * each[one.layout, 0]
    assert (used + 2e9 <= c["memory_share"] * work.memory * (1 + 1e-9)).all()


def of_layouts(one: Candidates, layouts: tuple[Layout, ...]) -> Work:
    assert one.system.package
    serving = settle(one.system, one.task.model)
    lag = PLAIN.behind.get(one.system.vendor)
    plain = work_of(one.system, one.system.package, one.task.model, serving, Layout(), behind=lag.value if lag else 1.0)
    return plain.with_layouts(list(layouts))


@pytest.mark.parametrize("system", SYSTEMS)
@settings(max_examples=15)
@given(
    speed=st.floats(1.0, 300.0), ttft=st.floats(0.05, 20.0), harder=st.floats(1.0, 3.0),
    percentile=st.sampled_from((0.5, 0.9, 0.99)), objective=st.sampled_from(OBJECTIVES),
)  # fmt: skip
def test_a_stricter_slo_never_serves_more(
    system: str, speed: float, ttft: float, harder: float, percentile: float, objective: Objective
) -> None:
    plain = found(system, "gpt-oss-120b")
    loose = best(asked(plain, tokens_per_s_user=speed, ttft_s=ttft), PLAIN, objective)
    for limits in (
        {"tokens_per_s_user": speed * harder, "ttft_s": ttft},
        {"tokens_per_s_user": speed, "ttft_s": ttft / harder},
        {"tokens_per_s_user": speed, "ttft_s": ttft, "percentile": percentile},
    ):
        tight = best(asked(plain, **limits), PLAIN, objective)
        assert tight.is_served <= loose.is_served
        if tight.is_served:
            rate = plain.rate(objective)
            assert rate[tight.at] <= rate[loose.at]
            assert within_slo(asked(plain, **limits))[tight.at]


@pytest.mark.parametrize(("system", "model"), PAIRS)
def test_a_band_holds_its_rate_and_its_ends_hold_the_slo(system: str, model: str) -> None:
    one = asked(found(system, model), tokens_per_s_user=25.0, ttft_s=5.0, percentile=0.9)
    point = best(one, PLAIN, "package")
    assert point.tokens_per_s_package_low <= point.tokens_per_s_package <= point.tokens_per_s_package_high
    if not point.is_served:
        return
    slow = np.where(within_slo(one, end=2), one.tokens_per_s_package[2], 0.0).max()
    assert point.tokens_per_s_package_low == slow


# ---------------------------------------------------------------- values by hand


def test_a_column_is_what_one_evaluation_gives() -> None:
    one = found("hgx-h200", "llama-3.1-70b")
    assert H200.package
    for at in np.flatnonzero(one.prefill_layout < 0)[::17]:
        layout = one.layouts[one.layout[at]]
        work = work_of(H200, H200.package, LLAMA, settle(H200, LLAMA), layout)
        out = served(Pass(work, values_of(PLAIN.inference)), one.batch[at] / layout.dp, 2000.0, 500.0, cached=400.0)
        assert one.tpot_s[1, at] == pytest.approx(float(out.tpot_s), rel=1e-12)
        assert one.ttft_s[1, at] == pytest.approx(float(out.ttft_s), rel=1e-12)
        cycle = 500.0 * float(out.tpot_s) + float(out.ttft_s)
        assert one.tokens_per_s_package[1, at] == pytest.approx(
            one.batch[at] * 500.0 / cycle / layout.n_packages, rel=1e-12
        )


def test_watts_by_hand() -> None:
    # dense, aggregated: arithmetic of tokens and prompts over the peak; weights, cache and activations over bandwidth
    one, parts, c = found("hgx-h200", "llama-3.1-70b"), parameters(LLAMA.architecture), values_of(PLAIN.inference)
    assert H200.package and H200.package.power and H200.n_packages
    shape, package = LLAMA.architecture, H200.package
    top, bandwidth = peak(package, "bf16"), package.memory_bandwidth.value if package.memory_bandwidth else 0.0
    row = one.names.index("tp8")
    for at in np.flatnonzero((one.prefill_layout < 0) & (one.layout == row))[::9]:
        work = work_of(H200, package, LLAMA, settle(H200, LLAMA), Layout(tp=8))
        out = served(Pass(work, c), one.batch[at], 2000.0, 500.0, cached=400.0)
        rate = one.tokens_per_s_package[1, at]
        scores = 4 * shape.n_layers * shape.n_heads * shape.head_dim  # of one token against one
        token = 2 * (parts.attention + parts.dense + parts.head) + scores * 2250
        prompt = 1600 * 2 * (parts.attention + parts.dense) + scores * 1600 * (400 + 800)
        compute = rate * (token + prompt / 500) / top
        cache = 2 * 2 * shape.n_layers * shape.head_dim * 2250  # one of eight heads of keys and of values, 16 bit
        read = 2 * (parts.attention + parts.dense + parts.head) / 8 + float(out.decoding) * cache
        passed = shape.n_layers * shape.hidden * 2 * c["token_traffic"]
        moved = read / float(out.tpot_s) + passed * rate * (1 + 1600 / 500)
        each = package_watts(package.power.value, min(compute, 1), min(moved / bandwidth, 1), PLAIN.power)
        assert one.watts_package[at] == pytest.approx(float(unit_watts(H200, each, PLAIN.power)) / 8, rel=1e-9)


def test_disaggregated_flows_balance() -> None:
    one = found("hgx-b200", "deepseek-r1")
    assert B200.package
    for at in np.flatnonzero(one.prefill_layout >= 0)[::97]:
        decode, before = one.layouts[one.layout[at]], one.layouts[one.prefill_layout[at]]
        run, first = (
            Pass(work_of(B200, B200.package, R1, settle(B200, R1), layout), values_of(PLAIN.inference))
            for layout in (decode, before)
        )
        batch = one.batch[at] / decode.dp
        out = served(run, batch, 2000.0, 500.0, cached=400.0, prefill=first)
        assert one.tpot_s[1, at] == pytest.approx(float(out.tpot_s), rel=1e-12)
        passing = float(first.prefill_s(1600.0, 400.0))
        wait = PREFILL_LOAD / (2 * (1 - PREFILL_LOAD)) * passing  # M/D/1
        assert one.ttft_s[1, at] == pytest.approx(float(out.ttft_s) + wait, rel=1e-12)
        asks = batch / float(out.tpot_s) / 500.0 / (decode.tp * decode.pp)  # prompts/s of a package that decodes
        gives = one.prefill_per_decode[at] * PREFILL_LOAD / (before.tp * passing)
        assert gives == pytest.approx(asks, rel=1e-12)
        assert one.tokens_per_s_package[1, at] * (1 + one.prefill_per_decode[at]) == pytest.approx(
            500 * asks, rel=1e-12
        )


def test_a_dollar_buys_price_over_life_and_energy() -> None:
    # 300 kUSD x 1.2 over 8 packages and 5 years of 8,760 h; energy at 0.07 USD/kWh and a PUE of 1.2
    one = found("hgx-h200", "llama-3.1-70b")
    by_hand = 300e3 * 1.2 / 8 / (5 * 8760) + one.watts_package / 1e3 * 1.2 * 0.07
    np.testing.assert_allclose(one.usd_per_h_package, by_hand, rtol=1e-9)
    np.testing.assert_allclose(one.rate("dollar"), one.tokens_per_s_package[1] * 3600 / by_hand, rtol=1e-9)


def test_bands_multiply_times_and_vendors_behind_widen_them() -> None:
    basis = basis_of(CATALOG, inference=from_priors(band_measured=(0.8, 1.3), band_new_chip=(0.6, 1.5)))
    measured, new = (candidates(CATALOG.system(name), task(), basis) for name in ("hgx-h100", "gb200-nvl72"))
    np.testing.assert_allclose(measured.tpot_s[[0, 2]], measured.tpot_s[1] * np.array([[0.8], [1.3]]))
    np.testing.assert_allclose(new.ttft_s[[0, 2]], new.ttft_s[1] * np.array([[0.6], [1.5]]))
    amd = candidates(CATALOG.system("mi300x"), task(), basis)  # software at 0.5 of the measured, 0.4 to 0.8
    np.testing.assert_allclose(amd.tpot_s[[0, 2]], amd.tpot_s[1] * np.array([[0.6 * 0.5 / 0.8], [1.5 * 0.5 / 0.4]]))
    assert measured.band == "chip and family measured" and new.band == "no or few rows of this chip"
    unstated = candidates(H100, task(), PLAIN)  # no band in the calibration
    np.testing.assert_allclose(unstated.tpot_s[[0, 2]], unstated.tpot_s[1] * np.array([[0.7], [1.4]]))


def test_a_tail_is_log_normal() -> None:
    tail = Tail(tpot=1.2, ttft=2.5)
    assert tail.at(0.5) == (1.0, 1.0) == tail.at(0.1)
    assert tail.at(0.99) == pytest.approx((1.2, 2.5))
    power = NormalDist().inv_cdf(0.9) / NormalDist().inv_cdf(0.99)
    assert tail.at(0.9) == pytest.approx((1.2**power, 2.5**power))


def test_speculation_speeds_a_small_batch_up_by_its_tokens() -> None:
    plain = candidates(H200, task(), PLAIN)
    guess = Options(speculation=Speculation(tokens=3, accepted=0.7))  # (1 - 0.7^4) / 0.3 = 2.533 tokens a pass
    fast = candidates(H200, task(), PLAIN, guess)
    assert 1.5 < plain.tpot_s[1].min() / fast.tpot_s[1].min() < 2.533
    slow = candidates(CATALOG.system("cs-3"), task(), PLAIN)
    assert candidates(CATALOG.system("cs-3"), task(), PLAIN, guess).tpot_s[1].min() < slow.tpot_s[1].min()


def test_narrower_weights_leave_room_for_more_sequences() -> None:
    wide, narrow = candidates(B200, task(), PLAIN), candidates(B200, task(), PLAIN, Options(weights="nvfp4"))
    assert narrow.precision == "nvfp4 weights, fp4 arithmetic, fp8 cache"
    assert narrow.weights == "nvfp4"
    most = [max(which.batch[which.layout == which.names.index("tp1")]) for which in (wide, narrow)]
    assert most[1] > 4 * most[0]
    assert best(narrow, PLAIN).tokens_per_s_package > best(wide, PLAIN).tokens_per_s_package


def test_a_class_of_demand_is_a_task() -> None:
    workload = CATALOG.workload("open-chat-70b")
    one = task_of(workload, LLAMA)
    assert (one.ttft_s, one.tokens_per_s_user, one.percentile) == (2.0, 25.0, 0.99)
    assert one.cached == pytest.approx(0.3 * one.prompt)
    point = answer(H200, one, PLAIN).chosen
    assert point.is_served and 1 / point.tpot_s >= 25.0 * 1.15 and point.ttft_s <= 2.0 / 2.46
    assert point.headroom == CATALOG.efficiency("roofline-2026").headroom.range
    assert H200.n_packages and point.tokens_per_s_unit == pytest.approx(8 * point.tokens_per_s_package)
    assert point.joules_per_token == pytest.approx(point.it_power_unit_w / point.tokens_per_s_unit)
    with pytest.raises(CatalogError, match="is no class of inference"):
        task_of(CATALOG.workload("research"), LLAMA)


def test_the_catalogues_own_calibration_serves() -> None:
    basis = basis_of(CATALOG)
    for system in ("hgx-h100", "gb300-nvl72", "mi355x", "groq-3-lpx"):
        assert answer(CATALOG.system(system), task(), basis).chosen.is_served


def test_a_step_table_is_of_the_chosen_replica() -> None:
    for system in (H200, CATALOG.system("cs-3")):
        one = answer(system, task(tokens_per_s_user=20.0), PLAIN)
        table = step_tables(one.found, one.chosen, PLAIN).decode
        assert table.n_packages == one.chosen.n_packages
        assert table.system == system.id and table.maker == one.found.maker
        assert (table.watts[:, 0] < table.watts[:, -1]).all()
    one = answer(H200, task(tokens_per_s_user=20.0), PLAIN, objective="package")
    table = step_tables(one.found, one.chosen, PLAIN).decode
    assert table.layout == one.chosen.layout


@pytest.mark.parametrize("model", ["gpt-oss-120b", "llama-3.1-70b"])
def test_a_hybrid_pays_for_both_sides(model: str) -> None:
    first, second = CATALOG.system("vr-nvl72"), CATALOG.system("groq-3-lpx")
    one = paired(first, second, task(model), PLAIN)
    assert (
        len(one) and (np.diff(one.tpot_s, axis=0) >= 0).all() and (np.diff(one.tokens_per_s_package, axis=0) <= 0).all()
    )
    # Little: what a package of attention or prefill returns, times all of them, is batch over time of a token
    total = one.tokens_per_s_package[1] * one.n_packages * (1 + one.prefill_per_decode)
    np.testing.assert_allclose(total, one.batch / one.tpot_s[1], rtol=1e-9)
    assert first.n_packages and first.it_power and second.it_power
    rest = feed_forward(second, CATALOG.model(model), PLAIN.dataflow)
    partner = second.it_power.value * rest.n_machines / (one.n_packages * (1 + one.prefill_per_decode))
    assert (one.watts_package > partner).all()
    assert (one.watts_package < partner + first.it_power.value / first.n_packages.value * (1 + 1e-9)).all()
    some = pareto(one)
    assert (np.diff(one.tpot_s[1, some]) < 0).all() and (np.diff(one.rate("mw")[some]) < 0).all()
    chosen = answer((first, second), task(model, tokens_per_s_user=20.0), PLAIN).chosen
    assert chosen.is_served and chosen.system == "vr-nvl72+groq-3-lpx"
    assert step_tables(one, chosen, PLAIN).decode.decode(chosen.batch, 2250.0) == pytest.approx(chosen.tpot_s, rel=0.05)
    wrong = paired(first, H100, task(model), PLAIN)
    assert wrong.reason == "NVIDIA HGX H100 has no SRAM figures in the catalogue to hold weights in"


def test_batches_are_whole_and_rise() -> None:
    assert BATCHES[0] == 1 and (np.diff(BATCHES) > 0).all() and not (BATCHES % 1).any()


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("system", "model", "options", "sentence"),
    [
        (
            "hgx-h100", "deepseek-r1", Options(max_packages=4),
            "DeepSeek-R1 (fp8_block weights, the cache of one request) does not fit tp4 on NVIDIA HGX H100: 393 GB are "
            "missing, 98.3 GB on each of 4 packages; tp8 pp2 would fit",
        ),
        (
            "hgx-h100", "frontier-large", Options(weights="bf16"),
            "Frontier class, large (bf16 weights, the cache of one request) does not fit tp8 pp4 on NVIDIA HGX H100: 1.6 "
            "TB are missing, 49.9 GB on each of 32 packages; no layout of up to 32 packages fits, fp8_block weights would",
        ),
        (
            "mi300x", "llama-3.1-70b", Options(weights="nvfp4", cache="fp8", max_packages=0), "",
        ),
        (
            "vr-nvl144-cpx", "llama-3.1-70b", Options(),
            "NVIDIA Vera Rubin NVL144 CPX cannot compute with bf16 weights; it has fp4",
        ),
    ],
)  # fmt: skip
def test_what_does_not_work_says_why(system: str, model: str, options: Options, sentence: str) -> None:
    one = candidates(CATALOG.system(system), task(model), PLAIN, options)
    assert one.reason == sentence
    assert best(one, PLAIN).is_served == (not sentence)


def test_a_cache_that_does_not_fit_is_said() -> None:
    long = Task(model=LLAMA, prompt=120_000.0, output=1000.0)
    one = candidates(H100, long, PLAIN, Options(max_packages=2))
    assert one.reason.startswith("Llama 3.1 70B (bf16 weights, ") and one.reason.endswith("would fit")
    assert " are missing, " in one.reason
    two = candidates(H100, Task(model=LLAMA, prompt=131_000.0, output=1000.0), PLAIN)
    assert two.reason == "Llama 3.1 70B takes 131,072 tokens of context at most, not 132,000"


def test_undisclosed_systems_refuse_with_their_sentence() -> None:
    secret = CATALOG.system("jalapeno")
    assert candidates(secret, task(), PLAIN).reason == secret.refusal


def test_a_missed_slo_says_what_is_reached() -> None:
    one = answer(H100, task(tokens_per_s_user=5000.0, percentile=0.99), PLAIN)
    assert not one.chosen.is_served and one.chosen.tokens_per_s_unit == 0.0
    assert math.isinf(one.chosen.joules_per_token)
    assert one.chosen.reason.startswith("NVIDIA HGX H100 reaches ")
    assert one.chosen.reason.endswith(" tok/s per user at the 99th percentile; 5,000 are asked for")
    late = answer(H100, task(ttft_s=0.001), PLAIN)
    assert late.chosen.reason.endswith(" to the first token in the median; 1 ms are allowed")
    with pytest.raises(CatalogError, match="5,000 are asked for"):
        step_tables(one.found, one.chosen, PLAIN)


def test_impossible_lengths_are_refused() -> None:
    with pytest.raises(CatalogError, match="a task has at least 1 token of prompt"):
        candidates(H100, Task(model=LLAMA, prompt=100.0, output=10.0, cached=200.0), PLAIN)


def test_without_a_price_nothing_is_best_a_dollar() -> None:
    cheap = H100.model_copy(update={"price": None})
    one = candidates(cheap, task(), PLAIN)
    assert len(pareto(one, "dollar")) == 0
    assert best(one, PLAIN, "dollar").reason == "NVIDIA HGX H100 has no price in the catalogue"
    assert best(one, PLAIN, "mw").is_served


def test_a_basis_needs_its_entries() -> None:
    with pytest.raises(CatalogError, match="no calibration is called 'nothing'"):
        basis_of(CATALOG, inference="nothing")
