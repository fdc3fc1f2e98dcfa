"""Kernels of the replay: what is accepted where there is room, and what work is done with what stands. Numbers only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_NOTHING = 1e-9
"""Mwork/s that are not worth a place."""


@njit(cache=True, nogil=True)
def accept(
    arrived: Floats,
    room: Floats,
    group: Ints,
    load: Floats,
    start: Floats,
    gone: Floats,
    early: Floats,
    term: Ints,
    tests: Ints,
    accepted: Floats,
    stock: Floats,
) -> None:
    """Puts what has arrived where there is room, draw by draw, and lets go what the plan retires.

    A system that is tested for some quarters before it is accepted needs its room from the first of them; tests that
    begin before the first quarter are over in time. A group without enough room shares it among those that wait, in
    proportion to what they need.

    Args:
        arrived: (draw, offer, quarter) IT MW that would be accepted by then if there were room, cumulative.
        room: (draw, group, quarter) facility MW of halls.
        group: (offer,) the halls it stands in.
        load: (offer,) facility MW for an IT MW.
        start: (offer,) IT MW that stand at the start.
        gone: (offer, quarter) IT MW that the plan retires, cumulative.
        early: (offer, quarter) of these, what leaves before its term, cumulative.
        term: (offer,) quarters from acceptance before which nothing else may leave.
        tests: (offer,) quarters of tests before acceptance.
        accepted: (draw, offer, quarter) IT MW accepted since the start, filled.
        stock: (draw, offer, quarter) IT MW that stand, filled.
    """
    n_draws, n_offers, n_quarters = arrived.shape
    begun, left = np.zeros((n_offers, n_quarters)), np.zeros(n_offers)
    need, free = np.zeros(room.shape[1]), np.zeros(room.shape[1])
    for draw in range(n_draws):
        for q in range(n_quarters):
            need[:] = 0.0
            free[:] = room[draw, :, q]
            for o in range(n_offers):
                may = start[o] + early[o, q]
                if term[o] <= q:
                    may += accepted[draw, o, q - term[o]]
                left[o] = min(gone[o, q], may)
                before = begun[o, q - 1] if q > 0 else 0.0
                need[group[o]] += (arrived[draw, o, min(q + tests[o], n_quarters - 1)] - before) * load[o]
                free[group[o]] -= (start[o] + before - left[o]) * load[o]
            for o in range(n_offers):
                g = group[o]
                share = 1.0
                if need[g] > 1e-12:
                    share = min(1.0, max(free[g], 0.0) / need[g])
                if share > 1.0 - 1e-9:
                    share = 1.0
                before = begun[o, q - 1] if q > 0 else 0.0
                waits = arrived[draw, o, min(q + tests[o], n_quarters - 1)] - before
                begun[o, q] = before + waits * share
                done = begun[o, max(q - tests[o], 0)]
                accepted[draw, o, q] = done if tests[o] == 0 else min(done, arrived[draw, o, q])
                stock[draw, o, q] = max(start[o] + accepted[draw, o, q] - left[o], 0.0)


@njit(cache=True, nogil=True)
def operate(
    room: Floats,
    runs: Floats,
    demand: Floats,
    scale: Floats,
    most: Floats,
    given_up: Floats,
    put_off: Floats,
    pace: Floats,
    now: Bools,
    hours: Floats,
    used: Ints,
    planned: Floats,
    rate: Floats,
    run: Floats,
    speed: Floats,
    paid: Floats,
    price: Floats,
    order: Ints,
    lane_pool: Ints,
    lane_class: Ints,
    carried: Floats,
    unmet: Floats,
    money: Floats,
    work: Floats,
) -> None:
    """One quarter's work in every draw: planned work where it was planned, then what lacks in spare capacity.

    What the plan gives up or puts off is no lack: of what is not done that much stays so. Only what lacks beyond it
    is placed, and then waits as far as it may.

    Args:
        room: (draw, pool) IT MW that work.
        runs: (draw, workload) 1, or 0 while its gang does not stand.
        demand: (workload, block) Mwork/s to be served, less what policy gates; negative where it gates more.
        scale: (draw, workload) factor on it.
        most: (workload,) Mwork/s of a day: the most that may be carried over; 0 where nothing may.
        given_up: (workload, block) Mwork/s that the plan leaves unmet.
        put_off: (workload,) Mwork/s of a day that the plan carries over.
        pace: (workload, block) Mwork/s that can be done at most.
        now: (workload,) whether work must be done in its block.
        hours: (block,) share of the day.
        used: lanes with planned work.
        planned: (lane, block) IT MW.
        rate: (lane,) Mwork/s a MW.
        run: (lane,) running cost [MUSD per MW].
        speed: (lane,) worth of speed [MUSD per Mwork/s], and ``paid`` (lane,) the share of it that is income.
        paid: see above.
        price: (workload,) income [MUSD per Mwork/s].
        order: lanes that may do more than planned, first served first.
        lane_pool: (lane,) its pool.
        lane_class: (lane,) its workload.
        carried: (draw, workload) Mwork/s that waited from the quarter before; what waits now is left.
        unmet: (draw, workload) Mwork/s, filled.
        money: (draw, 3) running cost, income, worth of speed [MUSD], added to.
        work: (draw, pool, block) IT MW at work, filled.
    """
    n_draws, n_pools = room.shape
    n_classes, n_blocks = demand.shape
    spare, lacks, able = np.empty((n_pools, n_blocks)), np.empty(demand.shape), np.empty(demand.shape)
    need, share, daily, kept = np.empty(n_pools), np.empty(n_pools), np.empty(n_classes), np.empty(n_classes)
    for draw in range(n_draws):
        for b in range(n_blocks):
            need[:] = 0.0
            for lane in used:
                need[lane_pool[lane]] += planned[lane, b] * runs[draw, lane_class[lane]]
            for p in range(n_pools):
                part = 1.0
                if need[p] > 1e-12:
                    part = min(1.0, room[draw, p] / need[p])
                share[p] = 1.0 if part > 1.0 - 1e-7 else part
                spare[p, b] = room[draw, p] - need[p] * share[p]
            for c in range(n_classes):
                lacks[c, b] = scale[draw, c] * demand[c, b]
                able[c, b] = pace[c, b] if runs[draw, c] > 0.0 else 0.0
            for lane in used:
                c = lane_class[lane]
                at_work = planned[lane, b] * share[lane_pool[lane]] * runs[draw, c]
                done = at_work * rate[lane]
                lacks[c, b] -= done
                able[c, b] -= done
                money[draw, 0] += hours[b] * at_work * run[lane]
                money[draw, 1] += hours[b] * done * (price[c] + speed[lane] * paid[lane])
                money[draw, 2] += hours[b] * done * speed[lane]
        for c in range(n_classes):
            unmet[draw, c], kept[c], daily[c] = 0.0, 0.0, 0.0
            if now[c]:
                for b in range(n_blocks):
                    lack = max(lacks[c, b], 0.0)
                    lacks[c, b] = max(lack - given_up[c, b], 0.0)
                    unmet[draw, c] += hours[b] * (lack - lacks[c, b])
                continue
            left, never = carried[draw, c], 0.0
            for b in range(n_blocks):
                left += hours[b] * lacks[c, b]
                never += hours[b] * given_up[c, b]
            left = max(left, 0.0)
            unmet[draw, c] = min(left, never)
            kept[c] = min(left - unmet[draw, c], put_off[c])
            daily[c] = left - unmet[draw, c] - kept[c]
        _place(spare, able, lacks, daily, hours, order, lane_pool, lane_class, rate, now, run, price, money[draw])
        for c in range(n_classes):
            left = daily[c]
            if now[c]:
                for b in range(n_blocks):
                    left += hours[b] * lacks[c, b]
            if left < _NOTHING:
                left = 0.0
            waits = 0.0 if now[c] else min(left + kept[c], most[c])
            unmet[draw, c] += left + kept[c] - waits
            carried[draw, c] = waits
        for p in range(n_pools):
            for b in range(n_blocks):
                work[draw, p, b] = room[draw, p] - spare[p, b]


@njit(cache=True, nogil=True)
def _place(
    spare: Floats,
    able: Floats,
    lacks: Floats,
    daily: Floats,
    hours: Floats,
    order: Ints,
    lane_pool: Ints,
    lane_class: Ints,
    rate: Floats,
    now: Bools,
    run: Floats,
    price: Floats,
    money: Floats,
) -> None:
    """Fills spare capacity in one draw: first work of its block, then work that may wait within the day.

    ``spare`` (pool, block) MW, ``able`` (workload, block) Mwork/s that can still be done, ``lacks`` (workload, block)
    of classes of ``now`` and ``daily`` (workload) of the others are used up; ``money`` is added to, running cost and
    income.
    """
    n_blocks = hours.size
    asks = np.zeros(daily.size, dtype=np.bool_)
    for c in range(daily.size):
        asks[c] = daily[c] > _NOTHING
        if now[c]:
            asks[c] = False
            for b in range(n_blocks):
                asks[c] |= lacks[c, b] > _NOTHING
    for turn in range(2):
        some = False
        for c in range(daily.size):
            some |= asks[c] and now[c] == (turn == 0)
        if not some:
            continue
        for lane in order:
            c = lane_class[lane]
            if not asks[c] or now[c] != (turn == 0) or rate[lane] <= 0.0:
                continue
            pool = lane_pool[lane]
            for b in range(n_blocks):
                want = lacks[c, b] if turn == 0 else daily[c] / hours[b]
                want = min(want, able[c, b])
                if want <= _NOTHING or spare[pool, b] <= 0.0:
                    continue
                take = min(want / rate[lane], spare[pool, b])
                done = take * rate[lane]
                spare[pool, b] -= take
                able[c, b] -= done
                money[0] += hours[b] * take * run[lane]
                money[1] += hours[b] * done * price[c]
                if turn == 0:
                    lacks[c, b] -= done
                else:
                    daily[c] -= hours[b] * done
            if turn == 1:
                asks[c] = daily[c] > _NOTHING
