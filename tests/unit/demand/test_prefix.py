from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigawatt.core.errors import TraceError
from gigawatt.demand.prefix import chain_blocks, prefix_hits
from gigawatt.demand.requests import Requests, requests_of


def hashed(blocks: list[list[int]], input_tokens: list[int] | None = None) -> Requests:
    """One request a list, of blocks of 10 tokens, all of them input unless said."""
    counts = [len(one) for one in blocks]
    return requests_of(
        np.arange(len(blocks), dtype=np.float64), input_tokens or [max(10 * n, 1) for n in counts], 1,
        block_tokens=10, block_start=np.cumsum([0, *counts]), block_ids=[b for one in blocks for b in one],
    )  # fmt: skip


def test_hits_by_hand() -> None:
    trace = hashed([[1, 2, 3], [1, 2, 4], [2, 1], [1, 2, 3]])
    hits, total = prefix_hits(trace)
    assert hits.tolist() == [0, 2, 2, 3] and total == 11
    # two blocks: after a request the cache holds its first two, as the last block is used first
    assert prefix_hits(trace, 2)[0].tolist() == [0, 2, 2, 2]
    assert prefix_hits(trace, 1)[0].tolist() == [0, 1, 0, 0]
    assert prefix_hits(trace, 0)[0].tolist() == [0, 0, 0, 0]


def test_blocks_of_the_output_are_kept_but_not_looked_up() -> None:
    trace = hashed([[1, 2, 3], [1, 2, 3, 4]], [15, 29])
    hits, total = prefix_hits(trace)
    assert hits.tolist() == [0, 3] and total == 2 + 3


def plain_hits(requests: Requests, capacity_blocks: int) -> tuple[list[int], int]:
    """``prefix_hits`` in plain Python, one block at a time: (hits of each request, blocks looked up)."""
    cache: OrderedDict[int, None] = OrderedDict()
    hits, total = [0] * len(requests), 0
    for row, tokens in enumerate(requests.input_tokens.tolist()):
        blocks = requests.block_ids[requests.block_start[row] : requests.block_start[row + 1]].tolist()
        looked = blocks[: -(-tokens // requests.block_tokens)]
        total += len(looked)
        for block in looked:
            if block not in cache:
                break
            hits[row] += 1
        for block in reversed(blocks):
            cache[block] = None
            cache.move_to_end(block)
            if 0 <= capacity_blocks < len(cache):
                cache.popitem(last=False)
    return hits, total


REQUESTS = st.lists(st.lists(st.integers(-3, 12), max_size=9), min_size=1, max_size=25)


@given(blocks=REQUESTS, capacity=st.integers(-1, 14))
def test_kernel_and_plain_python_agree(blocks: list[list[int]], capacity: int) -> None:
    trace = hashed(blocks)
    hits, total = prefix_hits(trace, capacity)
    slow, counted = plain_hits(trace, capacity)
    assert hits.tolist() == slow and total == counted


@given(blocks=REQUESTS)
def test_a_larger_cache_never_hits_less(blocks: list[list[int]]) -> None:
    trace = hashed(blocks)
    hits = [prefix_hits(trace, capacity)[0] for capacity in (0, 1, 3, 7, -1)]
    assert all((less <= more).all() for less, more in pairwise(hits))


def test_chains_repeat_what_the_session_has_seen() -> None:
    # session 0: a prompt, its growth, a side question of its own, then the first conversation goes on
    session = np.array([0, 0, 1, 0, 0])
    inputs = np.array([25, 45, 25, 12, 60])
    seen = np.array([0, 20, 0, 0, 40])
    starts, ids = chain_blocks(session, inputs, seen, 10)
    assert starts.tolist() == [0, 2, 6, 8, 9, 15]
    assert ids.tolist() == [0, 1, 0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 7, 8]


def test_a_cache_needs_hashes_and_a_size() -> None:
    with pytest.raises(TraceError, match="names no blocks"):
        prefix_hits(requests_of([0.0], 1, 1))
    with pytest.raises(TraceError, match="-2 blocks"):
        prefix_hits(hashed([[1]]), -2)
