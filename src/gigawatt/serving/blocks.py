"""A replica's own prefix cache: known blocks by id, who references them, and which one goes first.

Known blocks are nodes. Those that nobody references are a chain from the oldest to the newest; free nodes are a chain
through B_NEWER from R_SPARE on. R_INDEX_TABLE is a hash table with open addressing of addresses of nodes.
"""

from __future__ import annotations

from gigawatt.serving import memory as c
from gigawatt.serving.inputs import Integers
from gigawatt.serving.steps import kernel


@kernel
def scramble(value: int) -> int:
    """A mixed 63-bit number of a key."""
    z = value * -7046029254386353131
    z ^= (z >> 29) & 0x7FFFFFFFF
    z *= -4658895280553007687
    z ^= (z >> 32) & 0xFFFFFFFF
    return z & 0x7FFFFFFFFFFFFFFF


@kernel
def _place(m: Integers, replica: int, key: int) -> int:
    """Place in the table of the key, or of the gap where it would go."""
    mask, table = m[replica + c.R_MASK], m[replica + c.R_INDEX_TABLE]
    place = scramble(key) & mask
    while True:
        node = m[table + place]
        if node < 0 or m[node + c.B_ID] == key:
            return table + place
        place = (place + 1) & mask


@kernel
def find(m: Integers, replica: int, key: int) -> int:
    """Node of a known block, -1 if it is not known."""
    return m[_place(m, replica, key)]


@kernel
def _unlink(m: Integers, replica: int, node: int) -> None:
    """Takes an unreferenced node out of the chain of those that may go."""
    older, newer = m[node + c.B_OLDER], m[node + c.B_NEWER]
    if older < 0:
        m[replica + c.R_OLDEST] = newer
    else:
        m[older + c.B_NEWER] = newer
    if newer < 0:
        m[replica + c.R_NEWEST] = older
    else:
        m[newer + c.B_OLDER] = older
    m[replica + c.R_IDLE] -= 1


@kernel
def reference(m: Integers, replica: int, node: int) -> bool:
    """One reference more; whether nobody had referenced the block before."""
    was_idle = m[node + c.B_REFERENCES] == 0
    if was_idle:
        _unlink(m, replica, node)
    m[node + c.B_REFERENCES] += 1
    return was_idle


@kernel
def release(m: Integers, replica: int, key: int) -> bool:
    """One reference less; whether nobody references the block now, which makes it the newest that may go."""
    node = find(m, replica, key)
    m[node + c.B_REFERENCES] -= 1
    if m[node + c.B_REFERENCES] > 0:
        return False
    newest = m[replica + c.R_NEWEST]
    m[node + c.B_OLDER], m[node + c.B_NEWER] = newest, -1
    if newest < 0:
        m[replica + c.R_OLDEST] = node
    else:
        m[newest + c.B_NEWER] = node
    m[replica + c.R_NEWEST] = node
    m[replica + c.R_IDLE] += 1
    return True


@kernel
def learn(m: Integers, replica: int, key: int) -> None:
    """Makes a block known, with one reference."""
    node = m[replica + c.R_SPARE]
    m[replica + c.R_SPARE] = m[node + c.B_NEWER]
    m[node + c.B_ID] = key
    m[node + c.B_REFERENCES] = 1
    m[_place(m, replica, key)] = node


@kernel
def _forget(m: Integers, replica: int, node: int) -> None:
    """Takes a block out of the table; later entries of its run move up, so that no gap cuts a search short."""
    mask, table = m[replica + c.R_MASK], m[replica + c.R_INDEX_TABLE]
    gap = _place(m, replica, m[node + c.B_ID]) - table
    place = gap
    while True:
        place = (place + 1) & mask
        other = m[table + place]
        if other < 0:
            break
        home = scramble(m[other + c.B_ID]) & mask
        if ((place - home) & mask) >= ((place - gap) & mask):
            m[table + gap] = other
            gap = place
    m[table + gap] = -1
    m[node + c.B_NEWER] = m[replica + c.R_SPARE]
    m[replica + c.R_SPARE] = node


@kernel
def make_room(m: Integers, replica: int) -> None:
    """Forgets unreferenced blocks, the oldest first, until what is held and what is kept fit together."""
    pool = m[replica + c.R_POOL]
    each = m[pool + c.P_EACH]
    while m[replica + c.R_IDLE] > 0 and m[replica + c.R_HELD] + each * m[replica + c.R_IDLE] > m[pool + c.P_BLOCKS]:
        node = m[replica + c.R_OLDEST]
        _unlink(m, replica, node)
        _forget(m, replica, node)


@kernel
def forget_all(m: Integers, replica: int) -> None:
    """An empty cache, as after a failure."""
    table, n = m[replica + c.R_INDEX_TABLE], m[replica + c.R_N_NODES]
    for k in range(m[replica + c.R_MASK] + 1):
        m[table + k] = -1
    node = m[replica + c.R_NODES]
    m[replica + c.R_SPARE] = node
    for k in range(n):
        m[node + c.B_REFERENCES] = 0
        m[node + c.B_NEWER] = node + c.B_COLUMNS if k + 1 < n else -1
        node += c.B_COLUMNS
    m[replica + c.R_IDLE] = 0
    m[replica + c.R_OLDEST] = m[replica + c.R_NEWEST] = -1


@kernel
def leading_known(m: Integers, ids: Integers, replica: int, at: int, most: int) -> tuple[int, int]:
    """(leading blocks from ``ids[at]`` on that are known, at most ``most``; how many of them nobody references)."""
    idle = 0
    for k in range(most):
        node = find(m, replica, ids[at + k])
        if node < 0:
            return k, idle
        if m[node + c.B_REFERENCES] == 0:
            idle += 1
    return most, idle
