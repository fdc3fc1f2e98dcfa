"""The event loop of a fleet: instants in order, each in the phases that ``policies`` states. Numbers only."""

from __future__ import annotations

from gigawatt.serving import memory as c
from gigawatt.serving.batch import begin, cut, end, leave, pass_time, queue_push
from gigawatt.serving.blocks import forget_all
from gigawatt.serving.books import book_end, book_run, count_on, enter_bin
from gigawatt.serving.inputs import NEVER, Floats, Integers
from gigawatt.serving.policies import (
    ABORTED,
    ACTIVE,
    CACHE_OWN,
    COMPLETED,
    DRAINING,
    FAILED,
    GATED,
    LOST,
    OFF,
    POLL_NS,
    POLLS,
    PRIORITY,
    STARTING,
)
from gigawatt.serving.routing import home_of, is_gated, lane_for, list_active, pick
from gigawatt.serving.steps import kernel, part, pointer
from gigawatt.serving.times import run_fs, steps_to

FINISHED, NEED_SPACE, PAUSED = 0, 1, 2  # what ``advance`` comes back for
_FOREVER = int(NEVER)

# --- heaps ------------------------------------------------------------------------------------------------------


@kernel
def _is_sooner(m: Integers, entry: int, time: int, row: int) -> bool:
    return m[entry] < time or (m[entry] == time and m[entry + c.E_ROW] < row)


@kernel
def _move(m: Integers, to: int, entry: int) -> None:
    m[to] = m[entry]
    m[to + 1] = m[entry + 1]
    m[to + 2] = m[entry + 2]


@kernel
def _push(m: Integers, heap: int, count: int, time: int, row: int, slot: int) -> None:
    """Adds (time, row, slot) to the heap at ``heap`` whose size stands at ``count``."""
    at = m[count]
    m[count] = at + 1
    while at > 0:
        above = (at - 1) >> 1
        if _is_sooner(m, heap + 3 * above, time, row):
            break
        _move(m, heap + 3 * at, heap + 3 * above)
        at = above
    entry = heap + 3 * at
    m[entry], m[entry + 1], m[entry + 2] = time, row, slot


@kernel
def _pop(m: Integers, heap: int, count: int) -> None:
    """Takes the first entry off the heap at ``heap`` whose size stands at ``count``."""
    size = m[count] - 1
    m[count] = size
    last = heap + 3 * size
    time, row = m[last], m[last + 1]
    at = 0
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        entry = heap + 3 * below
        if below + 1 < size and _is_sooner(m, entry + 3, m[entry], m[entry + 1]):
            below += 1
            entry += 3
        if not _is_sooner(m, entry, time, row):
            break
        _move(m, heap + 3 * at, entry)
        at = below
    _move(m, heap + 3 * at, last)


@part
def _event_set(m: Integers, replica: int, time: int) -> None:
    """When the run of a replica ends, NEVER if it is in none.

    A tree over all replicas: each node has the sooner (end, replica) of the two below it, of two alike the first.
    """
    tree, node = m[c.G_EVENTS], m[c.G_LEAVES] + m[replica + c.R_INDEX]
    m[tree + 2 * node] = time
    while node > 1:
        node >>= 1
        entry, sooner = tree + 2 * node, tree + 4 * node
        if m[sooner + 2] < m[sooner]:
            sooner += 2
        if m[entry] == m[sooner] and m[entry + 1] == m[sooner + 1]:
            return
        m[entry], m[entry + 1] = m[sooner], m[sooner + 1]


@kernel
def _hold_back(m: Integers, time: int, row: int, slot: int) -> None:
    """A request (or, with slot -1, a row) comes at ``time``."""
    _push(m, m[c.G_FUTURE], c.G_N_FUTURE, time, row, slot)


@part
def _make_due(m: Integers, replica: int) -> None:
    if m[replica + c.R_DUE] == 0:
        m[replica + c.R_DUE] = 1
        m[m[c.G_DUE] + m[c.G_N_DUE]] = replica
        m[c.G_N_DUE] += 1


