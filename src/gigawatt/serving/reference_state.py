"""What the slow twin holds: requests, replicas with their blocks, and the world they are in."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gigawatt.serving.inputs import NEVER, Rows, Settings, Setup
from gigawatt.serving.policies import (
    ACTIVE,
    CACHE_OWN,
    COMPLETED,
    OFF,
    OPEN,
)
from gigawatt.serving.steps import Steps

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What became of every request, and what every replica did.

    Args:
        status: (rows,) ``completed``, ``aborted``, ``gated`` or ``failed``, index into ``policies.STATUSES``.
        first_ns: when the first token was emitted, on the replica's clock; -1 = never.
        end_ns: when it ended, in whichever way.
        replica: on which it ended; -1 = on none.
        admitted_ns: when it first ran, on its first replica; -1 = never.
        preemptions: how often it was preempted, since it was last sent.
        hits: tokens of the prompt found in a cache at its first admission.
        sent_ns: when it was first routed.
        latency_ns: what its user waited besides; 0 = not completed.
        busy_fs: (replicas,) time of the iterations that completed.
        iterations: (replicas,) their number.
        peak_blocks: (replicas,) most blocks held at once, 0 without a limit; known blocks that nobody
            references are not held.
        n_scaled: (pools,) replicas that autoscaling started, drained or took back.
        done: (pools, ``memory.DONE``) what the iterations that completed did: those with decoding requests, these and
            their tokens in cache over them, those with chunks, those with both, tokens of chunks, and Q of (e).
    """

    status: Integers
    first_ns: Integers
    end_ns: Integers
    replica: Integers
    admitted_ns: Integers
    preemptions: Integers
    hits: Integers
    sent_ns: Integers
    latency_ns: Integers
    busy_fs: Integers
    iterations: Integers
    peak_blocks: Integers
    n_scaled: Integers
    done: Integers


@dataclass(slots=True, kw_only=True, eq=False)
class Request:
    """A request and where it is: its rows are inputs, the rest changes as the run goes on."""

    row: int
    inputs: int
    outputs: int
    stream: int
    iterations: int  # decode iterations after the first token, drawn before the run
    cached: int
    key: int
    ids: list[int]
    # what became of it
    status: int = OPEN
    first_ns: int = -1
    end_ns: int = -1
    ended_on: int = -1
    admitted_ns: int = -1
    preemptions: int = 0
    hits: int = 0
    sent_ns: int = -1
    tries: int = 0  # times it was sent before
    retries: int = 0  # those of them after a failure
    polls: int = 0  # those of them in a row for want of an active replica
    latency_ns: int = 0  # way to the pool, handling, crowding
    # where it is
    replica: Replica | None = None
    is_running: bool = False
    is_marked: bool = False  # its patience ended, it leaves with the iteration in progress
    decode_pool: int = -1  # that a prefill pool handed it to
    brings_cache: bool = False
    # how far it is
    total: int = 0  # tokens to prefill
    done: int = 0  # of them
    decoded: int = 0  # iterations since prefill
    left: int = 0  # iterations to decode since prefill
    surplus: int = 0  # tokens of drafts accepted in them
    generated: int = 0  # tokens, up to the last preemption; the first counts from its emission on
    queued: int = 0  # what it adds to the queued tokens of its replica
    blocks: int = 0  # that it holds, shared ones too
    n_known: int = 0  # hashed blocks among them that are known, from the first on

    def reset(self) -> None:
        """As if it had never been sent: a replica took everything with it."""
        self.first_ns, self.preemptions, self.polls = -1, 0, 0
        self.replica, self.is_running, self.is_marked = None, False, False
        self.decode_pool, self.brings_cache = -1, False
        self.total, self.done, self.decoded, self.generated = self.inputs, 0, 0, 0
        self.left, self.surplus = self.iterations, self.outputs - 1 - self.iterations
        self.queued, self.blocks, self.n_known = 0, 0, 0

    @property
    def is_decoding(self) -> bool:
        """Whether its prompt has been read and it makes tokens."""
        return self.is_running and self.done == self.total

    @property
    def context(self) -> int:
        """Tokens in cache, without the surplus."""
        return self.done + self.decoded


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Iteration:
    """One step of a replica: who decodes, whose prompt is read, and when it ends."""

    decoding: list[Request]
    chunks: list[tuple[Request, int]]
    time_fs: int
    end_ns: int
    rest_fs: int
    done: tuple[int, ...]  # see ``Outcome.done``


