"""Step times of replicas as whole femtoseconds: what kernel and twin both follow.

A decode step of b sequences with K tokens in cache together takes, within a cell of the table's context axis,

    t = base[b, j] + slope[b, j] (K - b ctx[j])           b ctx[j] <= K < b ctx[j + 1]   [fs]

``base`` and ``slope`` are whole numbers for every b, so that the sum of n steps is an arithmetic series and exact. A
prefill pass of N tokens is bilinear in (N, cached) in floats and is rounded once. Every step takes a nanosecond at
least. Quantisation: half a femtosecond a token of cache, 0.1 ppm of a step of 10 ms at 2 million tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import config, njit, types
from numba.extending import intrinsic

from gigawatt.perf.interpolate import bilinear
from gigawatt.perf.table import BANDS, Band, StepTable

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
_Function = TypeVar("_Function", bound=Callable[..., object])
_Array = TypeVar("_Array", bound=npt.NDArray[Any])

FS_PER_NS = 1_000_000
FS_PER_S = 1e15
LEAST_FS = FS_PER_NS  # of a step


def kernel(function: _Function) -> _Function:
    """``function`` compiled into those that call it."""
    return cast(_Function, njit(cache=True, nogil=True, error_model="numpy")(function))


def part(function: _Function) -> _Function:
    """``function`` as a part of those that call it: copied into them, where a call would cost as much as its work."""
    return cast(_Function, njit(cache=True, nogil=True, error_model="numpy", forceinline=True)(function))


class Steps(NamedTuple):
    """Step times of pools, one behind the other.

    Pool p owns ``base[at[p] + b n_context[p] + j]`` for b = 0 .. largest and j < n_context[p], ``context[at_context[p]
    + j]`` (tokens, the first is 0), and ``prefill[at_prefill[p] + i n_cached[p] + j]`` in seconds over ``tokens`` and
    ``cached``.
    """

    base: Integers  # fs
    slope: Integers  # fs per token in cache
    at: Integers
    context: Integers
    at_context: Integers
    n_context: Integers
    prefill: Floats  # s
    at_prefill: Integers
    tokens: Floats
    at_tokens: Integers
    n_tokens: Integers
    cached: Floats
    at_cached: Integers
    n_cached: Integers
    shared: Integers  # (pool,) fs counted in both parts of a mixed step


def steps_of(tables: Sequence[StepTable], max_sequences: Sequence[int], band: Band = "central") -> Steps:
    """Step times of one pool per table, for up to ``max_sequences`` decoding sequences each."""
    parts = [_decode(table, most, band) for table, most in zip(tables, max_sequences, strict=True)]
    end = BANDS.index(band)
    return Steps(
        base=_joined([part[0].ravel() for part in parts]),
        slope=_joined([part[1].ravel() for part in parts]),
        at=_offsets([part[0].size for part in parts]),
        context=_joined([part[2] for part in parts]),
        at_context=_offsets([part[2].size for part in parts]),
        n_context=np.array([part[2].size for part in parts], dtype=np.int64),
        prefill=np.concatenate([table.prefill_s[end].ravel() for table in tables]),
        at_prefill=_offsets([table.prefill_s[end].size for table in tables]),
        tokens=np.concatenate([table.new_tokens for table in tables]),
        at_tokens=_offsets([table.new_tokens.size for table in tables]),
        n_tokens=np.array([table.new_tokens.size for table in tables], dtype=np.int64),
        cached=np.concatenate([table.cached for table in tables]),
        at_cached=_offsets([table.cached.size for table in tables]),
        n_cached=np.array([table.cached.size for table in tables], dtype=np.int64),
        shared=np.array([round(table.shared_s[end] * FS_PER_S) for table in tables], dtype=np.int64),
    )


def _decode(table: StepTable, most: int, band: Band) -> tuple[Integers, Integers, Integers]:
    """(base, slope, context) of one table: at the corners what ``StepTable.decode`` says, linear between.

    A table that starts behind a context of 0 is continued to it, as the table continues itself.
    """
    context = np.unique(np.concatenate([[0.0], np.ceil(table.context)])).astype(np.int64)
    sequences = np.arange(most + 1, dtype=np.float64)[:, None]
    corners = table.decode(np.maximum(sequences, 1.0), context[None, :].astype(np.float64), band) * FS_PER_S
    base = np.maximum(np.rint(corners), LEAST_FS).astype(np.int64)
    slope = np.zeros_like(base)
    widths = np.diff(context) * np.maximum(sequences, 1.0)
    slope[:, :-1] = np.rint(np.diff(corners, axis=1) / widths).astype(np.int64)
    beyond = table.decode(np.maximum(sequences, 1.0), 2.0 * context[-1] + 1.0, band) * FS_PER_S
    slope[:, -1:] = np.rint((beyond - corners[:, -1:]) / (np.maximum(sequences, 1.0) * (context[-1] + 1.0)))
    return base, np.maximum(slope, 0), context


def _joined(arrays: Sequence[Integers]) -> Integers:
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype=np.int64)


def _offsets(sizes: Sequence[int]) -> Integers:
    return np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)


@kernel
def cell_of(steps: Steps, pool: int, b: int, total: int) -> int:
    """Index j of the cell that holds a mean context of ``total`` / b tokens."""
    at = steps.at_context[pool]
    low, high = 0, steps.n_context[pool]
    while high - low > 1:
        middle = (low + high) // 2
        if steps.context[at + middle] * b <= total:
            low = middle
        else:
            high = middle
    return low


@kernel
def decode_fs(steps: Steps, pool: int, b: int, total: int) -> int:
    """Time of one decode step of b sequences with ``total`` tokens in cache together [fs]."""
    j = cell_of(steps, pool, b, total)
    at = steps.at[pool] + b * steps.n_context[pool] + j
    time: int = steps.base[at] + steps.slope[at] * (total - b * steps.context[steps.at_context[pool] + j])
    return time


@kernel
def prefill_fs(steps: Steps, pool: int, tokens: int, weighted: int) -> int:
    """Time of one pass over prompts of n_i tokens behind c_i cached ones [fs].

    With N = ``tokens`` = sum n_i and Q = ``weighted`` = sum n_i (2 c_i + n_i), attention is that of one prompt of N
    tokens behind Q / 2N - N / 2 cached ones; for many short prompts that is below 0 and the table continues.
    """
    if tokens <= 0:
        return 0
    xs = steps.tokens[steps.at_tokens[pool] : steps.at_tokens[pool] + steps.n_tokens[pool]]
    ys = steps.cached[steps.at_cached[pool] : steps.at_cached[pool] + steps.n_cached[pool]]
    z = steps.prefill[steps.at_prefill[pool] : steps.at_prefill[pool] + len(xs) * len(ys)]
    behind = 0.5 * weighted / tokens - 0.5 * tokens
    return max(int(bilinear(float(tokens), behind, xs, ys, z) * 1e15 + 0.5), 1_000_000)


@kernel
def mixed_fs(decode: int, prefill: int, shared: int) -> int:
    """Time of a step that does both [fs]: each part, less what both count."""
    return decode + prefill - min(shared, decode, prefill)


@kernel
def quotient(a: int, b: int) -> int:
    """a // b for 0 <= a < 2^52 and 0 < b: there a float quotient rounds to no whole number above it.

    A division of 64-bit integers takes three times as long.
    """
    return int(a / b)


@kernel
def remainder(a: int, b: int) -> int:
    """a % b, of the same numbers as ``quotient``."""
    return a - quotient(a, b) * b


if config.DISABLE_JIT:  # type: ignore[attr-defined]

    def pointer(array: _Array) -> _Array:
        """The same array."""
        return array

    def bit_length(value: int) -> int:
        """Bits of a number above 0."""
        return int(value).bit_length()

else:

    @intrinsic
    def pointer(_context: Any, array: Any) -> Any:
        """Where a one-dimensional array begins: indexed like it, by numbers of 0 and more, and not counted.

        Many small functions that share an array spend most of their time on counting its references and on indices
        that might be negative. The caller keeps the array alive.
        """

        def lower(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return context.make_array(signature.args[0])(context, builder, value=args[0]).data

        return types.CPointer(array.dtype)(array), lower  # type: ignore[no-untyped-call]

    @intrinsic
    def bit_length(_context: Any, value: Any) -> Any:
        """Bits of a number above 0."""

        def lower(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            zeros = builder.ctlz(args[0], ir.Constant(ir.IntType(1), 1))
            return builder.sub(ir.Constant(args[0].type, 64), zeros)

        return types.int64(types.int64), lower