@kernel
def _sort(m: Integers, at: int, n: int) -> None:
    for i in range(1, n):
        one = m[at + i]
        k = i - 1
        while k >= 0 and m[at + k] > one:
            m[at + k + 1] = m[at + k]
            k -= 1
        m[at + k + 1] = one


# --- the end of a request ---------------------------------------------------------------------------------------


@kernel
def _follow_up(m: Integers, rows: Integers, follower: int, now: int) -> None:
    """What a user does who has the answer: the next of a closed loop, or of the session."""
    if m[c.G_CONCURRENCY] > 0:
        row = m[c.G_REFILL]
        if row < m[c.G_N_ROWS]:
            m[c.G_REFILL] = row + 1
            m[c.G_FULL] = now
            _hold_back(m, now, row, -1)
    elif follower >= 0:
        _hold_back(m, now + rows[follower * c.W_COLUMNS + c.W_THINK], follower, -1)


@kernel
def _count_full(m: Integers, slot: int, answered: int) -> None:
    """Output tokens of a closed loop while it is full: of a request that outlasts it, by its share of time."""
    sent, tokens, full = m[slot + c.S_SENT], m[slot + c.S_OUTPUT], m[c.G_FULL]
    if m[c.G_REFILL] < m[c.G_N_ROWS] or answered <= full:
        m[c.G_MADE] += tokens
    elif sent < full:
        m[c.G_MADE] += int(tokens * ((full - sent) / (answered - sent)) + 0.5)


@kernel
def _close(m: Integers, rows: Integers, slot: int, replica: int, now: int, status: int) -> None:
    """Books the end of a request and frees its slot."""
    book_end(m, slot, m[replica + c.R_INDEX] if replica >= 0 else -1, now, status)
    answered = now + m[slot + c.S_LATENCY] if status == COMPLETED else now
    m[c.G_ANSWERED] = max(m[c.G_ANSWERED], answered)
    if status == COMPLETED and m[c.G_CONCURRENCY] > 0:
        _count_full(m, slot, answered)
    _follow_up(m, rows, m[slot + c.S_FOLLOWER], answered)
    m[slot + c.S_WHERE] = c.NOWHERE
    m[slot + c.S_ROW] = -1
    m[m[c.G_FREE] + m[c.G_N_FREE]] = slot
    m[c.G_N_FREE] += 1
    m[c.G_OPEN] -= 1
    m[c.G_ENDED] += 1


@part
def _off_books(m: Integers, replica: int, slot: int) -> None:
    """A request is no longer outstanding on its replica; the counts behind routing follow."""
    pool = m[replica + c.R_POOL]
    m[replica + c.R_OUTSTANDING] -= 1
    m[m[replica + c.R_LOAD]] -= 1
    m[pool + c.P_OUTSTANDING] -= 1
    m[replica + c.R_QUEUED] -= m[slot + c.S_QUEUED]
    m[pool + c.P_QUEUED] -= m[slot + c.S_QUEUED]
    m[slot + c.S_QUEUED] = 0
    m[slot + c.S_REPLICA] = -1


@kernel
def _if_empty(m: Integers, replica: int, now: int) -> None:
    """A draining replica that holds nothing is off."""
    if m[replica + c.R_STATE] == DRAINING and m[replica + c.R_OUTSTANDING] == 0:
        m[replica + c.R_STATE] = OFF
        count_on(m, m[replica + c.R_POOL], -1, now)


# --- control ----------------------------------------------------------------------------------------------------


@kernel
def _iterations_until(m: Integers, replica: int, now: int) -> int:
    """Shortens the run in progress to the iterations that have ended before ``now``; how many those are."""
    n = m[replica + c.R_STEPS]
    if n <= 1 or now <= m[replica + c.R_NS]:
        return 0
    pool, b, total = m[replica + c.R_POOL], m[replica + c.R_DECODING], m[replica + c.R_TOTAL]
    wanted = (now + 1 - m[replica + c.R_NS]) * 1_000_000 - m[replica + c.R_REST]
    cell = m[replica + c.R_CELL]
    n = steps_to(m, pool, b, total, cell, n, wanted)[0] - 1
    if n > 0:
        rest = m[replica + c.R_REST] + run_fs(m, pool, b, total, cell, n)
        m[replica + c.R_END] = m[replica + c.R_NS] + rest // 1_000_000
        m[replica + c.R_END_REST] = rest % 1_000_000
        m[replica + c.R_STEPS] = n
    return n


