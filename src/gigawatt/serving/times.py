"""How long steps and runs of steps take, from the addresses a pool holds; the arithmetic is that of ``steps``."""

from __future__ import annotations

import math

from gigawatt.serving import memory as c
from gigawatt.serving.inputs import Floats, Integers
from gigawatt.serving.steps import kernel


@kernel
def _cell(m: Integers, pool: int, b: int, total: int) -> int:
    at = m[pool + c.P_CONTEXT]
    low, high = 0, m[pool + c.P_N_CONTEXT]
    while high - low > 1:
        middle = (low + high) // 2
        if m[at + middle] * b <= total:
            low = middle
        else:
            high = middle
    return low


@kernel
def step_fs(m: Integers, pool: int, b: int, total: int) -> int:
    """Time of one decode step of b sequences with ``total`` tokens in cache together [fs]."""
    j = _cell(m, pool, b, total)
    at = m[pool + c.P_TIMES] + 2 * (b * m[pool + c.P_N_CONTEXT] + j)
    return m[at] + m[at + 1] * (total - b * m[m[pool + c.P_CONTEXT] + j])


@kernel
def pass_fs(m: Integers, x: Floats, pool: int, tokens: int, weighted: int) -> int:
    """Time of one prefill pass [fs]; see ``steps.prefill_fs``."""
    n, n_cached = m[pool + c.P_N_TOKENS], m[pool + c.P_N_CACHED]
    behind = 0.5 * weighted / tokens - 0.5 * tokens
    seconds = _bilinear(
        float(tokens), behind, x, m[pool + c.P_TOKENS], n, m[pool + c.P_CACHED], n_cached, m[pool + c.P_PREFILL]
    )
    return max(int(seconds * 1e15 + 0.5), 1_000_000)


@kernel
def _index(at: float, x: Floats, axis: int, n: int) -> int:
    low, high = 0, n - 1
    while high - low > 1:
        middle = (low + high) // 2
        if x[axis + middle] <= at:
            low = middle
        else:
            high = middle
    return low


@kernel
def _bilinear(u: float, v: float, x: Floats, xs: int, n: int, ys: int, n_y: int, z: int) -> float:
    """``perf.interpolate.bilinear`` on axes and values at addresses: the same operations in the same order."""
    i, j = _index(u, x, xs, n), _index(v, x, ys, n_y)
    at = z + i * n_y + j
    corner = x[at]
    b, rise, d = 0.0, 0.0, 0.0
    if n > 1:
        b = (x[at + n_y] - corner) / (x[xs + i + 1] - x[xs + i])
    if n_y > 1:
        rise = (x[at + 1] - corner) / (x[ys + j + 1] - x[ys + j])
        if n > 1:
            slope = (x[at + n_y + 1] - x[at + 1]) / (x[xs + i + 1] - x[xs + i])
            d = (slope - b) / (x[ys + j + 1] - x[ys + j])
    du, dv = u - x[xs + i], v - x[ys + j]
    return max(corner + b * du + (rise + d * du) * dv, 0.0)


@kernel
def steps_to(m: Integers, pool: int, b: int, total: int, n: int, wanted: int) -> tuple[int, int]:
    """(k, time [fs]) of the fewest steps k, 1 <= k <= n, in a row that take at least ``wanted``; n if all take less.

    Each step adds b tokens to ``total``. One arithmetic series per cell that is passed through.
    """
    spent, done = 0, 0
    n_cells = m[pool + c.P_N_CONTEXT]
    at_context = m[pool + c.P_CONTEXT]
    j = _cell(m, pool, b, total)
    at = m[pool + c.P_TIMES] + 2 * (b * n_cells + j)
    while done < n:
        here = n - done
        if j + 1 < n_cells:
            border = m[at_context + j + 1] * b
            here = min(here, (border - total + b - 1) // b)
        if here > 0:
            first = m[at] + m[at + 1] * (total - b * m[at_context + j])
            rise = m[at + 1] * b
            time = here * first + rise * (here * (here - 1) // 2)
            if spent + time >= wanted:
                k = _fewest(first, rise, wanted - spent, here)
                return done + k, spent + k * first + rise * (k * (k - 1) // 2)
            spent += time
            done += here
            total += here * b
        j += 1
        at += 2
    return n, spent


@kernel
def run_fs(m: Integers, pool: int, b: int, total: int, n: int) -> int:
    """Time of n decode steps in a row [fs]."""
    return steps_to(m, pool, b, total, n, 9_000_000_000_000_000_000)[1]


@kernel
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


@kernel
def longest_run(m: Integers, pool: int, b: int, total: int, n: int) -> int:
    """At most n steps in a row whose time an int64 can hold in femtoseconds."""
    if n > 1024:
        while n > 1 and 1.0 * n * step_fs(m, pool, b, total + n * b) > 4e18:
            n //= 2
    return n
