"""Percentiles against numpy, time lines and energy against cases on paper, and runs that add up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigawatt.serving import memory as c
from gigawatt.serving.books import bucket_of
from gigawatt.serving.inputs import Fleet, Pool, Rows, Traffic, rows_of, setup_of
from gigawatt.serving.kernels import settle
from gigawatt.serving.memory import Memory, new_memory, packed
from gigawatt.serving.metrics import RELATIVE_ERROR, Counts, bucket_ns, measure, merge, write_requests
from gigawatt.serving.simulate import run_kernel
from tests.cases.tables import constant

MS = 1_000_000
TEN_ONE = replace(constant(decode_s=1e-3, prefill_s=10e-3), watts=np.array([[100.0, 300.0]] * 3))


def sketched(values_ns: list[int]) -> Counts:
    sketches = np.zeros((len(c.METRICS), c.BUCKETS), dtype=np.int64)
    for value in values_ns:
        sketches[c.M_TTFT, bucket_of(value)] += 1
    return Counts(name="one", n=dict.fromkeys(c.COUNTS, 0), sketches=sketches)


@given(value=st.integers(0, 2**51))
def test_a_bucket_answers_within_the_stated_error(value: int) -> None:
    assert float(bucket_ns(bucket_of(value))) == pytest.approx(value, rel=RELATIVE_ERROR, abs=1.0)


@given(
    values=st.lists(st.integers(1, 10**13), min_size=1, max_size=300),
    q=st.sampled_from([0.0, 0.1, 0.5, 0.9, 0.99, 1.0]),
)
def test_percentiles_are_those_of_numpy_within_the_stated_error(values: list[int], q: float) -> None:
    exact = float(np.percentile(values, 100.0 * q, method="inverted_cdf")) / 1e9
    assert sketched(values).percentile_s("ttft", q) == pytest.approx(exact, rel=RELATIVE_ERROR, abs=1e-9)


def test_nothing_has_no_percentile() -> None:
    nothing = sketched([])
    assert np.isnan(nothing.percentile_s("ttft", 0.5)) and np.isnan(nothing.attained_frac)
    assert nothing.to_dict()["ttft_s"]["p50"] is None
    with pytest.raises(ValueError, match="between 0 and 1"):
        nothing.percentile_s("ttft", 50.0)


def fleet_of(n: int = 1, **traffic: float) -> Fleet:
    pool = Pool(name="paper", table=TEN_ONE, n_replicas=n, block_tokens=4, kv_blocks=10)
    return Fleet(pools=(pool,), traffic=(Traffic(name="all", **traffic),))


def ran(fleet: Fleet, rows: Rows, **more: int) -> Memory:
    memory = run_kernel(new_memory(setup_of(fleet), **more), *packed(rows))
    settle(memory.m, int(memory.m[c.G_NOW]))
    return memory


def two(arrival_ms: list[int]) -> Rows:
    return rows_of(np.array(arrival_ms) * MS, np.array([7, 7]), np.array([4, 4]))


def test_counts_times_and_goodput_of_two_requests() -> None:
    # 5 -> 15 prefill, 3 steps -> 18. The second comes at 100: 110, 113
    fleet = fleet_of(ttft_s=11e-3, tpot_s=1e-3)
    found = measure(ran(fleet, two([5, 100])), fleet)
    all_ = found.total
    assert (all_.n["sent"], all_.n["completed"], all_.n["input_tokens"], all_.n["output_tokens"]) == (2, 2, 14, 8)
    assert all_.percentile_s("ttft", 0.5) == pytest.approx(10e-3, rel=RELATIVE_ERROR)
    assert all_.percentile_s("tpot", 0.5) == pytest.approx(1e-3, rel=RELATIVE_ERROR)
    assert all_.percentile_s("e2e", 0.99) == pytest.approx(13e-3, rel=RELATIVE_ERROR)
    assert all_.percentile_s("queue", 1.0) == 0.0 and all_.attained_frac == 1.0 and found.end_s == 0.113
    strict = fleet_of(ttft_s=9e-3)
    assert measure(ran(strict, two([5, 100])), strict).total.attained_frac == 0.0


def test_time_line_and_energy_on_paper() -> None:
    # two replicas on for 113 ms: busy 13 ms twice. 100 W idle and 200 W more when busy:
    # 2 x 0.113 s x 100 W + 0.026 s x 200 W = 27.8 J
    fleet = fleet_of(2)
    found = measure(ran(fleet, two([5, 100]), bins=20, bin_ns=10 * MS), fleet)
    line = found.lines[0]
    assert found.energy_j == pytest.approx(2 * 0.113 * 100.0 + 0.026 * 200.0)
    assert line.busy_frac == pytest.approx(0.026 / 0.226)
    # in full batches: 10 blocks of 4 tokens hold 5 sequences of 8 tokens (7, 8 and 9 before the three steps), so that 3
    # steps of one are 3 / 5 of a step of 5: 10 + 0.6 ms of 113, of both
    assert line.utilisation_frac == pytest.approx(0.0106 / 0.113)
    assert len(line.start_s) == 12 and line.width_s.sum() == pytest.approx(0.113)
    assert line.width_s[-1] == pytest.approx(3e-3)
    # the first run of iterations ends at 18 ms: 8 ms of its prefill fit into its bin, 5 ms lie before
    assert line.values["busy_frac"][:3] * 20.0 == pytest.approx([0.0, 13.0, 0.0])
    assert line.values["sent"].sum() == 2 and line.values["output_tokens"].sum() == 8
    assert line.values["power_w"].max() <= 600.0 and line.values["replicas_on"] == pytest.approx(2.0)
    data = found.dataset()
    assert data["power_w"].attrs["units"] == "W" and data.sizes == {"pool": 1, "bin": 12}
    assert float((data["power_w"] * data["width_s"]).sum()) == pytest.approx(found.energy_j)


def test_what_does_not_fit_into_its_bin_is_counted_before() -> None:
    # one replica, bins of 10 ms, prefill ends at 15 and the run at 18: 13 ms busy, of which 8 in the second bin at most
    fleet = fleet_of()
    line = measure(ran(fleet, two([5, 100]), bins=20, bin_ns=10 * MS), fleet).lines[0]
    assert line.values["busy_frac"].max() <= 1.0 + 1e-9
    assert line.values["busy_frac"][:3] * 10.0 == pytest.approx([3.0, 10.0, 0.0])


def test_energy_does_not_depend_on_bins() -> None:
    fleet = fleet_of(2)
    energies = [
        measure(ran(fleet, two([5, 6]), bins=bins, bin_ns=width * MS), fleet).energy_j
        for bins, width in ((1, 1), (3, 5), (100, 1))
    ]
    assert energies == pytest.approx([energies[0]] * 3)


def test_two_runs_add_up() -> None:
    fleet = fleet_of()
    one, other = (measure(ran(fleet, two(times)), fleet) for times in ([5, 100], [0, 1]))
    both = merge([one, other])
    assert both.total.n["completed"] == 4 and len(both.lines) == 2 and len(both.streams) == 1
    assert both.energy_j == pytest.approx(one.energy_j + other.energy_j)
    times = [one.total.percentile_s("e2e", 1.0), other.total.percentile_s("e2e", 1.0)]
    assert both.total.percentile_s("e2e", 1.0) == max(times)
    assert both.by(["class"])[0].n == both.total.n


def test_a_row_a_request(tmp_path: Path) -> None:
    fleet, rows = fleet_of(), two([5, 100])
    path = tmp_path / "r.parquet"
    assert write_requests(path, ran(fleet, rows, records=2), rows, {"line": np.array([7, 8])}) == 2
    held = pq.read_table(path).to_pydict()
    assert held["status"] == ["completed"] * 2 and held["line"] == [7, 8]
    assert held["ttft_s"] == pytest.approx([0.01, 0.01]) and held["e2e_s"] == pytest.approx([0.013, 0.013])
    assert held["tpot_s"] == pytest.approx([0.001, 0.001]) and held["sent_s"] == pytest.approx([0.005, 0.1])
