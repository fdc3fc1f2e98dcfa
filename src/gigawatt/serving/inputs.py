"""What a simulation is told: pools, streams, requests, control; numbers and arrays only, valid by construction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gigawatt.perf.table import Band, StepTable
from gigawatt.serving.policies import CACHES, DRAWS, ORDERS, ROUTERS
from gigawatt.serving.steps import Steps, steps_of

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

NEVER = np.iinfo(np.int64).max // 4  # ns; no such time
NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """Autoscaling of a pool: how many outstanding requests a replica should have, and between which bounds."""

    interval_s: float
    target: float
    least: int
    most: int
    start_s: float

    def __post_init__(self) -> None:
        if self.interval_s <= 0.0 or self.target <= 0.0 or self.start_s < 0.0:
            raise ValueError("autoscaling needs an interval and a target above 0 and a start-up of 0 s or more")
        if not 1 <= self.least <= self.most:
            raise ValueError(f"autoscaling keeps between {self.least} and {self.most} replicas; 1 <= least <= most")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """Replicas that are alike: a step table, memory and how they batch.

    Args:
        name: of the pool, in results.
        table: step times of one replica.
        n_replicas: replicas that exist; with ``scaling`` some are off at first.
        n_start: active at the start; all of them if None.
        max_sequences: running requests of a replica.
        token_budget: tokens of one iteration, decoding and chunks together; at least ``max_sequences``.
        block_tokens: B, tokens of a block of cache.
        kv_blocks: blocks of cache of a replica; 0 = without limit.
        order: ``fcfs`` or ``priority``, of queue and victims.
        router: how the pool's replicas share its requests.
        affinity_bound: how far above the mean a preferred replica may be filled.
        cache: prefix cache: ``off``, ``given`` (tokens stated with the request) or ``own`` (blocks by id).
        hash_tokens: H, tokens of a hashed block; a multiple of ``block_tokens``.
        load_s_per_token: time to load a given token of prefix from a store.
        hands_to: index of the pool that decodes what this one prefills; -1 = none.
        transfer_s, transfer_s_per_token: time of that handing over.
        scaling: autoscaling, or None.
        retries: how often a request lost with a replica is sent again.
        spill_fill: outstanding share of ``max_sequences`` from which a stream tries its next pool; inf = never.
        crowding_s: what a user waits besides for each request of the replica that takes the prompt, beyond one an
            attention rank.
        ranks: attention ranks of a replica.
    """

    name: str
    table: StepTable
    n_replicas: int
    n_start: int | None = None
    max_sequences: int = 256
    token_budget: int = 8192
    block_tokens: int = 16
    kv_blocks: int = 0
    order: str = "fcfs"
    router: str = "least"
    affinity_bound: float = 1.5
    cache: str = "off"
    hash_tokens: int = 0
    load_s_per_token: float = 0.0
    hands_to: int = -1
    transfer_s: float = 0.0
    transfer_s_per_token: float = 0.0
    scaling: Scaling | None = None
    retries: int = 3
    spill_fill: float = np.inf
    crowding_s: float = 0.0
    ranks: int = 1

    def __post_init__(self) -> None:
        def need(holds: bool, text: str) -> None:
            if not holds:
                raise ValueError(f"pool {self.name}: {text}")

        need(self.n_replicas >= 1, f"{self.n_replicas} replicas; at least 1")
        need(1 <= self.max_sequences <= self.token_budget, "1 <= max_sequences <= token_budget")
        need(self.block_tokens >= 1 and self.kv_blocks >= 0, "block_tokens is at least 1, kv_blocks at least 0")
        need(self.order in ORDERS, f"order is one of {', '.join(ORDERS)}")
        need(self.router in ROUTERS, f"router is one of {', '.join(ROUTERS)}")
        need(self.cache in CACHES, f"cache is one of {', '.join(CACHES)}")
        if self.cache == "own":
            need(self.kv_blocks > 0, "a prefix cache of its own needs kv_blocks")
            need(
                self.hash_tokens >= self.block_tokens and self.hash_tokens % self.block_tokens == 0,
                f"hash_tokens {self.hash_tokens} is no multiple of block_tokens {self.block_tokens}",
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Traffic:
    """How one stream of requests is treated: its pools in order, limits and objective.

    Args:
        name: class of demand, with tier and region where they differ.
        pools: indices of pools; the first is home unless ``share`` says otherwise.
        share: (pools,) weight with which each is a request's home; empty = the first always.
        latency_s: (pools,) way from user to pool and back and request handling, added to what the user sees; same
            order as ``pools``.
        priority: 0 is served first.
        ttft_s, tpot_s: objective; inf = none.
        spill_s: wait at a pool from which the next is tried; inf = never.
        gate: share of slots in use from which requests are turned away; inf = never.
        patience_s: time after which a request that has not ended is aborted; inf = never.
    """

    name: str
    pools: tuple[int, ...] = (0,)
    share: tuple[float, ...] = ()
    latency_s: tuple[float, ...] = ()
    priority: int = 0
    ttft_s: float = np.inf
    tpot_s: float = np.inf
    spill_s: float = np.inf
    gate: float = np.inf
    patience_s: float = np.inf

    def __post_init__(self) -> None:
        if not self.share:
            return
        if len(self.share) != len(self.pools):
            raise ValueError(f"traffic {self.name}: {len(self.share)} shares for {len(self.pools)} pools; one for each")
        if not (min(self.share) >= 0.0 and 0.0 < sum(self.share) < np.inf):
            raise ValueError(f"traffic {self.name}: shares are 0 or more and finite, and one of them is above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A replica that fails at ``start_s`` and is back at ``end_s``."""

    replica: int  # index over all pools, in their order
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fleet:
    """Pools that share routers, the traffic they serve, and what happens to them: one task of one thread."""

    pools: tuple[Pool, ...]
    traffic: tuple[Traffic, ...]
    outages: tuple[Outage, ...] = ()
    seed: int = 0
    band: Band = "central"


