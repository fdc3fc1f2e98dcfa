"""How long steps and runs of steps take, from the addresses a pool holds; the arithmetic is that of ``steps``."""

from __future__ import annotations

import math

from gigawatt.serving import memory as c
from gigawatt.serving.inputs import Floats, Integers
from gigawatt.serving.steps import part, quotient


@part
def cell_of(m: Integers, pool: int, b: int, total: int, near: int) -> int:
    """Cell of the context axis that holds a mean of ``total`` / b tokens; the search starts from ``near``."""
    at, last = m[pool + c.P_CONTEXT], m[pool + c.P_N_CONTEXT] - 1
    j = near
    while j < last and m[at + j + 1] * b <= total:
        j += 1
    while m[at + j] * b > total:
        j -= 1
    return j


@part
def step_fs(m: Integers, pool: int, b: int, total: int, j: int) -> int:
    """Time of one decode step of b sequences with ``total`` tokens in cache together, in cell j [fs]."""
    at = m[pool + c.P_TIMES] + 2 * (b * m[pool + c.P_N_CONTEXT] + j)
    return m[at] + m[at + 1] * (total - b * m[m[pool + c.P_CONTEXT] + j])


@part
def pass_fs(m: Integers, x: Floats, pool: int, tokens: int, weighted: int) -> int:
    """Time of one prefill pass [fs]; see ``steps.prefill_fs``.

    ``perf.interpolate.bilinear`` with the slopes of each cell at hand: the same operations in the same order.
    """
    xs, n = m[pool + c.P_TOKENS], m[pool + c.P_N_TOKENS]
    ys, n_y = m[pool + c.P_CACHED], m[pool + c.P_N_CACHED]
    u, v = float(tokens), 0.5 * weighted / tokens - 0.5 * tokens
    i, j = _index(u, x, xs, n), _index(v, x, ys, n_y)
    at = m[pool + c.P_PREFILL] + 4 * (i * n_y + j)
    du, dv = u - x[xs + i], v - x[ys + j]
    seconds = max(x[at] + x[at + 1] * du + (x[at + 2] + x[at + 3] * du) * dv, 0.0)
    return max(int(seconds * 1e15 + 0.5), 1_000_000)


@part
def _index(at: float, x: Floats, axis: int, n: int) -> int:
    low, high = 0, n - 1
    while high - low > 1:
        middle = (low + high) // 2
        if x[axis + middle] <= at:
            low = middle
        else:
            high = middle
    return low


@part
def steps_to(m: Integers, pool: int, b: int, total: int, j: int, n: int, wanted: int) -> tuple[int, int]:
    """(k, time [fs]) of the fewest steps k, 1 <= k <= n, in a row that take at least ``wanted``; n if all take less.

    Each step adds b tokens to ``total``, which lies in cell j. One arithmetic series per cell that is passed through.
    """
    spent, done = 0, 0
    context, last = m[pool + c.P_CONTEXT] + j, m[pool + c.P_CONTEXT] + m[pool + c.P_N_CONTEXT] - 1
    at = m[pool + c.P_TIMES] + 2 * (b * m[pool + c.P_N_CONTEXT] + j)
    while True:
        here = n - done
        if context < last:
            room = m[context + 1] * b - total
            if (here - 1) * b >= room:
                here = quotient(room + b - 1, b)
        first = m[at] + m[at + 1] * (total - b * m[context])
        rise = m[at + 1] * b
        time = here * first + rise * (here * (here - 1) // 2)
        if spent + time >= wanted:
            k = _fewest(first, rise, wanted - spent, here)
            return done + k, spent + k * first + rise * (k * (k - 1) // 2)
        spent += time
        done += here
        if done == n:
            return n, spent
        total += here * b
        context += 1
        at += 2


@part
def run_fs(m: Integers, pool: int, b: int, total: int, j: int, n: int) -> int:
    """Time of n decode steps in a row [fs]."""
    return steps_to(m, pool, b, total, j, n, 9_000_000_000_000_000_000)[1]


@part
def _fewest(first: int, rise: int, wanted: int, most: int) -> int:
    """Fewest k >= 1 with k first + rise k (k - 1) / 2 >= wanted, known to be at most ``most``."""
    if wanted <= first:
        return 1
    if rise == 0:
        return (wanted + first - 1) // first
    half, twice = first / rise - 0.5, 2.0 * (wanted / rise)
    k = int(twice / (math.sqrt(half * half + twice) + half))
    k = min(max(k, 1), most)
    while k > 1 and (k - 1) * first + rise * ((k - 1) * (k - 2) // 2) >= wanted:
        k -= 1
    while k * first + rise * (k * (k - 1) // 2) < wanted:
        k += 1
    return k


@part
def longest_run(m: Integers, pool: int, b: int, total: int, j: int, n: int) -> int:
    """At most n steps in a row whose time an int64 can hold in femtoseconds."""
    if n > 1024:
        while n > 1 and 1.0 * n * step_fs(m, pool, b, total + n * b, cell_of(m, pool, b, total + n * b, j)) > 4e18:
            n //= 2
    return n
