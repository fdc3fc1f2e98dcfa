"""Laws that any simulation of serving obeys, on the slow twin: by random fleets, and by queues with a closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from gigawatt.serving.inputs import NEVER, Fleet, Pool, Rows, Setup, Traffic, rows_of, setup_of
from gigawatt.serving.policies import ABORTED, COMPLETED, GATED, LOST, OPEN
from gigawatt.serving.reference import simulate_reference
from gigawatt.serving.reference_state import Outcome
from tests.cases.fleets import cases
from tests.cases.tables import constant

MS = 1_000_000  # ns


@given(case=cases())
@settings(max_examples=100)
def test_every_row_ends_once_and_in_order(case: tuple[Setup, Rows]) -> None:
    """In = completed + aborted + gated + failed, and no event of a request precedes its cause."""
    setup, rows = case
    seen = simulate_reference(setup, rows)
    assert (seen.status != OPEN).all()
    assert (seen.sent_ns >= 0).all() and (seen.end_ns >= seen.sent_ns).all()
    done = seen.status == COMPLETED
    assert (seen.first_ns[done] > seen.sent_ns[done]).all()
    assert (seen.first_ns <= seen.end_ns).all() and (seen.admitted_ns <= seen.end_ns).all()
    assert (seen.admitted_ns[seen.first_ns >= 0] >= 0).all()
    assert (seen.replica[done | (seen.status == LOST) & (seen.replica >= 0)] >= 0).all()
    gated = seen.status == GATED
    assert (seen.replica[gated] == -1).all() and (seen.first_ns[gated] == -1).all()
    patience = setup.settings.patience[rows.stream]
    assert (patience[seen.status == ABORTED] < NEVER).all()
    assert (seen.end_ns[seen.status == ABORTED] >= (seen.sent_ns + patience)[seen.status == ABORTED]).all()
    if not setup.settings.concurrency:
        plain = rows.arrival < NEVER
        np.testing.assert_array_equal(seen.sent_ns[plain], rows.arrival[plain])


@given(case=cases())
@settings(max_examples=100)
def test_cache_is_never_above_capacity_and_one_step_at_a_time(case: tuple[Setup, Rows]) -> None:
    """Blocks held fit (known ones without reference too: an assertion in the twin); no replica is busy twice."""
    setup, rows = case
    seen = simulate_reference(setup, rows)
    capacity = setup.settings.blocks[setup.settings.pool_of]
    assert (seen.peak_blocks <= np.where(capacity > 0, capacity, np.iinfo(np.int64).max)).all()
    assert (seen.busy_fs <= (seen.end_ns.max() + 1) * MS).all()
    assert (seen.busy_fs >= seen.iterations * MS).all()  # a step takes a nanosecond at least: 10^6 fs


@given(case=cases())
@settings(max_examples=30)
def test_the_same_case_gives_the_same_numbers(case: tuple[Setup, Rows]) -> None:
    one, two = simulate_reference(*case), simulate_reference(*case)
    for name in Outcome.__slots__:
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def single_server(arrival: np.ndarray, step_s: float, **settings: int) -> Outcome:
    pool = Pool(**({"name": "one", "table": constant(step_s, step_s), "n_replicas": 1, "max_sequences": 1} | settings))
    n = len(arrival)
    return simulate_reference(
        setup_of(Fleet(pools=(pool,), traffic=(Traffic(name="all"),))),
        rows_of(arrival, np.ones(n, dtype=np.int64), np.ones(n, dtype=np.int64)),
    )


def poisson_ns(n: int, gap_ns: float, seed: int) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).exponential(gap_ns, n)).astype(np.int64)


@pytest.mark.parametrize("load", [0.3, 0.7])
def test_mean_wait_of_md1(load: float) -> None:
    """One sequence at a time, steps of 1 ms, Poisson arrivals: W = rho S / 2 (1 - rho).  Pollaczek-Khinchine.

    Waits of neighbours are correlated over some 1 / (1 - rho)^2 requests, here about 10; 20,000 requests are some
    2,000 independent ones with a standard deviation near the mean: 1 / sqrt(2000) = 2.2 %. Tolerance: 4 of them, 9 %.
    """
    seen = single_server(poisson_ns(20_000, MS / load, seed=11), 1e-3)
    wait_ns = np.mean(seen.admitted_ns - seen.sent_ns)
    assert wait_ns == pytest.approx(load * MS / (2.0 * (1.0 - load)), rel=0.09)


def test_single_server_follows_lindley() -> None:
    """Exactly, request by request: end_k = max(end_{k-1}, arrival_k) + S, as S is whole nanoseconds."""
    arrival = poisson_ns(3_000, 1.2 * MS, seed=3)
    end, last = [], 0
    for at in arrival.tolist():
        last = max(last, at) + MS
        end.append(last)
    np.testing.assert_array_equal(single_server(arrival, 1e-3).end_ns, end)


def test_work_is_conserved() -> None:
    """A replica is busy exactly while a request is there: the time of its steps is the union of [arrival, end]."""
    arrival = poisson_ns(3_000, 2.0 * MS, seed=5)
    rng = np.random.default_rng(5)
    pool = Pool(name="one", table=constant(1e-4, 1e-3), n_replicas=1, max_sequences=4, token_budget=64)
    rows = rows_of(arrival, rng.integers(1, 200, 3_000), rng.integers(1, 30, 3_000))
    seen = simulate_reference(setup_of(Fleet(pools=(pool,), traffic=(Traffic(name="all"),))), rows)
    present, until = 0, 0
    for start, end in sorted(zip(seen.sent_ns.tolist(), seen.end_ns.tolist(), strict=True)):
        present += max(end - max(start, until), 0)
        until = max(until, end)
    assert seen.busy_fs[0] == present * MS


def test_little_in_an_open_queue() -> None:
    """L = lambda W, with L looked at from outside: requests present at 20,000 times drawn evenly.

    Within one run both sides are the same integral; what is left is the noise of the looks, which are independent:
    requests present deviate by 1.3 means or so, 1.3 / sqrt(20000) = 0.9 %. Tolerance: 4 of them, 4 %.
    """
    seen = single_server(poisson_ns(10_000, MS / 0.7, seed=7), 1e-3)
    span = seen.end_ns.max() - seen.sent_ns.min()
    looks = np.random.default_rng(8).uniform(seen.sent_ns.min(), seen.end_ns.max(), 20_000)
    present = np.searchsorted(np.sort(seen.sent_ns), looks) - np.searchsorted(np.sort(seen.end_ns), looks)
    rate, stay_ns = len(seen.end_ns) / span, np.mean(seen.end_ns - seen.sent_ns)
    assert present.mean() == pytest.approx(rate * stay_ns, rel=0.04)


def test_little_in_a_closed_loop() -> None:
    """C = X R: with 7 requests in flight throughout, throughput times mean response is 7.

    Only the drain of the last 7 of 3,000 has fewer in flight: at most 7 / 3000 of the time, 0.3 %.
    """
    rng = np.random.default_rng(13)
    n = 3_000
    rows = rows_of(np.zeros(n), rng.integers(1, 99, n), rng.integers(1, 20, n))
    for handling_s, crowding_s in ((0.0, 0.0), (5e-3, 1e-3)):  # what users wait besides is part of the loop
        pool = Pool(
            name="one", table=constant(1e-3, 2e-3), n_replicas=2, max_sequences=3, token_budget=64,
            crowding_s=crowding_s,
        )  # fmt: skip
        setup = setup_of(Fleet(pools=(pool,), traffic=(Traffic(name="all", latency_s=(handling_s,)),)), concurrency=7)
        seen = simulate_reference(setup, rows)
        answered = seen.end_ns + seen.latency_ns
        assert n / answered.max() * np.mean(answered - seen.sent_ns) == pytest.approx(7.0, rel=0.003)