@kernel
def _fail(m: Integers, rows: Integers, ids: Integers, replica: int, now: int) -> None:
    """A replica fails: iterations that have ended count, all else is lost, and its requests are sent again."""
    pool, was = m[replica + c.R_POOL], m[replica + c.R_STATE]
    if was in (OFF, FAILED):
        return
    if m[replica + c.R_BUSY] == 1:
        if m[replica + c.R_END] <= now:
            _end_replica(m, rows, ids, replica)
        elif _iterations_until(m, replica, now) > 0:
            before, tokens = m[replica + c.R_NS], m[replica + c.R_TOKENS]
            pass_time(m, replica)
            book_run(m, replica, before, tokens)
            if m[pool + c.P_BLOCKS] > 0 and m[replica + c.R_NS] < now:  # blocks of the iteration that is lost
                needed = m[m[replica + c.R_PHASES] + m[replica + c.R_PHASE]]
                m[replica + c.R_PEAK] = max(m[replica + c.R_PEAK], m[replica + c.R_HELD] + needed)
    _event_set(m, replica, _FOREVER)
    m[replica + c.R_BUSY] = 0
    if m[replica + c.R_STATE] == OFF:  # it was draining and that iteration was its last
        return
    m[replica + c.R_STATE] = FAILED
    m[replica + c.R_READY] = NEVER
    if was == STARTING:
        m[pool + c.P_N_STARTING] -= 1
    count_on(m, pool, -1, now)
    list_active(m, pool)
    at = m[replica + c.R_QUEUES]
    for level in range(m[pool + c.P_LEVELS]):
        _lose(m, rows, m[at + 2 * level], replica, now)
        m[at + 2 * level] = m[at + 2 * level + 1] = -1
    _lose(m, rows, m[replica + c.R_HEAD], replica, now)
    for place in (c.R_DECODING, c.R_TOTAL, c.R_RUNNING, c.R_WAITING, c.R_HELD, c.R_N_CHUNKS, c.R_N_ENDS, c.R_MARKED):
        m[replica + place] = 0
    m[replica + c.R_HEAD] = m[replica + c.R_TAIL] = m[replica + c.R_PART] = -1
    phases = m[replica + c.R_PHASES]
    for k in range(m[pool + c.P_BLOCK]):
        m[phases + k] = 0
    if m[pool + c.P_CACHE] == CACHE_OWN:
        forget_all(m, replica)


@kernel
def _lose(m: Integers, rows: Integers, slot: int, replica: int, now: int) -> None:
    """Sends the requests of a list of a failed replica again."""
    while slot >= 0:
        after = m[slot + c.S_NEXT]
        _off_books(m, replica, slot)
        if m[slot + c.S_MARKED] == 1:
            _close(m, rows, slot, replica, now, ABORTED)
        else:
            _again(m, rows, slot, replica, now)
        slot = after


@kernel
def _again(m: Integers, rows: Integers, slot: int, replica: int, now: int) -> None:
    """A request that was lost with its replica is sent again from the start, or fails."""
    m[slot + c.S_TRIES] += 1
    m[slot + c.S_RETRIES] += 1
    if m[slot + c.S_RETRIES] > m[m[replica + c.R_POOL] + c.P_RETRIES]:
        _close(m, rows, slot, replica, now, LOST)
        return
    stream = m[slot + c.S_STREAM]
    m[stream + c.N_RETRIES] += 1
    m[stream + c.N_PREEMPTIONS] += m[slot + c.S_PREEMPTIONS]
    m[slot + c.S_FIRST] = -1
    m[slot + c.S_TOTAL] = m[slot + c.S_INPUT]
    for place in (c.S_DONE, c.S_CHUNK, c.S_GENERATED, c.S_HELD, c.S_READY, c.S_PREEMPTIONS):
        m[slot + place] = 0
    m[slot + c.S_LEFT] = m[slot + c.S_PASSES]
    m[slot + c.S_SURPLUS] = m[slot + c.S_OUTPUT] - 1 - m[slot + c.S_LEFT]
    m[slot + c.S_WHERE] = c.HELD_BACK
    _hold_back(m, now, m[slot + c.S_ROW], slot)


