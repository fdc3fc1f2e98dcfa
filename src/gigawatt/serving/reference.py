"""The slow twin: ``policies`` in plain Python, one iteration and one token at a time.

Written from the text of ``policies`` alone, to be read beside it; it shares the times of a step with the kernel and
nothing else. Use it to check, or to read what a run does; it makes some ten thousand iterations a second.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from operator import attrgetter

from gigawatt.serving.inputs import NEVER, Rows, Settings, Setup
from gigawatt.serving.policies import (
    ABORTED,
    ACTIVE,
    CACHE_GIVEN,
    COMPLETED,
    DRAINING,
    DRAWS,
    FAILED,
    GATED,
    HOME_DRAW,
    LEAST,
    LOST,
    OFF,
    OPEN,
    POLL_NS,
    POLLS,
    PRIORITY,
    ROUND_ROBIN,
    STARTING,
    TWO_CHOICES,
)
from gigawatt.serving.reference_state import Iteration, Outcome, Replica, Request, World, outcome_of, world_of
from gigawatt.serving.steps import FS_PER_NS, decode_fs, mixed_fs, prefill_fs

_WORD = (1 << 64) - 1


def simulate_reference(setup: Setup, rows: Rows) -> Outcome:
    """What becomes of ``rows`` on the fleet, until the last of them has ended.

    Raises:
        ValueError: a row is never sent (it has no arrival and follows nobody), or never ends (it does not fit).
    """
    world = world_of(setup, rows)
    while world.n_open:
        now = _next_ns(world)
        if now >= NEVER:
            raise ValueError(f"{world.n_open} rows never end: a request is larger than a replica's memory")
        _instant(world, now)
    return outcome_of(world)


def _next_ns(world: World) -> int:
    """The next time at which anything is due."""
    times = [NEVER]
    times += [replica.iteration.end_ns for replica in world.replicas if replica.iteration]
    times += [replica.ready_ns for replica in world.replicas] + world.scale_ns
    times += [due[0][0] for due in (world.control, world.stream, world.held, world.patience) if due]
    return min(times)


def _instant(world: World, now: int) -> None:
    """One round of the instant ``now``; what becomes due after its phase makes another one."""
    _control(world, now)
    for replica in world.replicas:
        if replica.iteration and replica.iteration.end_ns == now:
            _complete(world, replica)
    while world.held and world.held[0][0] == now:
        _send(world, world.requests[heapq.heappop(world.held)[1]], now)
    while world.stream and world.stream[0][0] == now:
        _send(world, world.requests[world.stream.popleft()[1]], now)
    while world.patience and world.patience[0][0] == now:
        _abort(world, world.requests[heapq.heappop(world.patience)[1]], now)
    for replica in world.replicas:
        if replica.iteration is None and (replica.running or any(replica.queues.values())):
            _begin(world, replica, now)


# --- phase 1: control


def _control(world: World, now: int) -> None:
    while world.control and world.control[0][0] == now:
        _, index, is_repair = world.control.popleft()
        replica = world.replicas[index]
        if not is_repair and replica.state in (ACTIVE, DRAINING, STARTING):
            _fail(world, replica, now)
        elif is_repair and replica.state == FAILED:
            replica.state = ACTIVE
    for replica in world.replicas:
        if replica.ready_ns == now:
            replica.state, replica.ready_ns = ACTIVE, NEVER
    for pool, due in enumerate(world.scale_ns):
        if due == now:
            _scale(world, pool, now)


def _fail(world: World, replica: Replica, now: int) -> None:
    """Requests of the replica are sent again at once, but for those that were lost too often or have left."""
    if replica.iteration and replica.iteration.end_ns == now:  # it ended by now, hence counts
        _complete(world, replica)
    lost = sorted([*replica.waiting(), *replica.running], key=attrgetter("row"))
    replica.forget()
    replica.state, replica.ready_ns = FAILED, NEVER
    for request in lost:
        if request.is_marked:
            _end(world, request, ABORTED, now)
        elif request.retries >= world.settings.retries[replica.pool]:
            _end(world, request, LOST, now)
        else:
            request.reset()
            request.retries += 1
            request.tries += 1
            heapq.heappush(world.held, (now, request.row))


def _scale(world: World, pool: int, now: int) -> None:
    """One decision of autoscaling."""
    settings, replicas = world.settings, world.pools[pool]
    world.scale_ns[pool] = now + int(settings.scale_every[pool])
    outstanding = sum(replica.outstanding for replica in replicas)
    wanted = math.ceil(outstanding / float(settings.scale_target[pool]))
    wanted = min(max(wanted, int(settings.scale_least[pool])), int(settings.scale_most[pool]))
    more = wanted - sum(replica.state in (ACTIVE, STARTING) for replica in replicas)
    draining = [replica for replica in replicas if replica.state == DRAINING]
    off = [replica for replica in replicas if replica.state == OFF]
    for replica in (draining + off)[: max(more, 0)]:
        if replica.state == DRAINING:
            replica.state = ACTIVE
        else:
            replica.state, replica.ready_ns = STARTING, now + int(settings.scale_start[pool])
        world.n_scaled[pool] += 1
    for replica in list(reversed(_active(replicas)))[: max(-more, 0)]:
        replica.state = DRAINING if replica.outstanding else OFF
        world.n_scaled[pool] += 1


# --- phase 3: routing


def _send(world: World, request: Request, now: int) -> None:
    """A request is due: at the door, or at the pool that a prefill pool has handed it to."""
    settings = world.settings
    if request.status != OPEN:  # it left while it was held back
        return
    if request.sent_ns < 0:
        request.sent_ns = now
        patience = int(settings.patience[request.stream])
        if patience < NEVER:
            heapq.heappush(world.patience, (now + patience, request.row))
    if request.decode_pool >= 0:
        pool = request.decode_pool if _active(world.pools[request.decode_pool]) else -1
    else:
        lanes = _lanes(settings, request.stream)
        if _is_gated(world, lanes, float(settings.gate[request.stream])):
            _end(world, request, GATED, now)
            return
        home = _home(settings, request)
        pool = _choose_lane(world, lanes[home:] + lanes[:home], float(settings.spill[request.stream]))
    if pool >= 0:
        replica = _choose_replica(world, request, pool)
        if not request.brings_cache:
            request.latency_ns = _latency_ns(settings, request, replica)
        _place(request, replica, settings)
    elif request.polls == POLLS:
        _end(world, request, LOST, now)
    else:
        request.polls += 1
        request.tries += 1
        heapq.heappush(world.held, (now + POLL_NS, request.row))


def _lanes(settings: Settings, stream: int) -> list[list[int]]:
    """The pools of each lane of a stream, the door first."""
    doors = [int(pool) for pool in settings.choice[stream] if pool >= 0]
    return [[pool for pool in (door, int(settings.hands_to[door])) if pool >= 0] for door in doors]


def _home(settings: Settings, request: Request) -> int:
    """Place of the request's home lane among those of its stream."""
    drawn = _drawn(settings, request, HOME_DRAW) % DRAWS
    return next(place for place, bound in enumerate(settings.home[request.stream]) if drawn < bound)


