"""Prefix hits of a trace: leading blocks of each request that one cache still holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from numba import njit

from gigawatt.core.errors import TraceError
from gigawatt.demand.requests import Requests

Ints = npt.NDArray[np.int64]
_Function = TypeVar("_Function", bound=Callable[..., object])


def _kernel(function: _Function) -> _Function:
    return cast(_Function, njit(cache=True, nogil=True)(function))


def prefix_hits(requests: Requests, capacity_blocks: int = -1) -> tuple[Ints, int]:
    """(hits, total): leading blocks of each request found in one LRU cache in trace order, and blocks looked up.

    A request looks up the blocks of its input in order until the first that is not held, then all its blocks are
    used, the last one first, so that a prefix outlives what follows it. Hits over total is the hit share.

    Args:
        requests: with hashes of blocks.
        capacity_blocks: blocks the cache holds; -1, all.

    Returns:
        hits (n,), and the sum over requests of the blocks of their inputs.

    Raises:
        TraceError: no hashes, or a capacity below -1.

    Source: share of blocks as in Qin et al. 2025, Mooncake, FAST '25, section 4.
    """
    if capacity_blocks < -1:
        raise TraceError(f"a cache of {capacity_blocks} blocks; give 0 or more, or -1 for one without end")
    looked = _looked_up(requests)
    codes, distinct = pd.factorize(requests.block_ids)
    capacity = len(distinct) if capacity_blocks < 0 else min(capacity_blocks, len(distinct))
    hits = _lru_hits(
        np.ascontiguousarray(requests.block_start), codes.astype(np.int64), looked, len(distinct), capacity
    )
    return hits, int(looked.sum())


def _looked_up(requests: Requests) -> Ints:
    """(n,) blocks of each input that have an id."""
    if requests.block_tokens < 1:
        raise TraceError("the trace names no blocks; prefix hits need a column hash_ids")
    counts = np.diff(requests.block_start)
    return np.minimum(counts, -(-requests.input_tokens // requests.block_tokens))


@_kernel
def _lru_hits(starts: Ints, codes: Ints, looked: Ints, distinct: int, capacity: int) -> Ints:
    """(n,) hits; blocks are 0..distinct - 1, the cache a doubly linked list through them, its ends at ``distinct``."""
    newer, older = np.full(distinct + 1, -1, np.int64), np.full(distinct + 1, -1, np.int64)
    end = distinct
    newer[end], older[end] = end, end  # newer[end]: least recent, older[end]: most recent
    held = 0
    hits = np.zeros(len(looked), np.int64)
    for row in range(len(looked)):
        first = starts[row]
        count = 0
        while count < looked[row] and newer[codes[first + count]] >= 0:
            count += 1
        hits[row] = count
        if capacity == 0:
            continue
        for i in range(starts[row + 1] - 1, first - 1, -1):
            block = codes[i]
            if newer[block] >= 0:
                newer[older[block]], older[newer[block]] = newer[block], older[block]
            elif held == capacity:
                last = newer[end]
                newer[end] = newer[last]
                older[newer[last]] = end
                newer[last] = -1
            else:
                held += 1
            recent = older[end]
            newer[recent], older[block] = block, recent
            newer[block], older[end] = end, block
    return hits


@_kernel
def chain_blocks(session: Ints, input_tokens: Ints, seen_tokens: Ints, block_tokens: int) -> tuple[Ints, Ints]:
    """(block_start, block_ids) of whole blocks that repeat what each session has seen, and no more.

    A session keeps up to 8 chains of blocks, as agents and side questions take turns. A row continues the chain used
    last among those that hold all it has seen (else the longest): its leading whole blocks are kept, fresh ids follow.
    A chain of which less than half is kept stays, and the new one stands beside it in place of the one unused longest.

    Args:
        session: (n,) numbers from 0.
        input_tokens: (n,).
        seen_tokens: (n,) leading tokens that the session has shown before.
        block_tokens: tokens of a block.
    """
    width = 8
    n = len(session)
    starts = np.zeros(n + 1, np.int64)
    for i in range(n):
        starts[i + 1] = starts[i] + input_tokens[i] // block_tokens
    ids = np.empty(starts[n], np.int64)
    sessions = 0
    for i in range(n):
        sessions = max(sessions, session[i] + 1)
    chains = np.full((sessions, width), -1, np.int64)  # the row whose blocks are the chain, latest first
    fresh = 0
    for i in range(n):
        mine = chains[session[i]]
        want = seen_tokens[i] // block_tokens
        chosen, longest = -1, 0
        for k in range(width):
            if mine[k] < 0:
                break
            length = starts[mine[k] + 1] - starts[mine[k]]
            if length >= want:
                chosen = k
                break
            if length > longest:
                longest = length
                chosen = k
        keep = 0
        place = -1
        if chosen >= 0:
            source = mine[chosen]
            length = starts[source + 1] - starts[source]
            keep = min(want, length, starts[i + 1] - starts[i])
            for j in range(keep):
                ids[starts[i] + j] = ids[starts[source] + j]
            if 2 * keep >= length and keep > 0:
                place = chosen
        if place < 0:
            place = width - 1
            for k in range(width):
                if mine[k] < 0:
                    place = k
                    break
        for k in range(place, 0, -1):
            mine[k] = mine[k - 1]
        mine[0] = i
        for j in range(starts[i] + keep, starts[i + 1]):
            ids[j] = fresh
            fresh += 1
    return starts, ids