class Rows(NamedTuple):
    """A chunk of requests, in order of arrival. Empty optional columns have length 0."""

    arrival: Integers  # (n,) ns; NEVER = sent by a closed loop, or when its previous has ended
    inputs: Integers  # (n,) tokens
    outputs: Integers  # (n,) tokens
    stream: Integers  # (n,)
    iterations: Integers  # (n,) or empty: decode iterations, outputs - 1 without drafts
    cached: Integers  # (n,) or empty: leading tokens found in a store
    key: Integers  # (n,) or empty: what affinity goes by; else the row
    next: Integers  # (n,) or empty: row that follows this one in its session, -1 none
    think: Integers  # (n,) or empty: ns between the end of the previous and this row
    block_start: Integers  # (n + 1,) or empty
    block_ids: Integers
    ttft: Integers  # (n,) or empty: objective of the row, ns; NEVER = none; -1 = that of its stream
    tpot: Integers
    number: Integers  # (n,) or empty: number over all chunks; else the row


class Settings(NamedTuple):
    """A fleet as numbers; P pools, R replicas, S streams."""

    pool_of: Integers  # (R,)
    first: Integers  # (P + 1,) index of the first replica of each pool
    max_sequences: Integers  # (P,) and so on
    budget: Integers
    block: Integers
    blocks: Integers  # 0 = no limit
    order: Integers
    router: Integers
    bound: Floats
    cache: Integers
    hash_tokens: Integers
    load_fs: Integers  # per token
    hands_to: Integers
    transfer_ns: Integers
    transfer_fs: Integers  # per token
    retries: Integers
    spill_fill: Floats
    crowding_ns: Integers
    ranks: Integers
    prefill_ns: Floats  # per token, of the wait that spilling looks at
    scale_every: Integers  # ns; 0 = not scaled
    scale_target: Floats
    scale_least: Integers
    scale_most: Integers
    scale_start: Integers  # ns
    n_start: Integers
    choice: Integers  # (S, P) pool indices in order, -1 behind the last
    home: Integers  # (S, P) in the same order: home to draws below this and not below the one before, of 2^32
    latency: Integers  # (S, P) ns there and back, by pool index
    priority: Integers  # (S,)
    ttft: Integers  # (S,) ns, NEVER = none
    tpot: Integers
    spill: Integers
    gate: Floats
    patience: Integers
    control_time: Integers  # (C,) ns, not falling
    control_replica: Integers
    control_up: Integers  # 1 = repaired, 0 = failed
    seed: int
    concurrency: int  # requests in flight of a closed loop; 0 = open


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Setup:
    """Numbers of a fleet: what kernel and twin are called with."""

    settings: Settings
    steps: Steps
    fleet: Fleet = field(repr=False)


