"""One replica: how an iteration begins, how far it may run on unchanged, and what its end does. See ``policies``."""

from __future__ import annotations

from gigawatt.serving import memory as c
from gigawatt.serving.blocks import find, leading_known, learn, make_room, reference, release
from gigawatt.serving.inputs import Floats, Integers
from gigawatt.serving.policies import CACHE_GIVEN, CACHE_OWN, PRIORITY
from gigawatt.serving.steps import kernel, mixed_fs, part, quotient, remainder
from gigawatt.serving.times import cell_of, longest_run, pass_fs, run_fs, step_fs, steps_to

# --- lists ------------------------------------------------------------------------------------------------------


@part
def queue_push(m: Integers, replica: int, slot: int, front: bool) -> None:
    """Puts a request into its priority's queue."""
    ends = m[replica + c.R_QUEUES] + 2 * m[slot + c.S_LEVEL]
    head, tail = m[ends], m[ends + 1]
    m[slot + c.S_WHERE] = c.WAITING
    if head < 0:
        m[slot + c.S_NEXT] = m[slot + c.S_PREVIOUS] = -1
        m[ends] = m[ends + 1] = slot
    elif front:
        m[slot + c.S_PREVIOUS], m[slot + c.S_NEXT] = -1, head
        m[head + c.S_PREVIOUS] = slot
        m[ends] = slot
    else:
        m[slot + c.S_PREVIOUS], m[slot + c.S_NEXT] = tail, -1
        m[tail + c.S_NEXT] = slot
        m[ends + 1] = slot
    m[replica + c.R_WAITING] += 1


@part
def queue_remove(m: Integers, replica: int, slot: int) -> None:
    """Takes a request out of its queue."""
    ends = m[replica + c.R_QUEUES] + 2 * m[slot + c.S_LEVEL]
    before, after = m[slot + c.S_PREVIOUS], m[slot + c.S_NEXT]
    if before < 0:
        m[ends] = after
    else:
        m[before + c.S_NEXT] = after
    if after < 0:
        m[ends + 1] = before
    else:
        m[after + c.S_PREVIOUS] = before
    m[replica + c.R_WAITING] -= 1


@part
def _queue_head(m: Integers, replica: int) -> int:
    """First of the smallest priority number, -1 if nobody waits."""
    at = m[replica + c.R_QUEUES]
    for level in range(m[m[replica + c.R_POOL] + c.P_LEVELS]):
        if m[at + 2 * level] >= 0:
            return m[at + 2 * level]
    return -1


@part
def _run_append(m: Integers, replica: int, slot: int) -> None:
    tail = m[replica + c.R_TAIL]
    m[slot + c.S_PREVIOUS], m[slot + c.S_NEXT] = tail, -1
    if tail < 0:
        m[replica + c.R_HEAD] = slot
    else:
        m[tail + c.S_NEXT] = slot
    m[replica + c.R_TAIL] = slot
    m[replica + c.R_RUNNING] += 1


@part
def _run_remove(m: Integers, replica: int, slot: int) -> None:
    before, after = m[slot + c.S_PREVIOUS], m[slot + c.S_NEXT]
    if before < 0:
        m[replica + c.R_HEAD] = after
    else:
        m[before + c.S_NEXT] = after
    if after < 0:
        m[replica + c.R_TAIL] = before
    else:
        m[after + c.S_PREVIOUS] = before
    m[replica + c.R_RUNNING] -= 1


@part
def _heap_push(m: Integers, replica: int, key: int, slot: int) -> None:
    heap, at = m[replica + c.R_ENDS], m[replica + c.R_N_ENDS]
    m[replica + c.R_N_ENDS] = at + 1
    _heap_rise(m, heap, at, key, slot)


