"""Replicas for a simulator: what tables hold against what the search charges, choices of layouts, refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gigawatt.catalog.load import load_catalog
from gigawatt.core.errors import CatalogError
from gigawatt.perf import measured, step
from gigawatt.perf.effort import Done
from gigawatt.perf.fit_measured import ERROR, why_not_ahead
from gigawatt.perf.inference import Speculation, cache_bytes_per_token
from gigawatt.perf.layout import Layout
from gigawatt.perf.measured import INSTALL, Choice, Kernels
from gigawatt.perf.operators import BACKENDS, Pass, values_of, work_of
from gigawatt.perf.precision import settle
from gigawatt.perf.replica import Replica, replica_of
from gigawatt.perf.search import BATCHES, Options, Task, basis_of, candidates, within_slo
from gigawatt.perf.table import CALIBRATED, EXTRAPOLATED
from tests.cases.kernels import Stub, from_priors

CATALOG = load_catalog()
PLAIN = basis_of(CATALOG, inference=from_priors().model_copy(update={"residuals": {ERROR: 0.01}}))
GUESS = Speculation(tokens=3, accepted=0.7)
SPECULATING = Options(speculation=GUESS)
SRAM = ("cs-3", "groq-lpu-v1", "groq-3-lpx")


def made(system: str, model: str = "llama-3.1-70b", layout: str | None = None, **more: object) -> Replica:
    both = [CATALOG.system(name) for name in system.split("+")]
    chosen = CATALOG.model(model)
    task = Task(model=chosen, prompt=2000.0, output=500.0, tokens_per_s_user=20.0)
    limits = {key: more.pop(key) for key in ("tokens_per_s_user", "prompt") if key in more}
    basis = more.pop("basis", PLAIN)
    return replica_of(
        (both[0], both[1]) if len(both) > 1 else both[0], chosen, basis, task=replace(task, **limits), layout=layout,
        **more,
    )  # fmt: skip


@pytest.mark.parametrize(("system", "model"), [("hgx-h100", "llama-3.1-70b"), ("gb200-nvl72", "deepseek-r1")])
def test_the_smallest_of_the_best_layouts_is_taken(system: str, model: str) -> None:
    one = made(system, model)
    task = Task(model=CATALOG.model(model), prompt=2000.0, output=500.0, tokens_per_s_user=20.0)
    found = candidates(CATALOG.system(system), task, PLAIN)
    rate = np.where(within_slo(found), found.tokens_per_s_package[1], 0.0)
    chosen = rate[
        (found.layout == found.names.index(one.layout)) & (found.prefill_layout < 0) == (not one.prefill_layout)
    ]
    assert chosen.max() >= 0.99 * rate.max() and one.operating.tokens_per_s_package >= 0.99 * rate.max()
    for at in np.flatnonzero(rate >= 0.99 * rate.max()):
        before = int(found.prefill_layout[at])
        size = found.n_packages[at] + (found.layouts[before].n_packages if before >= 0 else 0)
        assert one.n_packages + one.n_packages_prefill <= size
    assert one.reason == "" and one.n_ranks == found.layouts[found.names.index(one.layout)].dp
    again = made(system, model)
    np.testing.assert_array_equal(one.table.decode_s, again.table.decode_s)
    assert one.operating == again.operating


def test_both_sides_of_a_disaggregated_replica() -> None:
    one = made("hgx-h200", layout="tp4 + tp8")
    assert (one.layout, one.prefill_layout, one.n_packages, one.n_packages_prefill) == ("tp4", "tp8", 4, 8)
    assert one.prefill_table is not None and one.prefill_table.layout == "tp8"
    # 2 x 80 layers x 8 heads x 128 values in 16 bit; four links of 50 GB/s
    assert one.kv_transfer_bytes_per_token == 2 * 80 * 8 * 128 * 2 and one.kv_transfer_bytes_per_s == 4 * 50e9
    assert one.kv_transfer_s(2000) == pytest.approx(2000 * 327_680 / 200e9)
    system, model = CATALOG.system("hgx-h200"), CATALOG.model("llama-3.1-70b")
    assert system.package
    run = Pass(work_of(system, system.package, model, settle(system, model), Layout(tp=4)), values_of(PLAIN.inference))
    charged = float(cache_bytes_per_token(run.w)) * 2000 / run.w.transfer  # as the search does
    assert one.kv_transfer_s(2000) == pytest.approx(charged)
    assert one.table.decode(one.operating.batch, 2250) == pytest.approx(one.operating.tpot_s, rel=0.01)
    asked = one.operating.batch / one.operating.tpot_s / 500  # prompts/s; one of tp8 takes 0.7 over a pass
    assert one.prefill_per_decode == pytest.approx(asked * one.prefill_table.prefill(2000, 0) / 0.7, rel=0.02)
    whole = one.operating.it_power_unit_w / 8 * (4 + 8 * one.prefill_per_decode)
    # of a second: steps of the planned batch; each replica that prefills is busy for 0.7 s, one prompt after another
    assert one.table.effort and one.prefill_table.effort
    steps, passes = 1.0 / one.operating.tpot_s, 0.7 / float(one.prefill_table.prefill(2000, 0))
    decoded = steps * one.operating.batch
    decode = one.table.effort.load(Done(*np.array([steps, decoded, 2250 * decoded, 0, 0, 0, 0])), 1.0)
    prefill = one.prefill_table.effort.load(
        Done(*np.array([0, 0, 0, passes, 0, 2000 * passes, 2000 * 2000 * passes])), 0.7
    )  # fmt: skip
    beside = 0.7 * one.prefill_table.watts_at(prefill) + 0.3 * one.prefill_table.watts_at(0.0)
    assert one.table.watts_at(decode) + one.prefill_per_decode * beside == pytest.approx(whole, rel=0.01)


def test_a_speculative_step_is_a_verify_pass_and_its_draft() -> None:
    system, model = CATALOG.system("hgx-h200"), CATALOG.model("llama-3.1-70b")
    assert system.package
    run = Pass(work_of(system, system.package, model, settle(system, model), Layout(tp=8)), values_of(PLAIN.inference))
    one = made("hgx-h200", layout="tp8", options=SPECULATING)
    assert one.speculation == GUESS and one.table.software == "mean, a step verifies 3 drafted tokens"
    for batch, context in ((1, 4096), (64, 2048)):
        by_hand = float(run.decode_s(batch, context, 4)) * 1.05
        assert one.table.decode(batch, context) == pytest.approx(by_hand, rel=1e-12)
    apart = made("hgx-h200", layout="tp8 + tp8", options=SPECULATING)
    step = apart.table.decode(apart.operating.batch, 2250)
    assert step / GUESS.tokens_per_pass == pytest.approx(apart.operating.tpot_s, rel=0.01)
    assert apart.prefill_table is not None and apart.prefill_table.software == "mean"
    assert (one.table.decode_provenance == EXTRAPOLATED).all()


@pytest.mark.parametrize("system", SRAM)
@pytest.mark.parametrize("guess", [Options(), SPECULATING])
def test_machines_with_weights_in_sram_have_tables(system: str, guess: Options) -> None:
    one = made(system, options=guess)
    table, at = one.table, one.operating
    assert table.maker == "dataflow" and one.prefill_table is None and one.kv_transfer_s(1e6) == 0.0
    assert one.n_packages == at.n_packages and one.max_sequences >= 1
    assert (np.diff(table.watts, axis=1) > 0).all() and table.kv_capacity_tokens > 2500
    machine = CATALOG.system(system)
    assert machine.it_power and machine.n_packages
    assert table.watts[1, -1] == pytest.approx(machine.it_power.value * one.n_packages / machine.n_packages.value)
    # the search adds prompts of others to a step, so a token takes no less than the step alone
    kept = guess.speculation.tokens_per_pass if guess.speculation.tokens else 1.0
    assert float(table.decode(1, 2250)) / kept <= at.tpot_s * (1 + 1e-9)
    assert table.prefill(4096, 0) > table.prefill(64, 0)
    more = made(system, layout=f"{one.n_packages + 9} packages", options=guess)
    assert more.n_packages == one.n_packages + 9 and more.max_sequences > one.max_sequences


def test_a_hybrid_has_both_sides() -> None:
    one = made("vr-nvl72+groq-3-lpx", "gpt-oss-120b")
    assert one.prefill_table is not None and one.table.system == "vr-nvl72+groq-3-lpx"
    assert one.table.decode(one.operating.batch, 2250) == pytest.approx(one.operating.tpot_s, rel=0.05)
    named = made("vr-nvl72+groq-3-lpx", "gpt-oss-120b", layout=one.layout)
    assert named.layout == one.layout and named.n_packages == one.n_packages
    with pytest.raises(
        CatalogError, match="'tp3' is no layout of NVIDIA Vera Rubin NVL72 with NVIDIA Groq 3 LPX; there"
    ):
        made("vr-nvl72+groq-3-lpx", "gpt-oss-120b", layout="tp3")


@pytest.mark.parametrize(
    ("system", "model", "longest"),
    [("hgx-h200", "llama-3.1-70b", 131_072), ("cs-3", "llama-3.1-70b", 131_072), ("hgx-b300", "minimax-m2.5", 0)],
)
def test_axes_cover_what_a_simulator_asks(system: str, model: str, longest: int) -> None:
    one = made(system, model)
    longest = longest or CATALOG.model(model).architecture.max_context
    assert one.table.context[-1] == one.table.cached[-1] == longest and one.table.cached[0] == 0
    assert one.table.sequences[0] == 1 and one.table.sequences[-1] >= BATCHES[-1] * one.n_ranks
    assert one.table.new_tokens[0] <= 16 and one.table.new_tokens[-1] >= 65_536
    assert one.max_sequences <= one.table.sequences[-1]


def test_beyond_the_rows_of_the_fit_is_extrapolated() -> None:
    table = made("hgx-h200", layout="tp8").table
    beyond = (table.sequences[:, None] > 512) | (table.context[None, :] > 16384)
    np.testing.assert_array_equal(table.decode_provenance, np.where(beyond, EXTRAPOLATED, CALIBRATED))


def test_a_layout_that_is_named_is_kept_though_it_misses_the_slo() -> None:
    one = made("hgx-h200", layout="tp8", tokens_per_s_user=2000.0)
    assert one.layout == "tp8" and one.reason.endswith("tok/s per user in the median; 2,000 are asked for")
    with pytest.raises(CatalogError, match="2,000 are asked for"):
        made("hgx-h200", tokens_per_s_user=2000.0)


@pytest.mark.parametrize(
    ("system", "model", "layout", "sentence"),
    [
        ("hgx-h200", "llama-3.1-70b", "tp3", "Llama 3.1 70B has 64 heads, which 3 tensor ranks cannot share evenly"),
        (
            "hgx-h200", "llama-3.1-70b", "tp16",
            "tp16 needs 16 packages in one scale-up domain; NVIDIA HGX H200 has 8",
        ),
        (
            "hgx-h200", "llama-3.1-70b", "tp1",
            "Llama 3.1 70B (bf16 weights, the cache of one request) does not fit tp1 on NVIDIA HGX H200: 17 GB are "
            "missing; tp2 would fit",
        ),
        (
            "hgx-h200", "deepseek-r1", "tp1 dp8 ep8 + tp4",
            "DeepSeek-R1 (fp8_block weights, the cache of one request) does not fit tp4 on NVIDIA HGX H200: 174 GB are "
            "missing, 43.4 GB on each of 4 packages; tp1 dp8 would fit",
        ),
        ("hgx-h200", "llama-3.1-70b", "tp1+tp2+tp4", "'tp1+tp2+tp4' names 3 layouts; write one, or two as 'decode + prefill'"),
        (
            "hgx-h200", "llama-3.1-70b", "tp8 ep8",
            "Llama 3.1 70B has no experts to share; attention ranks would be replicas of their own",
        ),
        ("hgx-h200", "llama-3.1-70b", "wide", "'wide' is no layout; write for example tp8, 'tp1 dp8 ep8' or 'tp4 pp2'"),
        ("cs-3", "llama-3.1-70b", "tp8", "Cerebras CS-3 keeps weights in SRAM, where 'tp8' is no layout; write '12 packages'"),
        (
            "cs-3", "llama-3.1-70b", "2 packages",
            "Llama 3.1 70B does not fit 2 packages of Cerebras CS-3: 62.7 GB are missing; 4 packages would fit",
        ),
    ],
)  # fmt: skip
def test_a_layout_that_does_not_work_says_why(system: str, model: str, layout: str, sentence: str) -> None:
    with pytest.raises(CatalogError) as caught:
        made(system, model, layout)
    assert str(caught.value) == sentence


def test_a_model_too_large_for_a_system_says_by_how_much() -> None:
    with pytest.raises(
        CatalogError, match=r"does not fit tp8 pp4 on NVIDIA HGX H100: 1\.6 TB are missing, .*fp8_block"
    ):
        made("hgx-h100", "frontier-large", precision="bf16")


def test_who_makes_a_table_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = made("hgx-h200", layout="tp8", maker="calibrated")
    assert asked.note == "the calibrated model is asked for" and asked.table.maker == "calibrated"
    monkeypatch.setattr(measured, "is_installed", lambda: False)
    auto = made("hgx-h200", layout="tp8")
    assert auto.note == INSTALL and auto.table.maker == "calibrated"
    with pytest.raises(CatalogError, match="measured kernels are not installed"):
        made("hgx-h200", layout="tp8", maker="measured")
    with pytest.raises(CatalogError, match="measured kernels hold no step that verifies drafted tokens"):
        made("hgx-h200", layout="tp8", maker="measured", options=SPECULATING)
    with pytest.raises(CatalogError, match="no kernels are measured on Cerebras CS-3; leave out --maker measured"):
        made("cs-3", maker="measured")
    assert made("mi300x", layout="tp8").note.startswith("no kernels are measured on AMD Instinct MI300X")


def test_kernels_serve_where_they_are_as_near_as_the_calibrated_model(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = Kernels(engine=Stub(), software="vllm 0.24.0", kv_bytes_per_token=40_960.0, kv_capacity_tokens=3e6)
    for where in (step, measured):
        monkeypatch.setattr(where, "choose_maker", lambda *_: Choice(maker="measured", reason="kernels"))
    monkeypatch.setattr(measured, "why_not", lambda *_: "")
    monkeypatch.setattr(measured, "compile_kernels", lambda *_: kernels)
    auto = made("hgx-h200", layout="tp8")
    assert auto.table.maker == "calibrated" and auto.note.endswith("and the calibrated model 1.0 %")
    behind = replace(PLAIN, inference=from_priors())  # states no error: kernels are nearer
    assert made("hgx-h200", layout="tp8", basis=behind).table.maker == "measured"
    forced = made("hgx-h200", layout="tp8", maker="measured")
    assert forced.table.maker == "measured" and forced.note == "kernels are measured"
    assert PLAIN.measured is not None
    c = PLAIN.measured.coefficients
    assert forced.table.decode(17, 1000) == pytest.approx(c["decode.vllm"].value * (8 + 17 + 1.7) * 1e-3)
    assert forced.table.prefill(700, 3000) == pytest.approx(c["prefill.vllm"].value * (6 + 70 + 0.3) * 1e-3)
    assert forced.table.decode(17, 1000, "high") > forced.table.decode(17, 1000)
    np.testing.assert_array_equal(forced.table.watts, auto.table.watts)


def test_the_shipped_correction_stays_behind_the_calibrated_model() -> None:
    shipped = basis_of(CATALOG)
    assert shipped.measured is not None
    for backend in BACKENDS:
        reason = why_not_ahead(shipped.measured, shipped.inference, backend)
        assert reason.startswith("on the rows of the fit with their setting left out, measured kernels are ")
    better = shipped.measured.model_copy(update={"residuals": {f"vllm: {ERROR}": 0.01}})
    assert why_not_ahead(better, shipped.inference, "vllm") == ""
    assert why_not_ahead(better, shipped.inference, "sglang").startswith("on the rows")


def test_an_incomplete_entry_gets_a_sentence() -> None:
    bare = CATALOG.system("hgx-h200").model_copy(update={"scale_up_packages": None, "it_power": None})
    sentence = "NVIDIA HGX H200 has no it_power and no scale_up_packages in the catalogue; add it to the entry"
    task = Task(model=CATALOG.model("llama-3.1-70b"), prompt=2000.0, output=500.0)
    assert candidates(bare, task, PLAIN).reason == sentence
    with pytest.raises(CatalogError, match=sentence):
        replica_of(bare, task.model, PLAIN, task=task)
    with pytest.raises(CatalogError, match=r"has no scale-up figures|has no it_power"):
        replica_of(bare, task.model, PLAIN, task=task, layout="tp8")
