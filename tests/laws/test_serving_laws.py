"""Laws of replays: Little, times within the run, whole prompts, no idle prefill replicas, power that follows load."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from gigawatt.catalog.load import load_catalog
from gigawatt.core.errors import CatalogError, TraceError
from gigawatt.demand.requests import Requests, requests_of
from gigawatt.perf.effort import Done
from gigawatt.perf.energy import idle_watts
from gigawatt.perf.inference import Speculation
from gigawatt.perf.replica import replica_of
from gigawatt.perf.task import Task, basis_of
from gigawatt.serving.metrics import Line
from gigawatt.study.cluster import Cluster
from gigawatt.study.replay import How, Replayed, replay

CATALOG = load_catalog()
BASIS = basis_of(CATALOG)
ONE = Cluster(system="h200", model="llama-70b", layout="tp8", maker="calibrated")


def ran(requests: Requests, cluster: Cluster = ONE, **more: Any) -> Replayed:
    return replay(requests, cluster, catalog=CATALOG, how=How(**more))


def alike(n: int, inputs: int, outputs: int, gap_s: float = 0.0) -> Requests:
    return requests_of(np.arange(n) * gap_s, inputs, outputs)


# --- Little


@pytest.mark.parametrize("layout", ["tp8", "tp4 + tp8"])
@pytest.mark.parametrize("concurrency", [1, 4, 16])
def test_little_in_a_closed_loop(concurrency: int, layout: str) -> None:
    # tokens/s = c x tokens of an answer / mean time of a request; times stand in buckets of 0.4 %
    told = ran(alike(200, 1000, 100), replace(ONE, layout=layout), concurrency=concurrency).to_dict()
    assert told["tokens_per_s"] == pytest.approx(concurrency * 100 / told["e2e_mean_s"], rel=0.01)
    # over the whole run in_flight_mean has the drain of the last ones too: c at most, and all but c of 200 of the time
    assert concurrency * (1.0 - concurrency / 200) < told["in_flight_mean"] < concurrency * 1.004


def test_what_a_loop_makes_while_it_is_full() -> None:
    # one at a time, 3 requests of 10 tokens: full until the third is sent, when two have their 20 tokens
    told = ran(alike(3, 100, 10), concurrency=1).to_dict()
    assert told["tokens_per_s"] == pytest.approx(10 / told["e2e_mean_s"], rel=0.004)
    assert told["duration_s"] == pytest.approx(3 * told["e2e_mean_s"], rel=0.004)
    # no more requests than places: it is never refilled, and the run is all there is
    few = ran(alike(3, 100, 10), concurrency=4).to_dict()
    assert few["tokens_per_s"] == pytest.approx(30 / few["duration_s"])


# --- times to first token


@pytest.mark.parametrize("gap_s", [0.0, 1e-6, 1e-3, 1e-2, 0.1, 10.0])
@pytest.mark.parametrize(("n", "inputs", "outputs"), [(1, 100, 1), (2, 100, 10), (5, 4000, 1), (40, 500, 3)])
def test_nothing_lasts_longer_than_the_run(n: int, inputs: int, outputs: int, gap_s: float) -> None:
    for layout in ("tp8", "tp8 + tp8"):
        done = ran(alike(n, inputs, outputs, gap_s), replace(ONE, layout=layout))
        told = done.to_dict()
        for metric in ("ttft", "e2e"):
            assert done.metrics.total.percentile_s(metric, 1.0) <= done.metrics.end_s * 1.002  # half a bucket
            assert told[f"{metric}_s"]["p50"] <= told[f"{metric}_s"]["p99"] <= told["duration_s"]
        assert told["ttft_s"]["p99"] <= told["e2e_s"]["p99"]


def test_times_to_first_token_do_not_jump_with_the_gap() -> None:
    # two prompts of 100 tokens: together 54 ms; apart the second waits for the first's pass at most, 9 ms
    means = [ran(alike(2, 100, 10, gap_s)).metrics.total.mean_s("ttft") for gap_s in np.arange(0.0, 21e-3, 1e-3)]
    assert max(means) < 0.06 and min(means) > 0.05
    assert all(abs(b - a) < 4e-3 for a, b in pairwise(means))
    assert ran(alike(2, 100, 10, 1e-9)).metrics.total.mean_s("ttft") == pytest.approx(means[0], rel=0.1)


# --- admission


def test_long_prompts_do_not_evict_each_other() -> None:
    # 336,000 tokens of cache hold one prompt of 200,000 and not two: 40 take 40 times one, without its handling
    pair = replace(ONE, layout="tp2")
    told = ran(alike(40, 200_000, 2_000, 1e-3), pair).to_dict()
    alone = ran(alike(1, 200_000, 2_000), pair)
    handling = alone.fleet.traffic[0].latency_s[0]
    assert told["preemptions"] == 0
    assert told["duration_s"] == pytest.approx(40 * (alone.metrics.end_s - handling) + handling, rel=0.01)
    with pytest.raises(TraceError, match="row 1: 400,000 input and 10 output tokens are more than the"):
        ran(alike(1, 400_000, 10), pair)


# --- prefill replicas


def test_no_more_prefill_replicas_than_prompts_at_once() -> None:
    apart = replace(ONE, layout="tp8 + tp8")
    one = ran(alike(1, 4000, 1), apart).to_dict()
    assert one["n_packages"] == 16 and one["n_prefill_replicas"] == 1 and one["energy_j"] < 16 * 1000 * 0.27
    # prompts of 0.2 s: ten at once have ten; ten half a second apart find one free
    assert ran(alike(10, 4000, 1), apart).to_dict()["n_prefill_replicas"] == 10
    assert ran(alike(10, 4000, 1, 0.5), apart).to_dict()["n_prefill_replicas"] == 1
    assert ran(alike(50, 4000, 1), apart, concurrency=3).to_dict()["n_prefill_replicas"] == 3
    # 16 in a loop whose prompts take a sixteenth of their time or so: two are enough, and keep nearly all of its rate
    rng = np.random.default_rng(2)
    loop = requests_of(np.zeros(300), rng.integers(500, 1500, 300), rng.integers(75, 225, 300))
    few = ran(loop, replace(apart, n_replicas=2), concurrency=16).to_dict()
    many = ran(loop, replace(apart, n_replicas=2, n_prefill=8), concurrency=16).to_dict()
    assert few["n_prefill_replicas"] <= 2 and few["tokens_per_s"] > 0.97 * many["tokens_per_s"]
    asked = ran(alike(1, 4000, 1), replace(apart, n_prefill=2))
    assert asked.to_dict()["n_packages"] == 24 and "2 prefill replicas of tp8 take the prompts of 1" in asked.notes[-1]
    with pytest.raises(CatalogError, match="2 prefill replicas are asked for, but tp8 takes its prompts itself"):
        ran(alike(1, 4000, 1), replace(ONE, n_prefill=2))
    with pytest.raises(CatalogError, match="n_prefill is 0; give 1 or more"):
        replace(apart, n_prefill=0)


def test_balance_bounds_prefill_replicas_from_above() -> None:
    # long answers need few prompts a second: however many come at once, as many as the task balances
    told = ran(alike(300, 500, 500), replace(ONE, layout="tp8 + tp8")).to_dict()
    assert told["n_prefill_replicas"] == 1


# --- power


def loaded(per_s: float, **change: Any) -> Replayed:
    rng = np.random.default_rng(1)
    n = 400
    return ran(requests_of(np.cumsum(rng.exponential(1.0 / per_s, n)), 1000, 200), replace(ONE, **change))


def test_power_rises_with_load_between_idle_and_rated() -> None:
    system = CATALOG.system("hgx-h200")
    assert system.it_power and system.n_packages
    idle, rated = idle_watts(system, BASIS.power), system.it_power.value  # of 8 packages, one replica of tp8
    watts, shares = [], []
    for per_s in (0.02, 0.1, 0.5, 2.0, 8.0):
        done = loaded(per_s)
        line = done.metrics.lines[0]
        watts.append(done.metrics.energy_j / done.metrics.end_s)
        shares.append(line.utilisation_frac)
        assert idle * (1 - 1e-9) <= line.values["power_w"].min() and line.values["power_w"].max() <= rated
        assert line.energy_j == pytest.approx(float((line.values["power_w"] * line.width_s).sum()))  # the integral
        assert line.utilisation_frac <= line.busy_frac <= 1.0 + 1e-9
    assert watts == sorted(watts) and shares == sorted(shares)
    assert watts[0] < 1.2 * idle and watts[-1] > 2.5 * idle


def test_more_replicas_for_the_same_work_draw_less_each() -> None:
    told = [loaded(4.0, n_replicas=n).to_dict() for n in (1, 4, 16)]
    each = [one["power_w"] / one["n_packages"] for one in told]
    assert each[0] > each[1] > each[2] and each[2] < 0.7 * each[0]
    used = [one["pools"][0]["utilisation_frac"] for one in told]
    assert used[2] == pytest.approx(used[0] / 16, rel=0.05)  # the same work over 16 times the time
    for one in told:
        assert one["joules_per_token"] * one["output_tokens"] == pytest.approx(one["energy_j"])


def test_weights_in_sram_draw_by_how_full_the_pipeline_is() -> None:
    rng, drawn = np.random.default_rng(2), []
    for per_s in (0.2, 5.0, 50.0):
        some = requests_of(np.cumsum(rng.exponential(1.0 / per_s, 100)), 1000, 200)
        done = ran(some, Cluster(system="cs-3", model="llama-70b"))
        table = done.replica.table
        drawn.append((done.metrics.energy_j / done.metrics.end_s - table.watts_at(0.0)) / np.ptp(table.watts[1]))
        assert drawn[-1] < done.metrics.lines[0].busy_frac
    assert 0.0 < drawn[0] < 0.01 < drawn[1] < drawn[2] < 1.0  # one request at a time leaves 79 of 80 stages idle


@pytest.mark.parametrize(
    ("system", "model", "layout"),
    [("hgx-h200", "llama-70b", "tp8"), ("hgx-h200", "gpt-oss-120b", "tp1"), ("hgx-b200", "deepseek-r1", "tp8")],
)
def test_a_full_replica_draws_what_the_search_charges(system: str, model: str, layout: str) -> None:
    # the same steady batch, lengths drawn around the same means so that requests do not march in step
    task = Task(model=CATALOG.model(model), prompt=1000, output=1000, tokens_per_s_user=25.0)
    one = replica_of(CATALOG.system(system), task.model, BASIS, task=task, layout=layout)
    batch = round(one.operating.batch)
    rng = np.random.default_rng(0)
    inputs, outputs = rng.integers(500, 1501, 6 * batch), rng.integers(500, 1501, 6 * batch)
    cluster = Cluster(system=system, model=model, layout=layout, maker="calibrated")
    done = ran(requests_of(np.zeros(6 * batch), inputs, outputs), cluster, concurrency=batch)
    line = done.metrics.lines[0]
    middle = slice(len(line.width_s) // 4, len(line.width_s) // 2)
    units = CATALOG.system(system).n_packages
    assert units
    charged = one.operating.it_power_unit_w / units.value * one.n_packages
    assert float(np.average(line.values["power_w"][middle])) == pytest.approx(charged, rel=0.05)


def test_effort_by_hand() -> None:
    # 70.6 B parameters in 16 bits on 8 packages of 4.8 TB/s and 989 TFLOP/s: one token behind 1,000 others reads
    # 141 GB / 8 a package in 3.63 ms at peak (the table for tokens is not read), and counts 2 x 69.5 G + attention
    # 4 x 80 x 64 x 128 x 1,000 = 2.6 G FLOP: 0.018 ms of the 8 packages
    one = replica_of(
        CATALOG.system("hgx-h200"), CATALOG.model("llama-70b"), BASIS, layout="tp8",
        task=Task(model=CATALOG.model("llama-70b"), prompt=1000, output=1000),
    )  # fmt: skip
    effort = one.table.effort
    assert effort is not None
    step = Done(*np.array([1.0, 1.0, 1000.0, 0.0, 0.0, 0.0, 0.0]))
    at = effort.context.tolist().index(1024.0)
    assert float(effort.decode_s[1, 0, at]) == pytest.approx(139e9 / 8 / 4.8e12, rel=0.02)
    assert float(effort.decode_s[0, 0, at]) == pytest.approx((2 * 69.5e9 + 2.7e9) / 8 / 989e12, rel=0.02)
    power = BASIS.power
    for spent_s in (5e-3, 10e-3, 1.0):
        compute, memory = 0.0179e-3 / spent_s, 3.63e-3 / spent_s
        above = power.compute_weight * compute**power.compute_exponent + power.memory_weight * memory
        assert float(effort.load(step, spent_s)) == pytest.approx(above / (1 - power.idle_fraction), rel=0.01)


def test_drafts_work_for_tokens_that_are_not_kept() -> None:
    # a step that verifies 3 drafts of each of 8 sequences does four times the arithmetic and reads the same weights
    guesses = Speculation(), Speculation(tokens=3, accepted=0.7)
    plain, drafting = (
        ran(alike(8, 1000, 200), replace(ONE, speculation=one)).replica.table.effort for one in guesses
    )  # fmt: skip
    assert plain and drafting
    np.testing.assert_allclose(drafting.decode_s[0], 4 * plain.decode_s[0])
    assert (drafting.decode_s[1] < 1.2 * plain.decode_s[1])[:3].all()


def test_a_line_says_nothing_of_a_pool_that_was_never_on() -> None:
    empty = {key: np.zeros(1) for key in ("busy_frac", "utilisation_frac", "replicas_on", "kv_held_frac", "energy_j")}
    line = Line(name="off", start_s=np.zeros(1), width_s=np.ones(1), values=empty)
    assert line.utilisation_frac == line.busy_frac == line.energy_j == 0.0