@part
def _heap_rise(m: Integers, heap: int, at: int, key: int, slot: int) -> None:
    while at > 0:
        above = (at - 1) >> 1
        if m[heap + 2 * above] <= key:
            break
        m[heap + 2 * at], m[heap + 2 * at + 1] = m[heap + 2 * above], m[heap + 2 * above + 1]
        at = above
    m[heap + 2 * at], m[heap + 2 * at + 1] = key, slot


@part
def _heap_drop(m: Integers, replica: int, at: int) -> None:
    """Takes the entry at a place out."""
    heap, size = m[replica + c.R_ENDS], m[replica + c.R_N_ENDS] - 1
    m[replica + c.R_N_ENDS] = size
    if at == size:
        return
    key, slot = m[heap + 2 * size], m[heap + 2 * size + 1]
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        if below + 1 < size and m[heap + 2 * below + 2] < m[heap + 2 * below]:
            below += 1
        if m[heap + 2 * below] >= key:
            break
        m[heap + 2 * at], m[heap + 2 * at + 1] = m[heap + 2 * below], m[heap + 2 * below + 1]
        at = below
    _heap_rise(m, heap, at, key, slot)


# --- memory -----------------------------------------------------------------------------------------------------


@part
def _blocks(tokens: int, block: int) -> int:
    return quotient(tokens + block - 1, block)


@part
def _hold(m: Integers, replica: int, n: int) -> None:
    """n blocks more are held; unreferenced known ones make room."""
    m[replica + c.R_HELD] += n
    if m[replica + c.R_HELD] > m[replica + c.R_PEAK]:
        m[replica + c.R_PEAK] = m[replica + c.R_HELD]
    if m[replica + c.R_IDLE] > 0:
        make_room(m, replica)


@part
def _in_cache(m: Integers, replica: int, slot: int) -> int:
    """Tokens whose blocks a running request holds."""
    if m[slot + c.S_WHERE] == c.DECODING:
        return m[slot + c.S_TOTAL] + m[slot + c.S_SURPLUS] + m[replica + c.R_ITERATION] - m[slot + c.S_JOINED]
    tokens = m[slot + c.S_DONE] + m[slot + c.S_CHUNK]
    return tokens + m[slot + c.S_SURPLUS] if tokens == m[slot + c.S_TOTAL] else tokens


@part
def _leave_running(m: Integers, ids: Integers, replica: int, slot: int) -> None:
    """Gives back the blocks of a running request and takes it out of the lists of its replica."""
    pool = m[replica + c.R_POOL]
    block = m[pool + c.P_BLOCK]
    if m[pool + c.P_BLOCKS] > 0:
        held = _blocks(_in_cache(m, replica, slot), block)
        if m[slot + c.S_HELD] > 0:
            each = m[pool + c.P_EACH]
            held -= each * m[slot + c.S_HELD]
            for k in range(m[slot + c.S_HELD] - 1, -1, -1):
                if release(m, replica, ids[m[slot + c.S_IDS] + k]):
                    held += each
            m[slot + c.S_HELD] = 0
        m[replica + c.R_HELD] -= held
    if m[slot + c.S_WHERE] == c.DECODING:
        ran = m[replica + c.R_ITERATION] - m[slot + c.S_JOINED]
        m[replica + c.R_DECODING] -= 1
        m[replica + c.R_TOTAL] -= m[slot + c.S_TOTAL] + m[slot + c.S_SURPLUS] // 2 + ran
        if m[pool + c.P_BLOCKS] > 0:
            m[m[replica + c.R_PHASES] + m[slot + c.S_PHASE]] -= 1
    elif m[replica + c.R_PART] == slot:
        m[replica + c.R_PART] = -1
    _run_remove(m, replica, slot)


@kernel
def drop_from_heap(m: Integers, replica: int, slot: int) -> None:
    """Takes a decoding request that does not end by itself out of the heap of ends."""
    for at in range(m[replica + c.R_N_ENDS]):
        if m[m[replica + c.R_ENDS] + 2 * at + 1] == slot:
            _heap_drop(m, replica, at)
            return


