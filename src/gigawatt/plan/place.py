"""Work that lacks a place, put into spare capacity: a kernel over draws, numbers only.

For each draw, lanes in the order of what an IT MW saves: first work of its block, then work that may wait within the
day.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@njit(cache=True, nogil=True)
def place(
    spare: Floats,
    lacks: Floats,
    daily: Floats,
    hours: Floats,
    order: Ints,
    lane_pool: Ints,
    lane_class: Ints,
    rate: Floats,
    now: Bools,
    at_work: Floats,
    more: Floats,
) -> None:
    """Fills spare capacity in place.

    Args:
        spare: (draw, pool, block) MW, used up.
        lacks: (draw, workload, block) Mwork/s, what still lacks is left; read for classes of ``now`` only.
        daily: (draw, workload) Mwork/s of the day, likewise, for the others.
        hours: (block,) share of the day.
        order: lanes, first served first.
        lane_pool: (lane,) its pool.
        lane_class: (lane,) its workload.
        rate: (lane,) Mwork/s a MW.
        now: (workload,) whether work must be done in its block.
        at_work: (draw, lane) MW, mean of the day, added to.
        more: (draw, workload) Mwork/s, mean of the day, added to.
    """
    for draw in range(spare.shape[0]):
        for turn in range(2):
            for lane in order:
                pool, kind = lane_pool[lane], lane_class[lane]
                if now[kind] != (turn == 0) or rate[lane] <= 0.0:
                    continue
                for b in range(hours.size):
                    want = lacks[draw, kind, b] if turn == 0 else daily[draw, kind] / hours[b]
                    if want <= 1e-9 or spare[draw, pool, b] <= 0.0:
                        continue
                    take = min(want / rate[lane], spare[draw, pool, b])
                    spare[draw, pool, b] -= take
                    at_work[draw, lane] += hours[b] * take
                    more[draw, kind] += hours[b] * take * rate[lane]
                    if turn == 0:
                        lacks[draw, kind, b] -= take * rate[lane]
                    else:
                        daily[draw, kind] -= hours[b] * take * rate[lane]