def _is_gated(world: World, lanes: list[list[int]], gate: float) -> bool:
    pools = [pool for lane in lanes for pool in lane]
    outstanding = sum(_outstanding(world, pool) for pool in pools)
    slots = sum(int(world.settings.max_sequences[pool]) * len(_active(world.pools[pool])) for pool in pools)
    return float(outstanding) >= gate * float(slots)


def _choose_lane(world: World, lanes: list[list[int]], spill_ns: float) -> int:
    """Door of the first lane that is neither too slow nor too full, else of the first that is there; -1 = none is."""
    there = [lane for lane in lanes if all(_active(world.pools[pool]) for pool in lane)]
    for lane in there:
        door = lane[0]
        queued = sum(replica.queued_tokens for replica in world.pools[door])
        wait_ns = queued * float(world.settings.prefill_ns[door]) / len(_active(world.pools[door]))
        if wait_ns <= spill_ns and not any(_is_full(world, pool) for pool in lane):
            return door
    return there[0][0] if there else -1


def _is_full(world: World, pool: int) -> bool:
    places = int(world.settings.max_sequences[pool]) * len(_active(world.pools[pool]))
    return _outstanding(world, pool) >= float(world.settings.spill_fill[pool]) * places


def _outstanding(world: World, pool: int) -> int:
    return sum(replica.outstanding for replica in world.pools[pool])