@kernel
def leave(m: Integers, ids: Integers, replica: int, slot: int) -> None:
    """Takes a request that waits or runs, and has not ended by itself, off its replica."""
    if m[slot + c.S_WHERE] == c.WAITING:
        queue_remove(m, replica, slot)
        return
    if m[slot + c.S_WHERE] == c.DECODING:
        drop_from_heap(m, replica, slot)
    _leave_running(m, ids, replica, slot)


@kernel
def _preempt(m: Integers, ids: Integers, replica: int, slot: int) -> None:
    """A victim gives back its blocks and waits at the front of its queue."""
    was_decoding = m[slot + c.S_WHERE] == c.DECODING
    ran = m[replica + c.R_ITERATION] - m[slot + c.S_JOINED]
    leave(m, ids, replica, slot)
    if was_decoding:
        of = m[slot + c.S_LEFT]
        drafted = m[slot + c.S_SURPLUS] * ran // of if of > 0 else 0
        m[slot + c.S_GENERATED] += ran + drafted
        m[slot + c.S_SURPLUS] -= drafted
        m[slot + c.S_LEFT] -= ran
        m[slot + c.S_TOTAL] = m[slot + c.S_INPUT] + m[slot + c.S_GENERATED]
        m[slot + c.S_QUEUED] = m[slot + c.S_TOTAL]
        m[replica + c.R_QUEUED] += m[slot + c.S_TOTAL]
        m[m[replica + c.R_POOL] + c.P_QUEUED] += m[slot + c.S_TOTAL]
    m[slot + c.S_DONE] = m[slot + c.S_CHUNK] = 0
    m[slot + c.S_READY] = 0
    m[slot + c.S_PREEMPTIONS] += 1
    queue_push(m, replica, slot, True)


@kernel
def _victim(m: Integers, replica: int) -> int:
    chosen = m[replica + c.R_TAIL]
    if m[m[replica + c.R_POOL] + c.P_ORDER] == PRIORITY:
        slot = chosen
        while slot >= 0:
            if m[slot + c.S_LEVEL] > m[chosen + c.S_LEVEL]:
                chosen = slot
            slot = m[slot + c.S_PREVIOUS]
    return int(chosen)


# --- the begin of an iteration ----------------------------------------------------------------------------------


@part
def _join(m: Integers, replica: int, slot: int) -> None:
    """A request decodes from the iteration that R_ITERATION counts next."""
    pool = m[replica + c.R_POOL]
    m[slot + c.S_WHERE] = c.DECODING
    m[slot + c.S_JOINED] = m[replica + c.R_ITERATION]
    m[replica + c.R_DECODING] += 1
    m[replica + c.R_TOTAL] += m[slot + c.S_TOTAL] + m[slot + c.S_SURPLUS] // 2
    if m[pool + c.P_BLOCKS] > 0:
        block = m[pool + c.P_BLOCK]
        phase = m[replica + c.R_PHASE] - remainder(m[slot + c.S_TOTAL] + m[slot + c.S_SURPLUS], block)
        if phase < 0:
            phase += block
        m[slot + c.S_PHASE] = phase
        m[m[replica + c.R_PHASES] + phase] += 1
    _heap_push(m, replica, m[replica + c.R_ITERATION] + m[slot + c.S_LEFT], slot)


