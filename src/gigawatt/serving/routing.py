"""Which lane and which replica takes a request, and whether it is let in. See ``policies``."""

from __future__ import annotations

from gigawatt.serving import memory as c
from gigawatt.serving.inputs import Floats, Integers
from gigawatt.serving.policies import ACTIVE, AFFINITY, DRAWS, HOME_DRAW, LEAST, ROUND_ROBIN
from gigawatt.serving.steps import kernel, part, remainder


@kernel
def list_active(m: Integers, pool: int) -> None:
    """Lists the pool's active replicas anew, by index."""
    n, replica = 0, m[pool + c.P_FIRST]
    for _ in range(m[pool + c.P_N]):
        m[m[replica + c.R_LOAD]] = m[replica + c.R_OUTSTANDING] + c.AWAY
        if m[replica + c.R_STATE] == ACTIVE:
            m[m[replica + c.R_LOAD]] -= c.AWAY
            m[m[pool + c.P_ACTIVE] + n] = replica
            n += 1
        replica += c.R_COLUMNS
    m[pool + c.P_N_ACTIVE] = n


@part
def mixed(value: int) -> int:
    """splitmix64 of a 64-bit number, as its signed twin."""
    z = value + -7046029254386353131
    z = (z ^ ((z >> 30) & 0x3FFFFFFFF)) * -4658895280553007687
    z = (z ^ ((z >> 27) & 0x1FFFFFFFFF)) * -7723592293110705685
    return z ^ ((z >> 31) & 0x1FFFFFFFF)


@part
def _draw(m: Integers, slot: int, of: int) -> int:
    """A 64-bit number drawn from the seed, the request's number and ``of``."""
    word = m[c.G_SEED] * -7046029254386353131 + m[slot + c.S_NUMBER] * -4658895280553007687
    return mixed(word + of * -7723592293110705685)


@kernel
def _modulo(value: int, n: int) -> int:
    """Remainder of a signed 64-bit number read as an unsigned one; n below 2^26."""
    high, low = (value >> 32) & 0xFFFFFFFF, value & 0xFFFFFFFF
    return remainder(remainder(high, n) * remainder(4294967296, n) + remainder(low, n), n)


@part
def _fewest(m: Integers, pool: int) -> int:
    """The active replica with the fewest outstanding requests, the first of several."""
    loads, n = m[pool + c.P_LOADS], m[pool + c.P_N]
    least = m[loads]
    for k in range(1, n):
        least = min(least, m[loads + k])
    k = 0
    while m[loads + k] != least:
        k += 1
    return m[pool + c.P_FIRST] + k * c.R_COLUMNS


@part
def pick(m: Integers, x: Floats, pool: int, slot: int) -> int:
    """Replica of a pool that takes the request."""
    active, n, how = m[pool + c.P_ACTIVE], m[pool + c.P_N_ACTIVE], m[pool + c.P_ROUTER]
    if how == ROUND_ROBIN:
        chosen = m[active + remainder(m[pool + c.P_TURN], n)]
        m[pool + c.P_TURN] += 1
        return chosen
    if n == 1:
        return m[active]
    if how == LEAST:
        return _fewest(m, pool)
    if how == AFFINITY:
        preferred = m[active + _modulo(mixed(m[slot + c.S_KEY]), n)]
        total = 0
        for k in range(n):
            total += m[m[active + k] + c.R_OUTSTANDING]
        bound = x[m[pool + c.P_REALS] + c.X_BOUND] * (total / n) + 4.0
        return preferred if m[preferred + c.R_OUTSTANDING] <= bound else _fewest(m, pool)
    draw = _draw(m, slot, m[slot + c.S_TRIES])
    a = m[active + remainder(draw & 0xFFFFFFFF, n)]
    b = m[active + remainder((draw >> 32) & 0xFFFFFFFF, n)]
    return b if m[b + c.R_OUTSTANDING] < m[a + c.R_OUTSTANDING] else a


@part
def home_of(m: Integers, slot: int) -> int:
    """Entry of the lane that is home to the request."""
    entry = m[m[slot + c.S_STREAM] + c.K_CHOICE]
    if m[entry + c.O_HOME] < DRAWS:
        drawn = _draw(m, slot, HOME_DRAW) & 0xFFFFFFFF
        while m[entry + c.O_HOME] <= drawn:
            entry += c.O_COLUMNS
    return entry


@part
def _has_room(m: Integers, x: Floats, pool: int) -> bool:
    """Whether fewer requests are outstanding at the pool than it may have."""
    places = m[pool + c.P_SEQUENCES] * m[pool + c.P_N_ACTIVE]
    return m[pool + c.P_OUTSTANDING] < x[m[pool + c.P_REALS] + c.X_SPILL_FILL] * places


@part
def lane_for(m: Integers, x: Floats, stream: int, home: int) -> int:
    """Entry of the lane that takes a request, from its home on; -1 if no lane has active replicas."""
    first, n_choice = m[stream + c.K_CHOICE], m[stream + c.K_N_CHOICE]
    there, entry = -1, home
    if n_choice == 1 and m[m[home + c.O_POOL] + c.P_HANDS_TO] < 0:
        return home if m[m[home + c.O_POOL] + c.P_N_ACTIVE] > 0 else -1
    for _ in range(n_choice):
        pool = m[entry + c.O_POOL]
        behind = m[pool + c.P_HANDS_TO]
        n = m[pool + c.P_N_ACTIVE]
        if n > 0 and (behind < 0 or m[behind + c.P_N_ACTIVE] > 0):
            if there < 0:
                there = entry
            wait = m[pool + c.P_QUEUED] * x[m[pool + c.P_REALS] + c.X_PREFILL_NS] / n
            if wait <= m[stream + c.K_SPILL] and _has_room(m, x, pool) and (behind < 0 or _has_room(m, x, behind)):
                return entry
        entry += c.O_COLUMNS
        if entry == first + n_choice * c.O_COLUMNS:
            entry = first
    return there


@part
def is_gated(m: Integers, x: Floats, stream: int) -> bool:
    """Whether the pools of the stream's lanes are so full that its requests are turned away."""
    gate = x[m[stream + c.K_GATE]]
    if gate > 1e300:
        return False
    used, places, entry = 0, 0, m[stream + c.K_CHOICE]
    for _ in range(m[stream + c.K_N_CHOICE]):
        pool = m[entry + c.O_POOL]
        used += m[pool + c.P_OUTSTANDING]
        places += m[pool + c.P_SEQUENCES] * m[pool + c.P_N_ACTIVE]
        behind = m[pool + c.P_HANDS_TO]
        if behind >= 0:
            used += m[behind + c.P_OUTSTANDING]
            places += m[behind + c.P_SEQUENCES] * m[behind + c.P_N_ACTIVE]
        entry += c.O_COLUMNS
    return used >= gate * places
