"""Where a simulation keeps everything it knows: one array of whole numbers, and names for its places.

A record (pool, stream, replica, slot of a request) is known by the address of its first number; its fields follow:
``m[slot + S_TOTAL]``. Records of one kind lie behind each other, so addresses are in the order of indices. The first
numbers of the array are the counts and addresses of the whole simulation (``G_``). What is a fraction stands in a
second array, of floats, at addresses that the first one holds. Both are plain arrays: a simulation is saved by
saving them, and kernels take two arguments instead of forty.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gigawatt.serving.inputs import NEVER, Integers, Rows, Setup
from gigawatt.serving.policies import ACTIVE, CACHE_OWN, OFF

Floats = npt.NDArray[np.float64]


# Of the whole simulation.
(
    G_NOW, G_ROW, G_CONTROL, G_N_CONTROL, G_FREE, G_N_FREE, G_N_SLOTS, G_SLOTS, G_FUTURE, G_N_FUTURE, G_ABORTS,
    G_N_ABORTS, G_EVENTS, G_LEAVES, G_DUE, G_N_DUE, G_ENDERS, G_OPEN, G_REFILL, G_CONCURRENCY, G_SEED, G_STARTING,
    G_CONTROLS, G_POOLS, G_N_POOLS, G_STREAMS, G_N_STREAMS, G_REPLICAS, G_N_REPLICAS, G_BIN_NS, G_N_BINS, G_RECORDS,
    G_N_RECORDS, G_ENDED, G_N_ROWS, G_NEXT, G_LINE,
    G_LINE_END, G_BEGUN, G_ANSWERED, G_FULL, G_MADE, G_COLUMNS,
) = range(43)  # fmt: skip

# Of a pool: how it is set up, where its step times are, what it counts.
(
    P_FIRST, P_N, P_SEQUENCES, P_BUDGET, P_BLOCK, P_BLOCKS, P_ORDER, P_ROUTER, P_CACHE, P_HASH, P_LOAD_FS, P_HANDS_TO,
    P_TRANSFER_NS, P_TRANSFER_FS, P_RETRIES, P_LEVELS, P_REALS, P_EVERY, P_LEAST, P_MOST, P_START_NS, P_TICK, P_TIMES,
    P_CONTEXT, P_N_CONTEXT, P_PREFILL, P_TOKENS, P_N_TOKENS, P_CACHED, P_N_CACHED, P_SHARED, P_TURN, P_ACTIVE,
    P_N_ACTIVE, P_N_STARTING, P_OUTSTANDING, P_QUEUED, P_ON_SINCE, P_N_ON, P_SCALED, P_LINES, P_EACH, P_LOADS,
    P_CROWDING, P_RANKS, P_COLUMNS,
) = range(46)  # fmt: skip

# Fractions of a pool, behind each other at m[pool + P_REALS].
X_BOUND, X_SPILL_FILL, X_PREFILL_NS, X_TARGET, X_COLUMNS = range(5)

# Of a stream, followed by what it counts.
(
    K_PRIORITY, K_TTFT, K_TPOT, K_SPILL, K_PATIENCE, K_GATE, K_CHOICE, K_N_CHOICE, K_SKETCHES, N_SENT, N_COMPLETED,
    N_ABORTED, N_GATED, N_FAILED, N_GOOD, N_GOOD_TTFT, N_GOOD_TPOT, N_INPUT, N_OUTPUT, N_HITS, N_RETRIES,
    N_PREEMPTIONS, N_GOOD_OUTPUT, N_SPILLED, K_COLUMNS,
) = range(25)  # fmt: skip
COUNTS = [
    "sent",
    "completed",
    "aborted",
    "gated",
    "failed",
    "good",
    "good_ttft",
    "good_tpot",
    "input_tokens",
    "output_tokens",
    "hit_tokens",
    "retries",
    "preemptions",
    "good_output_tokens",
    "spilled",
]

# Of a replica.
(
    R_POOL, R_INDEX, R_STATE, R_BUSY, R_NS, R_REST, R_END, R_END_REST, R_STEPS, R_DECODING, R_TOTAL, R_ITERATION,
    R_RUNNING, R_HEAD, R_TAIL, R_WAITING, R_HELD, R_PEAK, R_OUTSTANDING, R_QUEUED, R_PART, R_N_CHUNKS, R_N_ENDS,
    R_MARKED, R_DUE, R_READY, R_LOAD, R_BUSY_NS, R_BUSY_REST, R_ITERATIONS, R_TOKENS, R_IDLE, R_OLDEST, R_NEWEST,
    R_SPARE, R_QUEUES, R_ENDS, R_PHASES, R_CHUNKS, R_INDEX_TABLE, R_MASK, R_NODES, R_N_NODES, R_CELL, R_PHASE,
    R_FRESH, R_WEIGHTED, R_COLUMNS,
) = range(48)  # fmt: skip

# Of a slot: a request that is somewhere in the fleet.
(
    S_ROW, S_NUMBER, S_STREAM, S_WHERE, S_REPLICA, S_SENT, S_FIRST, S_ADMITTED, S_INPUT, S_OUTPUT, S_TOTAL, S_DONE,
    S_LEFT, S_SURPLUS, S_GENERATED, S_JOINED, S_LEVEL, S_TRIES, S_POLLS, S_HELD, S_IDS, S_N_IDS, S_CHUNK, S_NEXT,
    S_PREVIOUS, S_CACHED, S_HITS, S_READY, S_FOLLOWER, S_MARKED, S_QUEUED, S_KEY, S_TTFT, S_TPOT, S_PREEMPTIONS,
    S_LATENCY, S_RETRIES, S_KEPT_FOR, S_PASSES, S_PHASE, S_COLUMNS,
) = range(41)  # fmt: skip

# Of a known block of an own prefix cache.
B_ID, B_REFERENCES, B_OLDER, B_NEWER, B_NEXT, B_COLUMNS = range(6)

NOWHERE, HELD_BACK, WAITING, PREFILLING, DECODING = range(5)  # where a slot is

# Of a control event; of an entry of a heap of times; of a choice of pool.
C_TIME, C_REPLICA, C_UP, C_COLUMNS = range(4)
E_TIME, E_ROW, E_SLOT, E_COLUMNS = range(4)
O_POOL, O_LATENCY, O_HOME, O_COLUMNS = range(4)

AWAY = 1 << 40  # what a replica that is not active adds to its outstanding requests among P_LOADS

# Of a record of one request (optional).
(
    REC_STATUS,
    REC_FIRST,
    REC_END,
    REC_REPLICA,
    REC_ADMITTED,
    REC_PREEMPTIONS,
    REC_HITS,
    REC_SENT,
    REC_LATENCY,
    REC_COLUMNS,
) = range(10)

# Of a bin of time of a pool.
(
    T_SENT, T_ENDED, T_OUTPUT, T_COMPUTED, T_BUSY, T_ON, T_HELD, T_STEPS, T_DECODED, T_CONTEXT, T_PASSES, T_MIXED,
    T_FRESH, T_WEIGHTED, T_COLUMNS,
) = range(15)  # fmt: skip
DONE = ("steps", "decoded", "context", "passes", "mixed", "fresh", "weighted")
LINES = ("sent", "ended", "output_tokens", "computed_tokens", "busy_ns", "on_ns", "held_block_us", *DONE)

# Of a row of requests, as kernels read it.
(
    W_ARRIVAL, W_INPUT, W_OUTPUT, W_STREAM, W_LEFT, W_CACHED, W_KEY, W_FOLLOWER, W_THINK, W_IDS, W_N_IDS, W_TTFT,
    W_TPOT, W_NUMBER, W_COLUMNS,
) = range(15)  # fmt: skip

# What is sketched of a stream.
METRICS = ("ttft", "tpot", "e2e", "queue")
M_TTFT, M_TPOT, M_E2E, M_QUEUE = range(4)
SUB_BITS = 8
BUCKETS = 52 << SUB_BITS


@dataclass(slots=True, eq=False)
class Memory:
    """The two arrays of a simulation. The only thing here that changes."""

    m: Integers
    x: Floats


class _Builder:
    """Areas behind each other."""

    def __init__(self) -> None:
        self.parts: list[Integers] = []
        self.reals: list[Floats] = []
        self.size = self.n_reals = 0

    def area(self, values: Integers) -> int:
        at = self.size
        self.parts.append(np.asarray(values, dtype=np.int64).ravel())
        self.size += self.parts[-1].size
        return at

    def fill(self, size: int, value: int = 0) -> int:
        return self.area(np.full(size, value, dtype=np.int64))

    def floats(self, values: Floats) -> int:
        at = self.n_reals
        self.reals.append(np.asarray(values, dtype=np.float64).ravel())
        self.n_reals += self.reals[-1].size
        return at


def new_memory(setup: Setup, *, slots: int = 4096, bins: int = 1, bin_ns: int = NEVER, records: int = 0) -> Memory:
    """A fleet at rest at time 0.

    Args:
        setup: the fleet.
        slots: requests that may be in the fleet at once; ``grown`` doubles them.
        bins: of the time line of each pool; what comes later counts in the last.
        bin_ns: their width.
        records: rows to keep a record of each.
    """
    settings = setup.settings
    n_pools, n_streams, n_replicas = len(settings.block), len(settings.priority), len(settings.pool_of)
    levels = int(settings.priority.max()) + 1
    builder = _Builder()
    g = np.zeros(G_COLUMNS, dtype=np.int64)
    builder.area(g)
    pools = np.zeros((n_pools, P_COLUMNS), dtype=np.int64)
    streams = np.zeros((n_streams, K_COLUMNS), dtype=np.int64)
    replicas = np.zeros((n_replicas, R_COLUMNS), dtype=np.int64)
    g[G_POOLS] = builder.area(pools)
    g[G_STREAMS] = builder.area(streams)
    g[G_REPLICAS] = builder.area(replicas)
    g[[G_N_POOLS, G_N_STREAMS, G_N_REPLICAS]] = n_pools, n_streams, n_replicas
    pool_at = g[G_POOLS] + np.arange(n_pools) * P_COLUMNS
    replica_at = g[G_REPLICAS] + np.arange(n_replicas) * R_COLUMNS
    _pools(builder, setup, pools, pool_at, replica_at, bins, levels)
    for k in range(n_streams):
        _stream(builder, setup, streams[k], k, pool_at)
    for k in range(n_replicas):
        _replica(builder, setup, replicas[k], k, int(pool_at[settings.pool_of[k]]), levels)
    for pool in range(n_pools):
        start, stop = settings.first[pool : pool + 2].tolist()
        replicas[start : start + int(settings.n_start[pool]), R_STATE] = ACTIVE
        replicas[start:stop, R_LOAD] = pools[pool, P_LOADS] + np.arange(stop - start)
    controls = np.column_stack(
        [settings.control_time, replica_at[settings.control_replica], settings.control_up]
    ).astype(np.int64)
    g[G_CONTROLS], g[G_N_CONTROL] = builder.area(controls), len(controls)
    leaves = 1 << (n_replicas - 1).bit_length()
    ends = np.full((2 * leaves, 2), NEVER, dtype=np.int64)
    ends[leaves : leaves + n_replicas, 1] = replica_at
    g[G_EVENTS], g[G_LEAVES] = builder.area(ends), leaves
    g[G_DUE] = builder.fill(n_replicas)
    g[G_ENDERS] = builder.fill(2 * int(settings.max_sequences.max()) + 2)
    g[[G_CONCURRENCY, G_SEED, G_NOW, G_STARTING]] = settings.concurrency, settings.seed, -1, NEVER
    g[[G_BIN_NS, G_N_BINS]] = bin_ns, bins
    kept = np.full((records, REC_COLUMNS), -1, dtype=np.int64)
    kept[:, [REC_STATUS, REC_PREEMPTIONS, REC_HITS, REC_LATENCY]] = 0
    g[G_RECORDS], g[G_N_RECORDS] = builder.area(kept), records
    builder.parts[0] = g
    memory = Memory(np.concatenate(builder.parts), np.concatenate([*builder.reals, np.zeros(1)]))
    for at, values in ((g[G_POOLS], pools), (g[G_STREAMS], streams), (g[G_REPLICAS], replicas)):
        memory.m[at : at + values.size] = values.ravel()
    return _with_slots(memory, slots)


def _pools(
    builder: _Builder, setup: Setup, pools: Integers, pool_at: Integers, replica_at: Integers, bins: int, levels: int
) -> None:
    settings, steps = setup.settings, setup.steps
    for k, pool in enumerate(pools):
        first, n = int(settings.first[k]), int(settings.first[k + 1] - settings.first[k])
        start = int(settings.n_start[k])
        pool[[P_FIRST, P_N, P_N_ACTIVE, P_N_ON]] = replica_at[first], n, start, start
        active = np.zeros(n, dtype=np.int64)
        active[:start] = replica_at[first : first + start]
        pool[P_ACTIVE] = builder.area(active)
        pool[P_LOADS] = builder.area(np.where(np.arange(n) < start, 0, AWAY))
        for place, column in (
            (P_SEQUENCES, settings.max_sequences), (P_BUDGET, settings.budget), (P_BLOCK, settings.block),
            (P_BLOCKS, settings.blocks), (P_ORDER, settings.order), (P_ROUTER, settings.router),
            (P_CACHE, settings.cache), (P_HASH, settings.hash_tokens), (P_LOAD_FS, settings.load_fs),
            (P_TRANSFER_NS, settings.transfer_ns), (P_TRANSFER_FS, settings.transfer_fs),
            (P_RETRIES, settings.retries), (P_EVERY, settings.scale_every), (P_LEAST, settings.scale_least),
            (P_MOST, settings.scale_most), (P_START_NS, settings.scale_start), (P_SHARED, steps.shared),
            (P_CROWDING, settings.crowding_ns), (P_RANKS, settings.ranks),
            (P_N_CONTEXT, steps.n_context), (P_N_TOKENS, steps.n_tokens), (P_N_CACHED, steps.n_cached),
        ):  # fmt: skip
            pool[place] = column[k]
        pool[P_LEVELS] = levels
        pool[P_EACH] = settings.hash_tokens[k] // settings.block[k]
        target = int(settings.hands_to[k])
        pool[P_HANDS_TO] = pool_at[target] if target >= 0 else -1
        pool[P_TICK] = settings.scale_every[k] if settings.scale_every[k] > 0 else NEVER
        pool[P_REALS] = builder.floats(
            np.array([settings.bound[k], settings.spill_fill[k], settings.prefill_ns[k], settings.scale_target[k]])
        )
        size = int(steps.n_context[k]) * (int(settings.max_sequences[k]) + 1)
        at = int(steps.at[k])
        pool[P_TIMES] = builder.area(np.column_stack([steps.base[at : at + size], steps.slope[at : at + size]]))
        at = int(steps.at_context[k])
        pool[P_CONTEXT] = builder.area(steps.context[at : at + int(steps.n_context[k])])
        n_tokens, n_cached = int(steps.n_tokens[k]), int(steps.n_cached[k])
        tokens = steps.tokens[int(steps.at_tokens[k]) :][:n_tokens]
        cached = steps.cached[int(steps.at_cached[k]) :][:n_cached]
        seconds = steps.prefill[int(steps.at_prefill[k]) :][: n_tokens * n_cached].reshape(n_tokens, n_cached)
        pool[P_TOKENS], pool[P_CACHED] = builder.floats(tokens), builder.floats(cached)
        pool[P_PREFILL] = builder.floats(_bilinear(tokens, cached, seconds))
        pool[P_LINES] = builder.fill(bins * T_COLUMNS)


def _bilinear(x: Floats, y: Floats, z: Floats) -> Floats:
    """(x, y, 4) of each cell: the value at its corner, its slopes along x and y, and how the latter rises along x."""
    cells = np.zeros((*z.shape, 4))
    cells[..., 0] = z
    cells[:-1, :, 1] = np.diff(z, axis=0) / np.diff(x)[:, None]
    cells[:, :-1, 2] = np.diff(z, axis=1) / np.diff(y)
    cells[:, :-1, 3] = np.diff(cells[..., 1], axis=1) / np.diff(y)
    return cells


def _stream(builder: _Builder, setup: Setup, stream: Integers, k: int, pool_at: Integers) -> None:
    settings = setup.settings
    for place, column in (
        (K_PRIORITY, settings.priority),
        (K_TTFT, settings.ttft),
        (K_TPOT, settings.tpot),
        (K_SPILL, settings.spill),
        (K_PATIENCE, settings.patience),
    ):
        stream[place] = column[k]
    stream[K_GATE] = builder.floats(settings.gate[k : k + 1])
    chosen = settings.choice[k][settings.choice[k] >= 0]
    home = settings.home[k, : len(chosen)]
    stream[K_CHOICE] = builder.area(np.column_stack([pool_at[chosen], settings.latency[k, chosen], home]))
    stream[K_N_CHOICE] = len(chosen)
    stream[K_SKETCHES] = builder.fill(len(METRICS) * BUCKETS)


def _replica(builder: _Builder, setup: Setup, replica: Integers, index: int, pool_at: int, levels: int) -> None:
    settings = setup.settings
    k = int(settings.pool_of[index])
    most = int(settings.max_sequences[k])
    replica[[R_POOL, R_INDEX, R_STATE, R_READY]] = pool_at, index, OFF, NEVER
    replica[[R_HEAD, R_TAIL, R_PART, R_OLDEST, R_NEWEST]] = -1
    replica[R_QUEUES] = builder.fill(2 * levels, -1)
    replica[R_ENDS] = builder.fill(2 * (most + 1))
    replica[R_PHASES] = builder.fill(int(settings.block[k]))
    replica[R_CHUNKS] = builder.fill(most + 1)
    if settings.cache[k] != CACHE_OWN:
        return
    n = int(settings.blocks[k] * settings.block[k] // settings.hash_tokens[k]) + 1
    table = 1 << max(int(2 * n - 1).bit_length(), 1)
    replica[R_N_NODES], replica[R_MASK] = n, table - 1
    replica[R_INDEX_TABLE] = builder.fill(table, -1)
    nodes = np.zeros((n, B_COLUMNS), dtype=np.int64)
    replica[R_NODES] = builder.area(nodes)
    at = int(replica[R_NODES])
    builder.parts[-1].reshape(n, B_COLUMNS)[:, B_NEWER] = [at + (i + 1) * B_COLUMNS for i in range(n - 1)] + [-1]
    replica[R_SPARE] = at


def _with_slots(memory: Memory, more: int) -> Memory:
    """The same memory with more slots behind it, and lists that have room for all of them."""
    old = memory.m
    n_old = int(old[G_N_SLOTS])
    n = n_old + more
    size = len(old)
    slots_at = size
    free_at = slots_at + more * S_COLUMNS
    future_at = free_at + n
    aborts_at = future_at + n * E_COLUMNS
    m = np.zeros(aborts_at + n * E_COLUMNS, dtype=np.int64)
    m[:size] = old
    m[slots_at : slots_at + more * S_COLUMNS : S_COLUMNS] = -1  # S_ROW
    n_free = int(old[G_N_FREE])
    fresh = slots_at + S_COLUMNS * np.arange(more - 1, -1, -1, dtype=np.int64)
    m[free_at : free_at + n_free + more] = np.concatenate([fresh, old[old[G_FREE] : old[G_FREE] + n_free]])
    for place, count, at in ((G_FUTURE, G_N_FUTURE, future_at), (G_ABORTS, G_N_ABORTS, aborts_at)):
        used = int(old[count]) * E_COLUMNS
        m[at : at + used] = old[old[place] : old[place] + used]
        m[place] = at
    m[G_FREE], m[G_N_FREE], m[G_N_SLOTS] = free_at, n_free + more, n
    if n_old == 0:
        m[G_SLOTS] = slots_at
    return Memory(m, memory.x)


def grown(memory: Memory) -> Memory:
    """The same memory with twice the slots; no address of a record changes."""
    return _with_slots(memory, int(memory.m[G_N_SLOTS]))


_CHANGED_G = (
    G_NOW, G_ROW, G_CONTROL, G_FREE, G_N_FREE, G_N_SLOTS, G_FUTURE, G_N_FUTURE, G_ABORTS, G_N_ABORTS, G_N_DUE, G_OPEN,
    G_REFILL, G_STARTING, G_ENDED, G_N_ROWS, G_NEXT, G_LINE, G_LINE_END, G_BEGUN, G_ANSWERED, G_FULL, G_MADE,
)  # fmt: skip
_CHANGED_P = (P_TICK, P_TURN, P_N_ACTIVE, P_N_STARTING, P_OUTSTANDING, P_QUEUED, P_ON_SINCE, P_N_ON, P_SCALED)
_FIXED_R = (R_POOL, R_INDEX, R_QUEUES, R_ENDS, R_PHASES, R_CHUNKS, R_INDEX_TABLE, R_MASK, R_NODES, R_N_NODES, R_LOAD)


def can_follow(memory: Memory, fresh: Memory, n_rows: int) -> bool:
    """Whether a memory can be what became of ``fresh`` under ``n_rows`` requests.

    What a run never writes must be as it was, the size that of its slots, and what is counted within its range.
    """
    m, x = memory.m, memory.x
    if (m.dtype, m.ndim, x.dtype) != (fresh.m.dtype, 1, fresh.x.dtype) or len(m) < len(fresh.m):
        return False
    size, n = len(fresh.m), int(fresh.m[G_N_SLOTS])
    while size < len(m):
        size, n = size + n * S_COLUMNS + 2 * n * (1 + 2 * E_COLUMNS), 2 * n  # as ``grown``
    heaps = size - n * (1 + 2 * E_COLUMNS) + n * np.array([0, 1, 1 + E_COLUMNS])
    fixed, counted = _fixed(fresh), _counted(fresh)
    return bool(
        size == len(m)
        and m[G_N_SLOTS] == n
        and np.array_equal(x, fresh.x)
        and np.array_equal(m[fixed], fresh.m[fixed])
        and np.array_equal(m[[G_FREE, G_FUTURE, G_ABORTS]], heaps)
        and (m[counted] >= 0).all()
        and all(0 <= m[place] <= n for place in (G_N_FREE, G_N_FUTURE, G_N_ABORTS, G_OPEN))
        and all(0 <= m[place] <= n_rows for place in (G_ROW, G_ENDED, G_N_ROWS))
        and 0 <= m[G_CONTROL] <= m[G_N_CONTROL]
        and 0 <= m[G_N_DUE] <= m[G_N_REPLICAS]
    )


def _records(m: Integers, at: int, count: int, columns: int) -> Integers:
    """(n, columns) addresses of the records of one kind."""
    return np.asarray(m[at] + np.arange(m[count] * columns).reshape(-1, columns))


def _fixed(fresh: Memory) -> Integers:
    """Addresses that no run writes: where everything is and how it is set up."""
    m = fresh.m
    pools = _records(m, G_POOLS, G_N_POOLS, P_COLUMNS)
    parts = [
        np.setdiff1d(np.arange(G_COLUMNS), _CHANGED_G),
        np.delete(pools, _CHANGED_P, axis=1),
        _records(m, G_STREAMS, G_N_STREAMS, K_COLUMNS)[:, :N_SENT],
        _records(m, G_REPLICAS, G_N_REPLICAS, R_COLUMNS)[:, list(_FIXED_R)],
        *(m[pool[P_TIMES]] + np.arange(2 * m[pool[P_N_CONTEXT]] * (m[pool[P_SEQUENCES]] + 1)) for pool in pools),
        *(m[pool[P_CONTEXT]] + np.arange(m[pool[P_N_CONTEXT]]) for pool in pools),
    ]
    return np.concatenate([part.ravel() for part in parts])


def _counted(fresh: Memory) -> Integers:
    """Addresses of what only grows from 0: counts and sketches of streams, time lines of pools."""
    m = fresh.m
    streams = _records(m, G_STREAMS, G_N_STREAMS, K_COLUMNS)
    parts = [
        streams[:, N_SENT:],
        *(m[stream[K_SKETCHES]] + np.arange(len(METRICS) * BUCKETS) for stream in streams),
        *(m[pool[P_LINES]] + np.arange(m[G_N_BINS] * T_COLUMNS) for pool in _records(m, G_POOLS, G_N_POOLS, P_COLUMNS)),
    ]
    return np.concatenate([part.ravel() for part in parts])


def ended_ns(memory: Memory) -> int:
    """When the last instant was over and every user had the answer."""
    return max(int(memory.m[G_NOW]), int(memory.m[G_ANSWERED]))


def packed(rows: Rows) -> tuple[Integers, Integers]:
    """((n W_COLUMNS,), ids): rows as kernels read them, one behind the other."""
    n = len(rows.arrival)
    table = np.zeros((n, W_COLUMNS), dtype=np.int64)
    table[:, W_ARRIVAL], table[:, W_INPUT], table[:, W_OUTPUT] = rows.arrival, rows.inputs, rows.outputs
    table[:, W_STREAM] = rows.stream
    table[:, W_LEFT] = rows.iterations if len(rows.iterations) else rows.outputs - 1
    table[:, W_NUMBER] = rows.number if len(rows.number) else np.arange(n)
    table[:, W_KEY] = rows.key if len(rows.key) else table[:, W_NUMBER]
    table[:, W_FOLLOWER] = rows.next if len(rows.next) else -1
    for place, column in ((W_CACHED, rows.cached), (W_THINK, rows.think)):
        if len(column):
            table[:, place] = column
    for place, column in ((W_TTFT, rows.ttft), (W_TPOT, rows.tpot)):
        table[:, place] = column if len(column) else -1
    if len(rows.block_start):
        table[:, W_IDS], table[:, W_N_IDS] = rows.block_start[:-1], np.diff(rows.block_start)
    return table.ravel(), rows.block_ids