@part
def _admit(m: Integers, ids: Integers, replica: int, slot: int, left: int) -> bool:
    """Admits the head of the queue with a chunk of at most ``left`` tokens; False if all of it has no room."""
    pool = m[replica + c.R_POOL]
    block, capacity, mode = m[pool + c.P_BLOCK], m[pool + c.P_BLOCKS], m[pool + c.P_CACHE]
    total, hits = m[slot + c.S_TOTAL], 0
    known, idle, each = 0, 0, 0
    if m[slot + c.S_READY] == 0:
        if mode == CACHE_GIVEN:
            hits = min(m[slot + c.S_CACHED], total - 1)
        elif mode == CACHE_OWN and m[slot + c.S_N_IDS] > 0:
            size = m[pool + c.P_HASH]
            each = m[pool + c.P_EACH]
            at = m[slot + c.S_IDS]
            most = min(m[slot + c.S_N_IDS], quotient(total - 1, size))
            known, idle = leading_known(m, ids, replica, at, most)
            hits = known * size
        chunk = min(total - hits, left)
        tokens = hits + chunk
        if tokens == total:
            tokens += m[slot + c.S_SURPLUS]
    else:
        chunk = 0
        tokens = total + m[slot + c.S_SURPLUS] + 1
    if capacity > 0:
        room = capacity - m[replica + c.R_HELD] - each * idle
        if _blocks(total + m[slot + c.S_SURPLUS] + m[slot + c.S_READY], block) - each * known > room:
            return False
        wanted = _blocks(tokens, block) - each * known
        for k in range(known):
            reference(m, replica, find(m, replica, ids[m[slot + c.S_IDS] + k]))
        m[slot + c.S_HELD] = known
        _hold(m, replica, wanted + each * idle)
    queue_remove(m, replica, slot)
    _run_append(m, replica, slot)
    if m[slot + c.S_ADMITTED] < 0:
        m[slot + c.S_ADMITTED] = m[replica + c.R_NS]
        m[slot + c.S_HITS] = min(hits, m[slot + c.S_INPUT])
    m[slot + c.S_WHERE] = c.PREFILLING
    m[slot + c.S_DONE], m[slot + c.S_CHUNK] = hits, chunk
    if m[slot + c.S_READY] == 1:
        _join(m, replica, slot)
    return True


@part
def _room_to_decode(m: Integers, ids: Integers, replica: int) -> bool:
    """Holds the blocks that decoding requests need now; whether victims had to be found."""
    pool = m[replica + c.R_POOL]
    preempted = False
    while True:
        needed = m[m[replica + c.R_PHASES] + m[replica + c.R_PHASE]]
        if needed <= m[pool + c.P_BLOCKS] - m[replica + c.R_HELD]:
            break
        _preempt(m, ids, replica, _victim(m, replica))
        preempted = True
    if needed > 0:
        _hold(m, replica, needed)
    return preempted


@kernel
def _continue_prefill(m: Integers, ids: Integers, replica: int) -> bool:
    """Gives the partly prefilled request its chunk and blocks; whether victims had to be found."""
    pool = m[replica + c.R_POOL]
    preempted = False
    while m[replica + c.R_PART] >= 0:
        slot = m[replica + c.R_PART]
        chunk = min(m[slot + c.S_TOTAL] - m[slot + c.S_DONE], m[pool + c.P_BUDGET] - m[replica + c.R_DECODING])
        if m[pool + c.P_BLOCKS] > 0:
            done = m[slot + c.S_DONE] + chunk
            tokens = done + m[slot + c.S_SURPLUS] if done == m[slot + c.S_TOTAL] else done
            needed = _blocks(tokens, m[pool + c.P_BLOCK]) - _blocks(m[slot + c.S_DONE], m[pool + c.P_BLOCK])
            if needed > m[pool + c.P_BLOCKS] - m[replica + c.R_HELD]:
                victim = _victim(m, replica)
                is_full = _in_cache(m, replica, victim) % m[pool + c.P_BLOCK] == 0
                if m[victim + c.S_WHERE] == c.DECODING and is_full:  # the block of this iteration is held already
                    m[replica + c.R_HELD] -= 1
                _preempt(m, ids, replica, victim)
                preempted = True
                continue
            _hold(m, replica, needed)
        m[slot + c.S_CHUNK] = chunk
        break
    return preempted


