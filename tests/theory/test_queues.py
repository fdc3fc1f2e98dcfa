"""The kernel against queues whose answer is known."""

from __future__ import annotations

from math import factorial

import numpy as np
import pytest

from gigawatt.serving.inputs import Fleet, Pool, Traffic, rows_of, setup_of
from gigawatt.serving.simulate import simulate_rows
from tests.cases.tables import constant

STEP_S = 1e-3


def waits_s(servers: int, load: float, n: int) -> np.ndarray:
    """Waits [s] at a replica with places for ``servers`` requests.

    Steps take 1 ms whatever runs, answers are geometric of mean 1,000 tokens: service is exponential of mean 1 s but
    for a grain of 1 ms.
    """
    rng = np.random.default_rng(7)
    pool = Pool(name="queue", table=constant(STEP_S, 1e-9), n_replicas=1, max_sequences=servers)
    arrival = np.cumsum(rng.exponential(1.0 / (load * servers), n))
    outputs = rng.geometric(1e-3, n)
    seen = simulate_rows(
        setup_of(Fleet(pools=(pool,), traffic=(Traffic(name="all"),))),
        rows_of((arrival * 1e9).astype(np.int64), np.ones(n, dtype=np.int64), outputs),
    )
    return np.asarray((seen.admitted_ns - seen.sent_ns) / 1e9)


def erlang_c(servers: int, load: float) -> float:
    """Probability that a request waits in M/M/c."""
    a = servers * load
    last = a**servers / factorial(servers) / (1.0 - load)
    return last / (sum(a**k / factorial(k) for k in range(servers)) + last)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (4, 0.7), (16, 0.85)])
def test_waits_are_those_of_erlang(servers: int, load: float) -> None:
    # W = C(c, a) / (c mu - lambda). 200,000 requests: the mean of correlated waits is within some 5 % (seed fixed)
    waits = waits_s(servers, load, 200_000)
    expected = erlang_c(servers, load) / (servers * (1.0 - load))
    assert waits.mean() == pytest.approx(expected, rel=0.08)
    # an arrival within a step waits up to its end without having been in a queue
    assert (waits > 2 * STEP_S).mean() == pytest.approx(erlang_c(servers, load), rel=0.05)