def _choose_replica(world: World, request: Request, pool: int) -> Replica:
    active = _active(world.pools[pool])
    n = len(active)
    router = int(world.settings.router[pool])
    if router == ROUND_ROBIN:
        chosen = active[world.turn[pool] % n]
        world.turn[pool] += 1
        return chosen
    if router == TWO_CHOICES:
        x = _drawn(world.settings, request, request.tries)
        first, second = active[(x & 0xFFFFFFFF) % n], active[(x >> 32) % n]
        return second if second.outstanding < first.outstanding else first
    if router != LEAST:  # affinity
        preferred = active[splitmix64(request.key & _WORD) % n]
        mean = sum(replica.outstanding for replica in active) / n
        if not preferred.outstanding > float(world.settings.bound[pool]) * mean + 4.0:
            return preferred
    return min(active, key=lambda replica: (replica.outstanding, replica.index))


def _drawn(settings: Settings, request: Request, of: int) -> int:
    """A 64-bit word of the seed, the request's number and ``of``."""
    x = int(settings.seed) * 0x9E3779B97F4A7C15
    x += request.row * 0xBF58476D1CE4E5B9 + of * 0x94D049BB133111EB
    return splitmix64(x & _WORD)


def splitmix64(z: int) -> int:
    """The 64-bit word that follows ``z``. Source: Steele, Lea, Flood 2014, doi:10.1145/2660193.2660195.

    >>> hex(splitmix64(0))
    '0xe220a8397b1dcdaf'
    """
    z = (z + 0x9E3779B97F4A7C15) & _WORD
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _WORD
    return z ^ (z >> 31)


def _place(request: Request, replica: Replica, settings: Settings) -> None:
    """The request waits at the replica, behind all of its priority."""
    request.replica, request.polls = replica, 0
    request.queued = 0 if request.brings_cache else request.total
    replica.outstanding += 1
    replica.queued_tokens += request.queued
    replica.queues.setdefault(_priority(settings, request, replica), deque()).append(request)


def _latency_ns(settings: Settings, request: Request, replica: Replica) -> int:
    """What the user waits besides: the way to the pool with handling, and for the others that the replica has."""
    pool = replica.pool
    streams = min(replica.outstanding + 1, int(settings.max_sequences[pool]))
    crowding = int(settings.crowding_ns[pool]) * max(streams - int(settings.ranks[pool]), 0)
    return int(settings.latency[request.stream, pool]) + crowding


def _priority(settings: Settings, request: Request, replica: Replica) -> int:
    return int(settings.priority[request.stream]) if settings.order[replica.pool] == PRIORITY else 0


def _active(replicas: list[Replica]) -> list[Replica]:
    return [replica for replica in replicas if replica.state == ACTIVE]


# --- phase 4: aborts, and every other end


def _abort(world: World, request: Request, now: int) -> None:
    """Patience has ended: what runs leaves with the iteration in progress, everything else at once."""
    if request.status != OPEN:
        return
    if request.is_running and request.replica and request.replica.iteration:
        request.is_marked = True
        return
    replica = request.replica
    if replica:
        if not request.is_running:
            replica.queues[_priority(world.settings, request, replica)].remove(request)
        _leave(request)
    request.replica = replica
    _end(world, request, ABORTED, now)


def _leave(request: Request) -> None:
    """The request is no more on its replica; one that drains is off when the last has left."""
    replica = request.replica
    assert replica is not None
    if request.is_running:
        replica.running.remove(request)
        replica.release(request)
    replica.outstanding -= 1
    replica.queued_tokens -= request.queued
    request.queued, request.is_running, request.replica = 0, False, None
    if replica.state == DRAINING and replica.outstanding == 0:
        replica.state = OFF


def _end(world: World, request: Request, status: int, now: int) -> None:
    """The request has ended; who follows it becomes due."""
    request.status, request.end_ns = status, now
    request.ended_on = request.replica.index if request.replica else -1
    world.n_open -= 1
    answered = now + request.latency_ns if status == COMPLETED else now
    row, think_ns = world.follower[request.row]
    if world.unsent:
        row, think_ns = world.unsent.popleft(), 0
    if row >= 0:
        heapq.heappush(world.held, (answered + think_ns, row))