@part
def begin(m: Integers, x: Floats, ids: Integers, replica: int) -> bool:
    """Begins an iteration at the replica's clock, or a run of them that nothing inside can change; False if idle."""
    pool = m[replica + c.R_POOL]
    preempted = False
    if m[pool + c.P_BLOCKS] > 0 and m[replica + c.R_DECODING] > 0:
        preempted = _room_to_decode(m, ids, replica)
    tokens, weighted, loaded, n_chunks = 0, 0, 0, 0
    if m[replica + c.R_PART] >= 0:
        if _continue_prefill(m, ids, replica):
            preempted = True
        if m[replica + c.R_PART] >= 0:
            slot = m[replica + c.R_PART]
            tokens = m[slot + c.S_CHUNK]
            weighted = tokens * (2 * m[slot + c.S_DONE] + tokens)
            m[m[replica + c.R_CHUNKS]] = slot
            n_chunks = 1
    if not preempted:
        left = m[pool + c.P_BUDGET] - m[replica + c.R_DECODING] - tokens
        while m[replica + c.R_WAITING] > 0 and left > 0 and m[replica + c.R_RUNNING] < m[pool + c.P_SEQUENCES]:
            slot = _queue_head(m, replica)
            if not _admit(m, ids, replica, slot, left):
                break
            if m[slot + c.S_READY] == 1:
                left -= 1
                continue
            chunk = m[slot + c.S_CHUNK]
            tokens += chunk
            weighted += chunk * (2 * m[slot + c.S_DONE] + chunk)
            loaded += m[slot + c.S_DONE]
            left -= chunk
            m[m[replica + c.R_CHUNKS] + n_chunks] = slot
            n_chunks += 1
    m[replica + c.R_N_CHUNKS], m[replica + c.R_FRESH], m[replica + c.R_WEIGHTED] = n_chunks, tokens, weighted
    n, b, total = 1, m[replica + c.R_DECODING], m[replica + c.R_TOTAL]
    if b > 0:
        m[replica + c.R_CELL] = cell_of(m, pool, b, total, m[replica + c.R_CELL])
    if n_chunks > 0:
        decode = step_fs(m, pool, b, total, m[replica + c.R_CELL]) if b > 0 else 0
        spent = mixed_fs(decode, pass_fs(m, x, pool, tokens, weighted), m[pool + c.P_SHARED])
        if m[pool + c.P_CACHE] == CACHE_GIVEN:
            spent += loaded * m[pool + c.P_LOAD_FS]
    elif b > 0:
        if not preempted:
            n = _planned(m, replica)
        spent = run_fs(m, pool, b, total, m[replica + c.R_CELL], n)
    else:
        m[replica + c.R_BUSY] = 0
        return False
    m[replica + c.R_BUSY] = 1
    m[replica + c.R_STEPS] = n
    _set_end(m, replica, spent)
    return True


@part
def _set_end(m: Integers, replica: int, spent: int) -> None:
    rest = m[replica + c.R_REST] + spent
    m[replica + c.R_END] = m[replica + c.R_NS] + rest // 1_000_000
    m[replica + c.R_END_REST] = rest % 1_000_000


@part
def _planned(m: Integers, replica: int) -> int:
    """Iterations until one request ends or blocks run out; between them nothing of the batch changes."""
    pool, b = m[replica + c.R_POOL], m[replica + c.R_DECODING]
    n = m[m[replica + c.R_ENDS]] - m[replica + c.R_ITERATION]
    if m[pool + c.P_BLOCKS] > 0:
        block = m[pool + c.P_BLOCK]
        room = m[pool + c.P_BLOCKS] - m[replica + c.R_HELD]
        if b * quotient(n - 2 + block, block) > room:  # more than could be needed by n - 1 further iterations
            rounds = quotient(room, b)
            room -= rounds * b
            k = 1 + rounds * block  # iterations that have their blocks; the rest is less than a round
            phase = m[replica + c.R_PHASE]
            while k < n:
                phase = phase + 1 if phase + 1 < block else 0
                room -= m[m[replica + c.R_PHASES] + phase]
                if room < 0:
                    break
                k += 1
            n = min(n, k)
    return longest_run(m, pool, b, m[replica + c.R_TOTAL], m[replica + c.R_CELL], n)


