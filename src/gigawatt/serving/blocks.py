"""A replica's own prefix cache: known blocks by id, who references them, and which one goes first.

Known blocks are nodes. Those that nobody references are a chain from the oldest to the newest; free nodes are a chain
through B_NEWER from R_SPARE on. R_INDEX_TABLE is a hash table: the nodes of a place are a chain through B_NEXT.
"""

from __future__ import annotations

from gigawatt.serving import memory as c
from gigawatt.serving.inputs import Integers
from gigawatt.serving.steps import kernel, part


@part
def scramble(value: int) -> int:
    """A mixed 63-bit number of a key."""
    z = value * -7046029254386353131
    z ^= (z >> 29) & 0x7FFFFFFFF
    z *= -4658895280553007687
    z ^= (z >> 32) & 0xFFFFFFFF
    return z & 0x7FFFFFFFFFFFFFFF


@part
def _place(m: Integers, replica: int, key: int) -> int:
    """Place in the table where the chain of the key begins."""
    return m[replica + c.R_INDEX_TABLE] + (scramble(key) & m[replica + c.R_MASK])


@part
def find(m: Integers, replica: int, key: int) -> int:
    """Node of a known block, -1 if it is not known."""
    node = m[_place(m, replica, key)]
    while node >= 0 and m[node + c.B_ID] != key:
        node = m[node + c.B_NEXT]
    return node


@part
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


@part
def reference(m: Integers, replica: int, node: int) -> bool:
    """One reference more; whether nobody had referenced the block before."""
    was_idle = m[node + c.B_REFERENCES] == 0
    if was_idle:
        _unlink(m, replica, node)
    m[node + c.B_REFERENCES] += 1
    return was_idle


@part
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


@part
def learn(m: Integers, replica: int, key: int) -> None:
    """Makes a block known, with one reference."""
    node = m[replica + c.R_SPARE]
    m[replica + c.R_SPARE] = m[node + c.B_NEWER]
    m[node + c.B_ID] = key
    m[node + c.B_REFERENCES] = 1
    place = _place(m, replica, key)
    m[node + c.B_NEXT] = m[place]
    m[place] = node


@part
def _forget(m: Integers, replica: int, node: int) -> None:
    """Takes a block out of the table; its node is free."""
    place = _place(m, replica, m[node + c.B_ID])
    while m[place] != node:
        place = m[place] + c.B_NEXT
    m[place] = m[node + c.B_NEXT]
    m[node + c.B_NEWER] = m[replica + c.R_SPARE]
    m[replica + c.R_SPARE] = node


@part
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


@part
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