# --- phase 5: an iteration begins


def _begin(world: World, replica: Replica, now: int) -> None:
    """Who decodes, who is preempted, who is admitted, and how long that takes."""
    settings, pool = world.settings, replica.pool
    if replica.clock_ns < now:  # it stood idle
        replica.clock_ns, replica.rest_fs = now, 0
    n_running = len(replica.running)
    decoding = _grow(settings, replica)
    chunks = _continue_prefill(settings, replica)
    decoding = [request for request in decoding if request.is_running]  # without victims of the chunk
    load_fs = 0
    if len(replica.running) == n_running:  # nobody was preempted
        load_fs = _admit(settings, replica, decoding, chunks)
    if not decoding and not chunks:
        return
    context = sum(request.context + request.surplus // 2 for request in decoding)
    tokens = sum(n for _, n in chunks)
    weighted = sum(n * (2 * request.done + n) for request, n in chunks)
    decode = int(decode_fs(world.steps, pool, len(decoding), context)) if decoding else 0
    prefill = int(prefill_fs(world.steps, pool, tokens, weighted)) if chunks else 0
    time_fs = int(mixed_fs(decode, prefill, int(world.steps.shared[pool]))) + load_fs
    carry_ns, rest_fs = divmod(replica.rest_fs + time_fs, FS_PER_NS)
    both = int(bool(decoding and chunks))
    replica.iteration = Iteration(
        decoding=decoding, chunks=chunks, time_fs=time_fs, end_ns=replica.clock_ns + carry_ns, rest_fs=rest_fs,
        done=(int(bool(decoding)), len(decoding), context, int(bool(chunks)), both, tokens, weighted),
    )  # fmt: skip


def _grow(settings: Settings, replica: Replica) -> list[Request]:
    """(a) Every decoding request gets room for one more token; who decodes."""
    while True:
        decoding = [request for request in replica.running if request.is_decoding]
        needs = [_missing(replica, request, request.context + request.surplus + 1) for request in decoding]
        if replica.fits(sum(needs)):
            break
        _preempt(settings, replica)
    replica.take(sum(needs))
    for request, need in zip(decoding, needs, strict=True):
        request.blocks += need
    return decoding


def _continue_prefill(settings: Settings, replica: Replica) -> list[tuple[Request, int]]:
    """(b) The chunk of the request that is partly prefilled, if there is one and it stays."""
    while replica.running and not replica.running[-1].is_decoding:
        request = replica.running[-1]
        n_decoding = sum(other.is_decoding for other in replica.running)
        chunk = min(request.total - request.done, int(settings.budget[replica.pool]) - n_decoding)
        need = _missing(replica, request, _reach(request, request.done + chunk))
        if replica.fits(need):
            replica.take(need)
            request.blocks += need
            return [(request, chunk)]
        _preempt(settings, replica)
    return []


def _admit(settings: Settings, replica: Replica, decoding: list[Request], chunks: list[tuple[Request, int]]) -> int:
    """(c) Moves requests from the queue to ``decoding`` or ``chunks``; time to load given tokens [fs]."""
    pool = replica.pool
    budget = int(settings.budget[pool]) - len(decoding) - sum(n for _, n in chunks)
    loaded = 0
    while budget > 0 and len(replica.running) < settings.max_sequences[pool]:
        request = next(iter(replica.waiting()), None)
        if request is None:
            break
        hits: list[int] = []
        if request.brings_cache:
            found, chunk = request.total, 0
            need = replica.blocks_for(request.total + request.surplus + 1)
        else:
            hits = replica.leading_hits(request)
            found = len(hits) * replica.hashed
            if settings.cache[pool] == CACHE_GIVEN:
                found = min(request.cached, request.total - 1)
            chunk = min(request.total - found, budget)
            need = replica.blocks_for(_reach(request, found + chunk)) - len(hits) * replica.blocks_per_id
        whole = replica.blocks_for(request.total + request.surplus + int(request.brings_cache))
        kept = sum(name not in replica.loose for name in hits)  # hits that are held already
        if not replica.fits(whole - kept * replica.blocks_per_id):
            break
        for name in hits:
            replica.refer(name)
        replica.take(need)
        replica.queues[_priority(settings, request, replica)].popleft()
        replica.running.append(request)
        request.is_running, request.done = True, found
        request.n_known, request.blocks = len(hits), need + len(hits) * replica.blocks_per_id
        if request.admitted_ns < 0:
            request.admitted_ns, request.hits = replica.clock_ns, found
        if request.brings_cache:
            request.brings_cache = False
            decoding.append(request)
            budget -= 1
        else:
            chunks.append((request, chunk))
            budget -= chunk
            loaded += found if settings.cache[pool] == CACHE_GIVEN else 0
    return loaded * int(settings.load_fs[pool])


def _reach(request: Request, tokens: int) -> int:
    """Tokens to have blocks for once ``tokens`` are prefilled: the last chunk reserves the surplus."""
    return tokens + request.surplus if tokens == request.total else tokens


def _missing(replica: Replica, request: Request, tokens: int) -> int:
    """Blocks that the request needs for so many tokens, less those it holds."""
    return max(replica.blocks_for(tokens) - request.blocks, 0)


def _preempt(settings: Settings, replica: Replica) -> None:
    """The victim goes to the front of its queue, and has to compute what it had again."""
    last, victim = max(enumerate(replica.running), key=lambda one: (_priority(settings, one[1], replica), one[0]))
    del replica.running[last]
    if victim.is_decoding:
        extra = victim.surplus * victim.decoded // victim.left
        victim.generated += victim.decoded + extra
        victim.total = victim.inputs + victim.generated
        victim.left -= victim.decoded
        victim.surplus -= extra
        victim.queued = victim.total
        replica.queued_tokens += victim.total
    victim.is_running, victim.done, victim.decoded = False, 0, 0
    victim.preemptions += 1
    replica.release(victim)
    replica.queues.setdefault(_priority(settings, victim, replica), deque()).appendleft(victim)


# --- phase 2: an iteration ends


def _complete(world: World, replica: Replica) -> None:
    """Chunks count, tokens are emitted, and who is through leaves, by row."""
    iteration = replica.iteration
    assert iteration is not None
    replica.iteration = None
    replica.clock_ns, replica.rest_fs = iteration.end_ns, iteration.rest_fs
    replica.busy_fs += iteration.time_fs
    replica.iterations += 1
    replica.done = tuple(map(sum, zip(replica.done, iteration.done, strict=True)))
    through = [request for request in replica.running if request.is_marked]
    hands_over = world.settings.hands_to[replica.pool] >= 0
    for request in iteration.decoding:
        if not request.is_marked:
            request.decoded += 1
            if request.decoded == request.left:
                through.append(request)
    for request, n in iteration.chunks:
        if not request.is_marked:
            request.done += n
            replica.learn(request, request.done)
            if request.done == request.total:
                _prefilled(replica, request)
                if request.left == 0 or hands_over:
                    through.append(request)
    for request in sorted(through, key=attrgetter("row")):
        if request.is_marked:
            status = ABORTED
        elif request.decoded == request.left:
            status = COMPLETED
            replica.learn(request, request.inputs + request.outputs - 1)
        else:
            status = OPEN
        _leave(request)
        if status == OPEN:
            _hand_over(world, request, replica)
        else:
            request.replica = replica
            _end(world, request, status, replica.clock_ns)


def _prefilled(replica: Replica, request: Request) -> None:
    """The prompt is computed and a token emitted: the first, or after a preemption the next."""
    replica.queued_tokens -= request.queued
    request.queued = 0
    if request.generated == 0:
        request.first_ns = replica.clock_ns
    else:
        request.left -= 1
    request.generated += 1


def _hand_over(world: World, request: Request, replica: Replica) -> None:
    """The request travels with its cache to the pool that decodes."""
    settings, pool = world.settings, replica.pool
    transfer_ns = int(settings.transfer_ns[pool]) + int(settings.transfer_fs[pool]) * request.inputs // FS_PER_NS
    request.decode_pool, request.brings_cache = int(settings.hands_to[pool]), True
    heapq.heappush(world.held, (replica.clock_ns + transfer_ns, request.row))