@part
def cut(m: Integers, replica: int, now: int) -> bool:
    """Shortens a run to its first boundary at or after ``now``; whether that is earlier than planned."""
    if m[replica + c.R_STEPS] <= 1:
        return False
    wanted = (now - m[replica + c.R_NS]) * 1_000_000 - m[replica + c.R_REST]
    b, total, most = m[replica + c.R_DECODING], m[replica + c.R_TOTAL], m[replica + c.R_STEPS]
    n, spent = steps_to(m, m[replica + c.R_POOL], b, total, m[replica + c.R_CELL], most, wanted)
    if n >= m[replica + c.R_STEPS]:
        return False
    m[replica + c.R_STEPS] = n
    _set_end(m, replica, spent)
    return True


# --- its end ----------------------------------------------------------------------------------------------------


@kernel
def _learn_blocks(m: Integers, ids: Integers, replica: int, slot: int, tokens: int) -> None:
    """Makes the full hashed blocks of a request's first ``tokens`` tokens known, and references them."""
    size = m[m[replica + c.R_POOL] + c.P_HASH]
    each = m[m[replica + c.R_POOL] + c.P_EACH]
    upto = min(m[slot + c.S_N_IDS], quotient(tokens, size))
    for at in range(m[slot + c.S_IDS] + m[slot + c.S_HELD], m[slot + c.S_IDS] + upto):
        node = find(m, replica, ids[at])
        if node < 0:
            learn(m, replica, ids[at])
        elif not reference(m, replica, node):
            m[replica + c.R_HELD] -= each  # another holds it: the copy is given back
    m[slot + c.S_HELD] = max(m[slot + c.S_HELD], upto)