@kernel
def _scale(m: Integers, x: Floats, pool: int, now: int) -> None:
    """One autoscaling decision."""
    target = x[m[pool + c.P_REALS] + c.X_TARGET]
    wanted = int(-((-m[pool + c.P_OUTSTANDING]) // target))
    wanted = min(max(wanted, m[pool + c.P_LEAST]), m[pool + c.P_MOST])
    missing = wanted - m[pool + c.P_N_ACTIVE] - m[pool + c.P_N_STARTING]
    first = m[pool + c.P_FIRST]
    last = first + (m[pool + c.P_N] - 1) * c.R_COLUMNS
    for replica in range(first, last + 1, c.R_COLUMNS):
        if missing > 0 and m[replica + c.R_STATE] == DRAINING:
            m[replica + c.R_STATE] = ACTIVE
            m[pool + c.P_SCALED] += 1
            missing -= 1
    for replica in range(first, last + 1, c.R_COLUMNS):
        if missing > 0 and m[replica + c.R_STATE] == OFF:
            m[replica + c.R_STATE] = STARTING
            m[replica + c.R_READY] = now + m[pool + c.P_START_NS]
            m[pool + c.P_N_STARTING] += 1
            m[pool + c.P_SCALED] += 1
            count_on(m, pool, 1, now)
            missing -= 1
    for replica in range(last, first - 1, -c.R_COLUMNS):
        if missing < 0 and m[replica + c.R_STATE] == ACTIVE:
            m[replica + c.R_STATE] = DRAINING
            m[pool + c.P_SCALED] += 1
            missing += 1
            _if_empty(m, replica, now)
    list_active(m, pool)


@kernel
def _next_start(m: Integers) -> None:
    """When the next replica has started."""
    soonest = _FOREVER
    replica = m[c.G_REPLICAS]
    for _ in range(m[c.G_N_REPLICAS]):
        soonest = min(soonest, m[replica + c.R_READY])
        replica += c.R_COLUMNS
    m[c.G_STARTING] = soonest


@kernel
def _control(m: Integers, x: Floats, rows: Integers, ids: Integers, now: int) -> None:
    """Failures, repairs, starts and autoscaling decisions that are due."""
    while m[c.G_CONTROL] < m[c.G_N_CONTROL]:
        event = m[c.G_CONTROLS] + m[c.G_CONTROL] * c.C_COLUMNS
        if m[event + c.C_TIME] > now:
            break
        replica = m[event + c.C_REPLICA]
        if m[event + c.C_UP] == 0:
            _fail(m, rows, ids, replica, now)
        elif m[replica + c.R_STATE] == FAILED:
            m[replica + c.R_STATE] = ACTIVE
            count_on(m, m[replica + c.R_POOL], 1, now)
            list_active(m, m[replica + c.R_POOL])
        m[c.G_CONTROL] += 1
    if m[c.G_STARTING] <= now:
        replica = m[c.G_REPLICAS]
        for _ in range(m[c.G_N_REPLICAS]):
            if m[replica + c.R_READY] <= now:
                m[replica + c.R_READY] = NEVER
                m[replica + c.R_STATE] = ACTIVE
                m[m[replica + c.R_POOL] + c.P_N_STARTING] -= 1
                list_active(m, m[replica + c.R_POOL])
            replica += c.R_COLUMNS
    pool = m[c.G_POOLS]
    for _ in range(m[c.G_N_POOLS]):
        if m[pool + c.P_TICK] <= now:
            _scale(m, x, pool, now)
            m[pool + c.P_TICK] += m[pool + c.P_EVERY]
        pool += c.P_COLUMNS
    _next_start(m)
    m[c.G_NEXT] = _next_control(m)


@kernel
def _next_control(m: Integers) -> int:
    soonest = m[c.G_STARTING]
    if m[c.G_CONTROL] < m[c.G_N_CONTROL]:
        soonest = min(soonest, m[m[c.G_CONTROLS] + m[c.G_CONTROL] * c.C_COLUMNS])
    pool = m[c.G_POOLS]
    for _ in range(m[c.G_N_POOLS]):
        soonest = min(soonest, m[pool + c.P_TICK])
        pool += c.P_COLUMNS
    return soonest


@part
def _shorten(m: Integers, replica: int, now: int) -> None:
    """Ends a run at the first boundary at which something that comes now counts.

    That is the first at or after ``now``, or after it once the iterations of this instant have begun. If the boundary
    is now, the replica stands at it.
    """
    if not cut(m, replica, now + 1 if m[c.G_BEGUN] == now else now):
        return
    if m[replica + c.R_END] > now:
        _event_set(m, replica, m[replica + c.R_END])
        return
    _event_set(m, replica, _FOREVER)
    before, tokens = m[replica + c.R_NS], m[replica + c.R_TOKENS]
    pass_time(m, replica)
    book_run(m, replica, before, tokens)
    m[replica + c.R_BUSY] = 0
    _make_due(m, replica)


# --- arrivals ---------------------------------------------------------------------------------------------------


@part
def _enter(m: Integers, x: Floats, slot: int, pool: int, now: int) -> None:
    """Sends a request to a replica of the pool."""
    replica = pick(m, x, pool, slot)
    by_priority = m[pool + c.P_ORDER] == PRIORITY
    m[slot + c.S_LEVEL] = m[m[slot + c.S_STREAM] + c.K_PRIORITY] if by_priority else 0
    m[slot + c.S_REPLICA] = replica
    m[slot + c.S_POLLS] = 0
    queued = 0
    if m[slot + c.S_READY] == 0:
        queued = m[slot + c.S_TOTAL]
        beside = min(m[replica + c.R_OUTSTANDING] + 1, m[pool + c.P_SEQUENCES]) - m[pool + c.P_RANKS]
        m[slot + c.S_LATENCY] += m[pool + c.P_CROWDING] * max(beside, 0)
    m[slot + c.S_QUEUED] = queued
    m[replica + c.R_OUTSTANDING] += 1
    m[m[replica + c.R_LOAD]] += 1
    m[replica + c.R_QUEUED] += queued
    m[pool + c.P_OUTSTANDING] += 1
    m[pool + c.P_QUEUED] += queued
    m[m[pool + c.P_LINES] + m[c.G_LINE] + c.T_SENT] += 1
    is_blocked = m[replica + c.R_RUNNING] >= m[pool + c.P_SEQUENCES]
    if m[replica + c.R_WAITING] > 0 and not by_priority:
        is_blocked = True  # nobody overtakes the head
    queue_push(m, replica, slot, False)
    if m[replica + c.R_BUSY] == 0:
        if m[replica + c.R_DUE] == 0:
            if m[replica + c.R_NS] < now:
                m[replica + c.R_NS] = now
                m[replica + c.R_REST] = 0
            _make_due(m, replica)
    elif not is_blocked:
        _shorten(m, replica, now)


@part
def _send(m: Integers, x: Floats, rows: Integers, slot: int, now: int) -> None:
    """Routes a request that is due."""
    stream = m[slot + c.S_STREAM]
    if m[slot + c.S_READY] == 1:
        pool = m[slot + c.S_KEPT_FOR]
        if m[pool + c.P_N_ACTIVE] == 0:
            pool = -1
    else:
        if is_gated(m, x, stream):
            _close(m, rows, slot, -1, now, GATED)
            return
        home = home_of(m, slot)
        lane = lane_for(m, x, stream, home)
        pool = -1
        if lane >= 0:
            pool = m[lane + c.O_POOL]
            m[slot + c.S_LATENCY] = m[lane + c.O_LATENCY]
            if lane != home:
                m[stream + c.N_SPILLED] += 1
    if pool >= 0:
        _enter(m, x, slot, pool, now)
        return
    m[slot + c.S_TRIES] += 1  # nobody is there to take it: it asks again a second later
    m[slot + c.S_POLLS] += 1
    if m[slot + c.S_POLLS] > POLLS:
        _close(m, rows, slot, -1, now, LOST)
        return
    m[slot + c.S_WHERE] = c.HELD_BACK
    _hold_back(m, now + POLL_NS, m[slot + c.S_ROW], slot)


@part
def _arrive(m: Integers, x: Floats, rows: Integers, row: int, now: int) -> None:
    """A row becomes a request."""
    m[c.G_N_FREE] -= 1
    slot = m[m[c.G_FREE] + m[c.G_N_FREE]]
    m[c.G_OPEN] += 1
    for k in range(c.S_COLUMNS):
        m[slot + k] = 0
    stream = m[c.G_STREAMS] + rows[row * c.W_COLUMNS + c.W_STREAM] * c.K_COLUMNS
    m[slot + c.S_ROW] = row
    m[slot + c.S_NUMBER] = rows[row * c.W_COLUMNS + c.W_NUMBER]
    m[slot + c.S_STREAM] = stream
    m[slot + c.S_WHERE] = c.HELD_BACK
    m[slot + c.S_REPLICA] = m[slot + c.S_FIRST] = m[slot + c.S_ADMITTED] = -1
    m[slot + c.S_SENT] = now
    m[slot + c.S_INPUT] = m[slot + c.S_TOTAL] = rows[row * c.W_COLUMNS + c.W_INPUT]
    m[slot + c.S_OUTPUT] = rows[row * c.W_COLUMNS + c.W_OUTPUT]
    m[slot + c.S_LEFT] = m[slot + c.S_PASSES] = rows[row * c.W_COLUMNS + c.W_LEFT]
    m[slot + c.S_SURPLUS] = m[slot + c.S_OUTPUT] - 1 - m[slot + c.S_LEFT]
    m[slot + c.S_CACHED] = rows[row * c.W_COLUMNS + c.W_CACHED]
    m[slot + c.S_IDS] = rows[row * c.W_COLUMNS + c.W_IDS]
    m[slot + c.S_N_IDS] = rows[row * c.W_COLUMNS + c.W_N_IDS]
    m[slot + c.S_FOLLOWER] = rows[row * c.W_COLUMNS + c.W_FOLLOWER]
    m[slot + c.S_KEY] = rows[row * c.W_COLUMNS + c.W_KEY]
    ttft, tpot = rows[row * c.W_COLUMNS + c.W_TTFT], rows[row * c.W_COLUMNS + c.W_TPOT]
    m[slot + c.S_TTFT] = ttft if ttft >= 0 else m[stream + c.K_TTFT]
    m[slot + c.S_TPOT] = tpot if tpot >= 0 else m[stream + c.K_TPOT]
    m[stream + c.N_SENT] += 1
    if m[stream + c.K_PATIENCE] < NEVER:
        _push(m, m[c.G_ABORTS], c.G_N_ABORTS, now + m[stream + c.K_PATIENCE], row, slot)
    _send(m, x, rows, slot, now)


@kernel
def _abort(m: Integers, rows: Integers, ids: Integers, slot: int, now: int) -> None:
    """The patience of a request has ended."""
    replica = m[slot + c.S_REPLICA]
    if m[slot + c.S_WHERE] == c.HELD_BACK:
        _close(m, rows, slot, -1, now, ABORTED)
        return
    if m[replica + c.R_BUSY] == 1:
        _shorten(m, replica, now)
    if m[slot + c.S_WHERE] == c.WAITING or m[replica + c.R_BUSY] == 0:
        leave(m, ids, replica, slot)
        _off_books(m, replica, slot)
        _close(m, rows, slot, replica, now, ABORTED)
        _if_empty(m, replica, now)
    else:
        m[slot + c.S_MARKED] = 1
        m[replica + c.R_MARKED] += 1


# --- the loop ---------------------------------------------------------------------------------------------------


@part
def _end_replica(m: Integers, rows: Integers, ids: Integers, replica: int) -> None:
    """The end of an iteration or run, and what it means for the requests that end with it."""
    pool, now = m[replica + c.R_POOL], m[replica + c.R_END]
    before, tokens = m[replica + c.R_NS], m[replica + c.R_TOKENS]
    n = end(m, ids, replica)
    book_run(m, replica, before, tokens)
    m[replica + c.R_BUSY] = 0
    for k in range(n):
        slot = m[m[c.G_ENDERS] + k]
        _off_books(m, replica, slot)
        if m[slot + c.S_MARKED] == 1:
            _close(m, rows, slot, replica, now, ABORTED)
        elif m[pool + c.P_HANDS_TO] >= 0 and m[slot + c.S_OUTPUT] > 1:
            m[slot + c.S_READY] = 1
            m[slot + c.S_KEPT_FOR] = m[pool + c.P_HANDS_TO]
            m[slot + c.S_WHERE] = c.HELD_BACK
            way = m[pool + c.P_TRANSFER_NS] + m[pool + c.P_TRANSFER_FS] * m[slot + c.S_INPUT] // 1_000_000
            _hold_back(m, now + way, m[slot + c.S_ROW], slot)
        else:
            line = m[pool + c.P_LINES] + m[c.G_LINE]
            m[line + c.T_ENDED] += 1
            m[line + c.T_OUTPUT] += m[slot + c.S_OUTPUT]
            _close(m, rows, slot, replica, now, COMPLETED)
    if n > 0:
        _if_empty(m, replica, now)


@part
def _drop_stale(m: Integers) -> None:
    """Takes entries off the heaps whose requests have ended meanwhile."""
    while m[c.G_N_FUTURE] > 0:
        entry = m[c.G_FUTURE]
        slot = m[entry + c.E_SLOT]
        if slot < 0 or (m[slot + c.S_ROW] == m[entry + c.E_ROW] and m[slot + c.S_WHERE] == c.HELD_BACK):
            break
        _pop(m, entry, c.G_N_FUTURE)
    while m[c.G_N_ABORTS] > 0:
        entry = m[c.G_ABORTS]
        if m[m[entry + c.E_SLOT] + c.S_ROW] == m[entry + c.E_ROW]:
            break
        _pop(m, entry, c.G_N_ABORTS)


@part
def _skip_followers(m: Integers, rows: Integers) -> None:
    """Moves on to the next row that comes by itself."""
    while m[c.G_ROW] < m[c.G_N_ROWS] and rows[m[c.G_ROW] * c.W_COLUMNS + c.W_ARRIVAL] >= NEVER:
        m[c.G_ROW] += 1


@part
def _has_space(m: Integers, rows: Integers, now: int) -> bool:
    """Whether all that may come at this instant has a slot and a place in the heaps."""
    row = m[c.G_ROW]
    while row < m[c.G_N_ROWS] and (
        rows[row * c.W_COLUMNS + c.W_ARRIVAL] == now or rows[row * c.W_COLUMNS + c.W_ARRIVAL] >= NEVER
    ):
        row += 1
    coming, room = m[c.G_N_FUTURE] + row - m[c.G_ROW], m[c.G_N_SLOTS]
    return (
        m[c.G_N_FREE] > coming
        and m[c.G_N_FUTURE] + m[c.G_OPEN] + coming + 1 < room
        and m[c.G_N_ABORTS] + coming + 1 < room
    )


@kernel
def advance(m: Integers, x: Floats, rows: Integers, ids: Integers, stop: int, drain: bool, pause: int) -> int:
    """Runs a fleet over all instants before ``stop`` [ns], or until nothing is left if ``drain``.

    Comes back with why: FINISHED; NEED_SPACE for more slots; PAUSED after ``pause`` requests have ended.
    """
    return _advance(pointer(m), pointer(x), pointer(rows), pointer(ids), stop, drain, pause)


@part
def _advance(m: Integers, x: Floats, rows: Integers, ids: Integers, stop: int, drain: bool, pause: int) -> int:
    n_rows = m[c.G_N_ROWS]
    if m[c.G_NOW] < 0:
        m[c.G_NOW] = 0
        m[c.G_BEGUN] = -1
        m[c.G_NEXT] = _next_control(m)
        enter_bin(m, 0)
        if m[c.G_CONCURRENCY] > 0:
            m[c.G_ROW] = n_rows
            for row in range(min(m[c.G_CONCURRENCY], n_rows)):
                _hold_back(m, 0, row, -1)
            m[c.G_REFILL] = min(m[c.G_CONCURRENCY], n_rows)
    until = m[c.G_ENDED] + pause
    _skip_followers(m, rows)
    while m[c.G_ENDED] < until:
        _drop_stale(m)
        now = m[m[c.G_EVENTS] + 2]
        if m[c.G_ROW] < n_rows:
            now = min(now, rows[m[c.G_ROW] * c.W_COLUMNS + c.W_ARRIVAL])
        if m[c.G_N_FUTURE] > 0:
            now = min(now, m[m[c.G_FUTURE]])
        if m[c.G_N_ABORTS] > 0:
            now = min(now, m[m[c.G_ABORTS]])
        if now >= NEVER and m[c.G_OPEN] == 0:
            return FINISHED
        now = min(now, m[c.G_NEXT])
        if now >= NEVER or (now >= stop and not drain):
            return FINISHED
        if not _has_space(m, rows, now):
            return NEED_SPACE
        m[c.G_NOW] = now
        if m[c.G_LINE_END] <= now:
            enter_bin(m, now)
        if m[c.G_NEXT] <= now:
            _control(m, x, rows, ids, now)
        _phases(m, x, rows, ids, now)
    return PAUSED


@part
def _phases(m: Integers, x: Floats, rows: Integers, ids: Integers, now: int) -> None:
    """Ends, arrivals, aborts and begins of one instant."""
    first = m[c.G_EVENTS] + 2
    while m[first] <= now:
        replica = m[first + 1]
        _event_set(m, replica, _FOREVER)
        _make_due(m, replica)
        _end_replica(m, rows, ids, replica)
    while m[c.G_N_FUTURE] > 0:
        entry = m[c.G_FUTURE]
        if m[entry] > now:
            break
        slot, row = m[entry + c.E_SLOT], m[entry + c.E_ROW]
        _pop(m, entry, c.G_N_FUTURE)
        if slot < 0:
            _arrive(m, x, rows, row, now)
        elif m[slot + c.S_ROW] == row and m[slot + c.S_WHERE] == c.HELD_BACK:
            _send(m, x, rows, slot, now)
    while m[c.G_ROW] < m[c.G_N_ROWS] and rows[m[c.G_ROW] * c.W_COLUMNS + c.W_ARRIVAL] <= now:
        m[c.G_ROW] += 1
        _arrive(m, x, rows, m[c.G_ROW] - 1, now)
        _skip_followers(m, rows)
    while m[c.G_N_ABORTS] > 0:
        entry = m[c.G_ABORTS]
        if m[entry] > now:
            break
        slot, row = m[entry + c.E_SLOT], m[entry + c.E_ROW]
        _pop(m, entry, c.G_N_ABORTS)
        if m[slot + c.S_ROW] == row:
            _abort(m, rows, ids, slot, now)
    due, n = m[c.G_DUE], m[c.G_N_DUE]
    if n > 1:
        _sort(m, due, n)
    m[c.G_N_DUE] = 0
    for k in range(n):
        replica = m[due + k]
        m[replica + c.R_DUE] = 0
        if m[replica + c.R_STATE] != FAILED and begin(m, x, ids, replica):
            _event_set(m, replica, m[replica + c.R_END])
    m[c.G_BEGUN] = now


@kernel
def settle(array: Integers, now: int) -> None:
    """Counts the time that replicas have been on up to ``now``."""
    m = pointer(array)
    pool = m[c.G_POOLS]
    for _ in range(m[c.G_N_POOLS]):
        count_on(m, pool, 0, now)
        pool += c.P_COLUMNS