def setup_of(fleet: Fleet, concurrency: int = 0) -> Setup:
    """A fleet as numbers."""
    pools, traffic = fleet.pools, fleet.traffic

    def ints(values: list[int]) -> Integers:
        return np.array(values, dtype=np.int64)

    counts = [pool.n_replicas for pool in pools]
    choice = np.full((len(traffic), len(pools)), -1, dtype=np.int64)
    home = np.full((len(traffic), len(pools)), DRAWS, dtype=np.int64)
    latency = np.zeros((len(traffic), len(pools)), dtype=np.int64)
    for k, stream in enumerate(traffic):
        choice[k, : len(stream.pools)] = stream.pools
        if stream.share:
            below = np.cumsum(stream.share)
            home[k, : len(below)] = np.rint(below / below[-1] * DRAWS)
        for pool, seconds in zip(stream.pools, stream.latency_s or (0.0,) * len(stream.pools), strict=True):
            latency[k, pool] = as_ns(seconds)
    control = sorted(
        [(as_ns(one.start_s), k, one.replica, 0) for k, one in enumerate(fleet.outages)]
        + [(as_ns(one.end_s), k, one.replica, 1) for k, one in enumerate(fleet.outages)]
    )
    scaled = [pool.scaling for pool in pools]
    settings = Settings(
        pool_of=np.repeat(np.arange(len(pools), dtype=np.int64), counts),
        first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        max_sequences=ints([pool.max_sequences for pool in pools]),
        budget=ints([pool.token_budget for pool in pools]),
        block=ints([pool.block_tokens for pool in pools]),
        blocks=ints([pool.kv_blocks for pool in pools]),
        order=ints([ORDERS.index(pool.order) for pool in pools]),
        router=ints([ROUTERS.index(pool.router) for pool in pools]),
        bound=np.array([pool.affinity_bound for pool in pools]),
        cache=ints([CACHES.index(pool.cache) for pool in pools]),
        hash_tokens=ints([pool.hash_tokens for pool in pools]),
        load_fs=ints([round(pool.load_s_per_token * 1e15) for pool in pools]),
        hands_to=ints([pool.hands_to for pool in pools]),
        transfer_ns=ints([as_ns(pool.transfer_s) for pool in pools]),
        transfer_fs=ints([round(pool.transfer_s_per_token * 1e15) for pool in pools]),
        retries=ints([pool.retries for pool in pools]),
        spill_fill=np.array([pool.spill_fill for pool in pools]),
        crowding_ns=ints([as_ns(pool.crowding_s) for pool in pools]),
        ranks=ints([pool.ranks for pool in pools]),
        prefill_ns=np.array([float(p.table.prefill(p.token_budget, 0.0)) / p.token_budget * 1e9 for p in pools]),
        scale_every=ints([as_ns(one.interval_s) if one else 0 for one in scaled]),
        scale_target=np.array([one.target if one else 1.0 for one in scaled]),
        scale_least=ints([one.least if one else 0 for one in scaled]),
        scale_most=ints([min(one.most, n) if one else 0 for one, n in zip(scaled, counts, strict=True)]),
        scale_start=ints([as_ns(one.start_s) if one else 0 for one in scaled]),
        n_start=ints([pool.n_replicas if pool.n_start is None else pool.n_start for pool in pools]),
        choice=choice,
        home=home,
        latency=latency,
        priority=ints([one.priority for one in traffic]),
        ttft=ints([as_ns(one.ttft_s) for one in traffic]),
        tpot=ints([as_ns(one.tpot_s) for one in traffic]),
        spill=ints([as_ns(one.spill_s) for one in traffic]),
        gate=np.array([one.gate for one in traffic]),
        patience=ints([as_ns(one.patience_s) for one in traffic]),
        control_time=ints([one[0] for one in control]),
        control_replica=ints([one[2] for one in control]),
        control_up=ints([one[3] for one in control]),
        seed=int(fleet.seed) & (2**63 - 1),
        concurrency=concurrency,
    )
    return Setup(
        settings=settings,
        steps=steps_of([pool.table for pool in pools], [pool.max_sequences for pool in pools], fleet.band),
        fleet=fleet,
    )


def as_ns(seconds: float) -> int:
    """Whole nanoseconds; NEVER for what is not finite or beyond 70 years."""
    return round(seconds * NS_PER_S) if np.isfinite(seconds) and seconds * NS_PER_S < NEVER else int(NEVER)


def rows_of(
    arrival: Integers,
    inputs: Integers,
    outputs: Integers,
    stream: Integers | None = None,
    **columns: Integers,
) -> Rows:
    """Rows with the columns that are given; the others are empty."""
    empty = {name: np.zeros(0, dtype=np.int64) for name in Rows._fields}
    here = {"arrival": arrival, "inputs": inputs, "outputs": outputs}
    here["stream"] = np.zeros(len(arrival), dtype=np.int64) if stream is None else stream
    return Rows(**{**empty, **{name: np.asarray(value, dtype=np.int64) for name, value in (here | columns).items()}})