@part
def _book_work(m: Integers, replica: int, line: int, n: int, b: int) -> None:
    """Counts what n iterations with b decoding requests have done, in the bin of their end."""
    if b > 0:
        m[line + c.T_STEPS] += n
        m[line + c.T_DECODED] += n * b
        m[line + c.T_CONTEXT] += n * m[replica + c.R_TOTAL] + b * (n * (n - 1) // 2)
    if m[replica + c.R_N_CHUNKS] > 0:
        m[line + c.T_PASSES] += 1
        m[line + c.T_MIXED] += min(b, 1)
        m[line + c.T_FRESH] += m[replica + c.R_FRESH]
        m[line + c.T_WEIGHTED] += m[replica + c.R_WEIGHTED]


@part
def pass_time(m: Integers, replica: int) -> None:
    """Counts the iterations of the run as done: clock, tokens in cache, blocks."""
    pool, n, b = m[replica + c.R_POOL], m[replica + c.R_STEPS], m[replica + c.R_DECODING]
    _book_work(m, replica, m[pool + c.P_LINES] + m[c.G_LINE], n, b)
    m[replica + c.R_BUSY_NS] += m[replica + c.R_END] - m[replica + c.R_NS]
    m[replica + c.R_BUSY_REST] += m[replica + c.R_END_REST] - m[replica + c.R_REST]
    m[replica + c.R_NS], m[replica + c.R_REST] = m[replica + c.R_END], m[replica + c.R_END_REST]
    m[replica + c.R_ITERATIONS] += n
    if m[pool + c.P_BLOCKS] > 0:
        block, phases, phase = m[pool + c.P_BLOCK], m[replica + c.R_PHASES], m[replica + c.R_PHASE]
        rounds = quotient(n - 1, block)
        taken = b * rounds
        for _ in range(n - 1 - rounds * block):
            phase = phase + 1 if phase + 1 < block else 0
            taken += m[phases + phase]
        m[replica + c.R_PHASE] = phase + 1 if phase + 1 < block else 0
        if taken > 0:
            _hold(m, replica, taken)
    m[replica + c.R_ITERATION] += n
    m[replica + c.R_TOTAL] += n * b
    m[replica + c.R_TOKENS] += n * b


@part
def end(m: Integers, ids: Integers, replica: int) -> int:
    """Ends an iteration or run; the number of slots in G_ENDERS that have ended or are handed over, by row.

    A slot there that was marked (aborted) has left its replica, and so has every other; its blocks are released.
    """
    pool = m[replica + c.R_POOL]
    pass_time(m, replica)
    n = 0
    if m[replica + c.R_MARKED] > 0:
        slot = m[replica + c.R_HEAD]
        while slot >= 0:
            after = m[slot + c.S_NEXT]
            if m[slot + c.S_MARKED] == 1:
                m[m[c.G_ENDERS] + n] = slot
                n += 1
            slot = after
        m[replica + c.R_MARKED] = 0
    own = m[pool + c.P_CACHE] == CACHE_OWN
    for k in range(m[replica + c.R_N_CHUNKS]):
        slot = m[m[replica + c.R_CHUNKS] + k]
        if m[slot + c.S_MARKED] == 1:
            continue
        m[slot + c.S_DONE] += m[slot + c.S_CHUNK]
        m[replica + c.R_TOKENS] += m[slot + c.S_CHUNK]
        m[slot + c.S_CHUNK] = 0
        if own and m[slot + c.S_N_IDS] > 0:
            _learn_blocks(m, ids, replica, slot, m[slot + c.S_DONE])
        if m[slot + c.S_DONE] < m[slot + c.S_TOTAL]:
            m[replica + c.R_PART] = slot
            continue
        if m[replica + c.R_PART] == slot:
            m[replica + c.R_PART] = -1
        m[replica + c.R_QUEUED] -= m[slot + c.S_QUEUED]
        m[pool + c.P_QUEUED] -= m[slot + c.S_QUEUED]
        m[slot + c.S_QUEUED] = 0
        if m[slot + c.S_GENERATED] == 0:
            m[slot + c.S_FIRST] = m[replica + c.R_NS]
        else:
            m[slot + c.S_LEFT] -= 1
        m[slot + c.S_GENERATED] += 1
        if m[slot + c.S_LEFT] == 0 or m[pool + c.P_HANDS_TO] >= 0:
            m[m[c.G_ENDERS] + n] = slot
            n += 1
        else:
            _join(m, replica, slot)
    m[replica + c.R_N_CHUNKS] = 0
    while m[replica + c.R_N_ENDS] > 0 and m[m[replica + c.R_ENDS]] <= m[replica + c.R_ITERATION]:
        slot = m[m[replica + c.R_ENDS] + 1]
        _heap_drop(m, replica, 0)
        if m[slot + c.S_MARKED] == 0:
            m[m[c.G_ENDERS] + n] = slot
            n += 1
    _by_row(m, n)
    for k in range(n):
        slot = m[m[c.G_ENDERS] + k]
        if m[slot + c.S_MARKED] == 1:
            if m[slot + c.S_WHERE] == c.DECODING:
                drop_from_heap(m, replica, slot)
        elif own and m[slot + c.S_N_IDS] > 0 and m[slot + c.S_WHERE] == c.DECODING:
            _learn_blocks(m, ids, replica, slot, _in_cache(m, replica, slot))
        _leave_running(m, ids, replica, slot)
    return n


@part
def _by_row(m: Integers, n: int) -> None:
    """Sorts the enders by row; there are few."""
    for i in range(1, n):
        slot = m[m[c.G_ENDERS] + i]
        row = m[slot + c.S_ROW]
        k = i - 1
        while k >= 0 and m[m[m[c.G_ENDERS] + k] + c.S_ROW] > row:
            m[m[c.G_ENDERS] + k + 1] = m[m[c.G_ENDERS] + k]
            k -= 1
        m[m[c.G_ENDERS] + k + 1] = slot
