"""Small fleets and requests for comparing kernel and twin: every policy, with times that tie and times that do not."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from gigawatt.perf.table import StepTable
from gigawatt.serving.inputs import NEVER, Fleet, Outage, Pool, Rows, Scaling, Setup, Traffic, rows_of, setup_of
from gigawatt.serving.policies import CACHES, ORDERS, ROUTERS
from tests.cases.tables import constant, linear, table

MS = 1_000_000  # ns
MOST_INPUTS, MOST_OUTPUTS = 40, 24


def awkward_seconds(least: float, most: float) -> st.SearchStrategy[float]:
    return st.floats(least, most, allow_nan=False, allow_infinity=False)


@st.composite
def tables(draw: st.DrawFn) -> StepTable:
    """Constant or linear in whole milliseconds (events tie), or with numbers of no pattern and several cells."""
    kind = draw(st.sampled_from(["constant", "linear", "awkward", "tiny"]))
    if kind == "constant":
        return constant(1e-3, draw(st.sampled_from([1e-3, 3e-3])), draw(st.sampled_from([0.0, 1e-3])))
    if kind == "linear":
        return linear(1e-3, 1e-3, draw(st.sampled_from([0.0, 1e-3])), draw(st.sampled_from([0.0, 5e-4])))
    if kind == "tiny":  # near the least step; the rest of a nanosecond matters
        return constant(draw(awkward_seconds(1e-9, 9e-9)), draw(awkward_seconds(1e-9, 9e-9)))
    context = sorted(draw(st.sets(st.integers(0, 60), min_size=2, max_size=4)))
    rise = [draw(awkward_seconds(1e-5, 1e-3)) for _ in range(2 + len(context))]
    decode = np.add.outer(np.cumsum(rise[:2]), np.cumsum(rise[2:]))
    prefill = np.cumsum([draw(awkward_seconds(1e-5, 1e-3)) for _ in range(3)])
    behind = 1.0 + draw(st.floats(0.0, 3.0)) * np.arange(2)
    return table(
        decode,
        np.multiply.outer(prefill, behind),
        sequences=[1.0, 3.0],
        context=[float(at) for at in context],
        new_tokens=[1.0, 7.0, 40.0],
        cached=[0.0, 30.0],
        shared_s=draw(awkward_seconds(0.0, 1e-4)),
    )


def scalings(n_replicas: int) -> st.SearchStrategy[Scaling | None]:
    made = st.builds(
        Scaling,
        interval_s=st.sampled_from([3e-3, 5e-3, 17.3e-3]),
        target=st.sampled_from([1.0, 1.5, 4.0]),
        least=st.just(1),
        most=st.integers(1, n_replicas),
        start_s=st.sampled_from([0.0, 2e-3, 11.7e-3]),
    )
    return st.none() | made


@st.composite
def pools(draw: st.DrawFn, name: str, hands_to: int) -> Pool:
    """One pool; every request of ``requests`` fits, preempted or not."""
    n_replicas = draw(st.sampled_from([1, 1, 2, 3, 4]))
    cache = draw(st.sampled_from(CACHES))
    block = draw(st.sampled_from([1, 2, 4, 5]))
    least = -(-(MOST_INPUTS + MOST_OUTPUTS + 1) // block)
    blocks = draw(st.integers(least, 2 * least))
    most = draw(st.sampled_from([1, 2, 4, 8, 12]))
    scaling = draw(scalings(n_replicas))
    return Pool(
        name=name,
        table=draw(tables()),
        n_replicas=n_replicas,
        n_start=draw(st.none() | st.integers(1, n_replicas)) if scaling else None,
        max_sequences=most,
        token_budget=most + draw(st.sampled_from([0, 3, 20, 8192])),
        block_tokens=block,
        kv_blocks=blocks if cache == "own" or draw(st.integers(0, 3)) else 0,
        order=draw(st.sampled_from(ORDERS)),
        router=draw(st.sampled_from(ROUTERS)),
        affinity_bound=draw(st.sampled_from([0.0, 1.0, 1.5])),
        cache=cache,
        hash_tokens=block * draw(st.integers(1, 3)),
        load_s_per_token=draw(st.sampled_from([0.0, 1e-3, 1.23456e-5])) if cache == "given" else 0.0,
        hands_to=hands_to,
        transfer_s=draw(st.sampled_from([0.0, 2e-3, 1.7e-3])),
        transfer_s_per_token=draw(st.sampled_from([0.0, 1e-3, 3.3e-7])),
        scaling=scaling,
        retries=draw(st.integers(0, 2)),
        spill_fill=draw(st.sampled_from([np.inf, 0.5, 1.0])),
        crowding_s=draw(st.sampled_from([0.0, 1e-3, 1.7e-4])),
        ranks=draw(st.sampled_from([1, 1, 2])),
    )


def optional_s(*values: float) -> st.SearchStrategy[float]:
    return st.sampled_from((np.inf,) * 2 * len(values) + values)


def shares(n: int) -> st.SearchStrategy[tuple[float, ...]]:
    return st.tuples(*[st.sampled_from([0.0, 0.5, 1.0, 2.7])] * n).filter(any)


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    """One to three pools; the last may decode for the one or two before it and then has no door of its own."""
    n_pools = draw(st.integers(1, 3))
    hands = n_pools > 1 and draw(st.booleans())
    from_pool = draw(st.integers(0, n_pools - 2)) if hands else n_pools
    made = tuple(draw(pools(str(k), n_pools - 1 if from_pool <= k < n_pools - 1 else -1)) for k in range(n_pools))
    doors = range(n_pools - 1 if hands else n_pools)
    lanes = [tuple(draw(st.permutations(doors)))[: draw(st.integers(1, len(doors)))] for _ in range(3)]
    traffic = tuple(
        Traffic(
            name=str(k),
            pools=lanes[k],
            share=draw(st.just(()) | shares(len(lanes[k]))),
            latency_s=draw(st.just(()) | st.tuples(*[st.sampled_from([0.0, 1e-3, 7.5e-4])] * len(lanes[k]))),
            priority=draw(st.integers(0, 2)),
            spill_s=draw(optional_s(0.0, 5e-3)),
            gate=draw(optional_s(0.5, 1.0, 2.0)),
            patience_s=draw(optional_s(0.0, 5e-3, 20e-3, 31.4159e-3)),
        )
        for k in range(draw(st.integers(1, 3)))
    )
    n_replicas = sum(pool.n_replicas for pool in made)
    outages = []
    for _ in range(draw(st.sampled_from([0, 0, 1, 3]))):
        start = draw(st.sampled_from([0.0, 2e-3, 5e-3, 10e-3]) | awkward_seconds(0.0, 40e-3))
        end = start + draw(st.sampled_from([1e-3, 5e-3, 50e-3]))
        outages.append(Outage(replica=draw(st.integers(0, n_replicas - 1)), start_s=start, end_s=end))
    return Fleet(pools=made, traffic=traffic, outages=tuple(outages), seed=draw(st.integers(0, 2**31 - 1)))


@st.composite
def requests(draw: st.DrawFn, n_streams: int, with_sessions: bool) -> Rows:
    """5 to 60 requests in order of arrival; optional columns are there or not."""
    n = draw(st.integers(5, 60))

    def each(values: st.SearchStrategy[int]) -> np.ndarray:
        return np.array(draw(st.lists(values, min_size=n, max_size=n)), dtype=np.int64)

    gap = st.sampled_from([0, 0, 0, MS, 2 * MS]) if draw(st.booleans()) else st.integers(0, 2 * MS)
    arrival = np.cumsum(each(gap))
    inputs, outputs = each(st.integers(1, MOST_INPUTS)), each(st.integers(1, MOST_OUTPUTS) | st.just(MOST_OUTPUTS))
    columns: dict[str, Any] = {"stream": each(st.integers(0, n_streams - 1))}
    if draw(st.booleans()):  # drafts: fewer iterations, at least one where there is more than one token
        cut = each(st.integers(0, MOST_OUTPUTS))
        columns["iterations"] = np.where(outputs > 1, np.maximum(outputs - 1 - cut, 1), 0)
    if draw(st.booleans()):
        columns["cached"] = each(st.integers(0, MOST_INPUTS))
    if draw(st.booleans()):
        columns["key"] = each(st.integers(0, 5))
    if draw(st.booleans()):  # a trunk of common blocks per family, then the request's own
        family, depth, own = each(st.integers(0, 2)), each(st.integers(0, 12)), each(st.integers(0, 12))
        ids = [
            [1000 * family[k] + j for j in range(depth[k])] + [10**6 + 1000 * k + j for j in range(own[k])]
            for k in range(n)
        ]
        columns["block_start"] = np.cumsum([0, *(len(one) for one in ids)])
        columns["block_ids"] = np.array([name for one in ids for name in one], dtype=np.int64)
    if with_sessions and draw(st.booleans()):
        follow = np.full(n, -1, dtype=np.int64)
        is_follower = each(st.integers(0, 2)) == 0
        is_follower[0] = False
        last = [0]  # ends of sessions so far
        for row in range(1, n):
            if is_follower[row]:
                k = draw(st.integers(0, len(last) - 1))
                follow[last[k]] = row
                last[k] = row
            else:
                last.append(row)
        columns["next"] = follow
        columns["think"] = each(st.sampled_from([0, 0, MS, 5 * MS]) | st.integers(0, 9 * MS))
        arrival = np.where(is_follower, NEVER, arrival)
    return rows_of(arrival, inputs, outputs, **columns)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Setup, Rows]:
    """A fleet as numbers and what is sent to it."""
    fleet = draw(fleets())
    concurrency = draw(st.sampled_from([0, 0, 0, 1, 4, 20]))
    return setup_of(fleet, concurrency), draw(requests(len(fleet.traffic), concurrency == 0))