@dataclass(slots=True, kw_only=True, eq=False)
class Replica:
    """One replica with its running batch, its queue and its blocks of KV cache."""

    index: int
    pool: int
    state: int
    capacity: int  # blocks; 0 = without limit
    block: int  # B
    hashed: int  # H; 0 without a prefix cache of its own
    clock_ns: int = 0
    rest_fs: int = 0
    ready_ns: int = NEVER  # end of its start-up
    iteration: Iteration | None = None
    queues: dict[int, deque[Request]] = field(default_factory=dict)  # by priority
    running: list[Request] = field(default_factory=list)  # by admission
    outstanding: int = 0
    queued_tokens: int = 0
    held: int = 0  # blocks
    references: dict[int, int] = field(default_factory=dict)  # of known blocks, by id
    loose: OrderedDict[int, None] = field(default_factory=OrderedDict)  # known, without reference, next victim first
    busy_fs: int = 0
    iterations: int = 0
    peak: int = 0
    done: tuple[int, ...] = (0,) * 7  # see ``Outcome.done``

    def waiting(self) -> list[Request]:
        """Requests that wait, in the order in which they are admitted."""
        return [request for priority in sorted(self.queues) for request in self.queues[priority]]

    # --- blocks

    def blocks_for(self, tokens: int) -> int:
        """Blocks that hold ``tokens``."""
        return -(-tokens // self.block)

    @property
    def blocks_per_id(self) -> int:
        """Blocks that one id of a shared prefix covers."""
        return self.hashed // self.block

    def fits(self, blocks: int) -> bool:
        """Whether so many more blocks can be held; known blocks without reference make way."""
        return self.capacity == 0 or blocks <= self.capacity - self.held

    def take(self, blocks: int) -> None:
        """Holds so many more, evicting known blocks one by one where the free ones do not suffice."""
        while self.loose and self.capacity - self.held - len(self.loose) * self.blocks_per_id < blocks:
            victim, _ = self.loose.popitem(last=False)
            del self.references[victim]
        self.held += blocks
        if self.capacity:
            self.peak = max(self.peak, self.held)
        assert self.capacity == 0 or self.held + len(self.loose) * self.blocks_per_id <= self.capacity

    def leading_hits(self, request: Request) -> list[int]:
        """Ids of the request's first blocks that are known; at least one token is left to compute."""
        hits: list[int] = []
        if self.hashed:
            for name in request.ids[: (request.total - 1) // self.hashed]:
                if name not in self.references:
                    break
                hits.append(name)
        return hits

    def refer(self, name: int) -> None:
        """One more reference of a known block."""
        if name in self.loose:
            del self.loose[name]
            self.held += self.blocks_per_id
        self.references[name] += 1

    def learn(self, request: Request, tokens: int) -> None:
        """Makes known the full hashed blocks over the request's first ``tokens`` tokens."""
        if not self.hashed:
            return
        for name in request.ids[request.n_known : tokens // self.hashed]:
            if name in self.references:  # known by another's work: its own copy is given back
                self.held -= self.blocks_per_id
                self.refer(name)
            else:
                self.references[name] = 1
            request.n_known += 1

    def release(self, request: Request) -> None:
        """Gives back all blocks of a request, its known ones from the last to the first."""
        for name in reversed(request.ids[: request.n_known]):
            self.references[name] -= 1
            if self.references[name] == 0:
                self.loose[name] = None
                self.held -= self.blocks_per_id
        self.held -= request.blocks - request.n_known * self.blocks_per_id
        request.blocks, request.n_known = 0, 0

    def forget(self) -> None:
        """A failure: everything is gone but the books."""
        self.iteration, self.held, self.outstanding, self.queued_tokens = None, 0, 0, 0
        self.queues, self.running, self.references, self.loose = {}, [], {}, OrderedDict()


@dataclass(slots=True, kw_only=True, eq=False)
class World:
    """All of it at one instant; every list of times is a queue in order."""

    settings: Settings
    steps: Steps
    requests: list[Request]
    replicas: list[Replica]
    pools: list[list[Replica]]
    control: deque[tuple[int, int, int]]  # (ns, replica, is repair)
    scale_ns: list[int]  # next decision of each pool
    stream: deque[tuple[int, int]]  # (arrival, row)
    held: list[tuple[int, int]]  # heap of (due, row): follow-ups, transfers, retries, refills, polls
    patience: list[tuple[int, int]]  # heap of (due, row)
    unsent: deque[int]  # of a closed loop
    follower: list[tuple[int, int]]  # (row, think ns) by row; row -1 = none
    turn: list[int]  # round robin, by pool
    n_scaled: list[int]
    n_open: int


def world_of(setup: Setup, rows: Rows) -> World:
    """The world before anything has been sent.

    Raises:
        ValueError: a row has no arrival and follows no other row.
    """
    settings = setup.settings
    n, n_pools = len(rows.arrival), len(settings.max_sequences)
    replicas = [
        Replica(
            index=k,
            pool=pool,
            state=ACTIVE if k - int(settings.first[pool]) < settings.n_start[pool] else OFF,
            capacity=int(settings.blocks[pool]),
            block=int(settings.block[pool]),
            hashed=int(settings.hash_tokens[pool]) if settings.cache[pool] == CACHE_OWN else 0,
        )
        for k, pool in enumerate(settings.pool_of.tolist())
    ]
    closed = settings.concurrency > 0
    followers = [-1] * n if closed else _column(rows.next, [-1] * n)
    think = _column(rows.think, [0] * n)
    stream = [] if closed else [(ns, row) for row, ns in enumerate(rows.arrival.tolist()) if ns < NEVER]
    sent = set(range(n)) if closed else {row for _, row in stream} | set(followers)
    if not sent.issuperset(range(n)):
        raise ValueError(f"row {min(set(range(n)) - sent)} has no arrival and follows no other row")
    return World(
        settings=settings,
        steps=setup.steps,
        requests=_requests(rows),
        replicas=replicas,
        pools=[[replica for replica in replicas if replica.pool == pool] for pool in range(n_pools)],
        control=deque(
            zip(
                settings.control_time.tolist(),
                settings.control_replica.tolist(),
                settings.control_up.tolist(),
                strict=True,
            )
        ),
        scale_ns=[int(every) or NEVER for every in settings.scale_every],
        stream=deque(stream),
        held=[(0, row) for row in range(min(n, settings.concurrency))],
        patience=[],
        unsent=deque(range(settings.concurrency, n) if closed else ()),
        follower=[(row, think[row] if row >= 0 else 0) for row in followers],
        turn=[0] * n_pools,
        n_scaled=[0] * n_pools,
        n_open=n,
    )


def _requests(rows: Rows) -> list[Request]:
    """Requests as they are before they are sent."""
    inputs, outputs = rows.inputs.tolist(), rows.outputs.tolist()
    n = len(inputs)
    starts, ids = rows.block_start.tolist(), rows.block_ids.tolist()
    requests = [
        Request(
            row=row,
            inputs=inputs[row],
            outputs=outputs[row],
            stream=stream,
            iterations=iterations,
            cached=cached,
            key=key,
            ids=ids[starts[row] : starts[row + 1]] if starts else [],
        )
        for row, (stream, iterations, cached, key) in enumerate(
            zip(
                rows.stream.tolist(),
                _column(rows.iterations, [tokens - 1 for tokens in outputs]),
                _column(rows.cached, [0] * n),
                _column(rows.key, range(n)),
                strict=True,
            )
        )
    ]
    for request in requests:
        request.reset()
    return requests


def _column(values: Integers, default: Sequence[int]) -> list[int]:
    """A column of the rows, or what stands for it where it is empty."""
    return [int(value) for value in values] if len(values) else list(default)


def outcome_of(world: World) -> Outcome:
    """What became of the requests of ``world``, as columns."""

    def of(items: Sequence[object], name: str) -> Integers:
        return np.array([getattr(item, name) for item in items], dtype=np.int64)

    requests, replicas = world.requests, world.replicas
    return Outcome(
        status=of(requests, "status"),
        first_ns=of(requests, "first_ns"),
        end_ns=of(requests, "end_ns"),
        replica=of(requests, "ended_on"),
        admitted_ns=of(requests, "admitted_ns"),
        preemptions=of(requests, "preemptions"),
        hits=of(requests, "hits"),
        sent_ns=of(requests, "sent_ns"),
        latency_ns=np.array([one.latency_ns if one.status == COMPLETED else 0 for one in requests], dtype=np.int64),
        busy_fs=of(replicas, "busy_fs"),
        iterations=of(replicas, "iterations"),
        peak_blocks=of(replicas, "peak"),
        n_scaled=np.array(world.n_scaled, dtype=np.int64),
        done=np.array([np.sum([one.done for one in pool], axis=0) for pool in world.pools], dtype=np.int64),
    )
