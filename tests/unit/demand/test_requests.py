from __future__ import annotations

import math

import numpy as np
import pytest

from gigawatt.core.errors import TraceError
from gigawatt.demand.requests import Requests, Stream, requests_of, starts_of


def agent() -> Requests:
    """Three turns of session 0 and one request of session 1; blocks of 10 tokens."""
    return requests_of(
        [0.0, 1.0, 1.0, 4.0], [10, 25, 7, 40], 5, session=[0, 0, 1, 0], previous=[-1, 0, -1, 1],
        think_s=[0.0, 2.0, 0.0, 1.0], shared_tokens=[0, 15, -1, 30], block_tokens=10, block_start=[0, 1, 3, 3, 7],
        block_ids=[1, 1, 2, 1, 2, 3, 4], stream=[0, 0, 1, 0], streams=[Stream(name="agent"), Stream(name="chat")],
    )  # fmt: skip


def test_what_is_left_out_is_shared_and_takes_no_memory() -> None:
    requests = requests_of([0.0, 1.5], 100, [20, 30])
    assert requests.session.tolist() == [-1, -1] and requests.session.strides == (0,)
    assert len(requests) == 2 and requests.block_start.tolist() == [0, 0, 0] and requests.streams[0].name == "default"
    assert np.isnan(requests.ttft_s).all() and requests.line.tolist() == [0, 0]
    assert requests.stream.dtype == np.int32 and requests.input_tokens.dtype == np.int64


def test_summary_of_four_rows() -> None:
    summary = agent().summary()
    assert summary.requests == 4 and summary.duration_s == 4.0 and summary.rate_per_s == 0.75
    assert summary.input_tokens == 20.5 and summary.output_tokens == 5.0 and summary.sessions == 2
    gaps = np.array([1.0, 0.0, 3.0])
    assert summary.gap_cv == pytest.approx(gaps.std() / gaps.mean())
    assert summary.shared_share == pytest.approx(45 / 75)  # the third row does not know
    assert math.isnan(requests_of([0.0], 1, 1).summary().gap_cv)
    assert requests_of([], [], []).summary().requests == 0


def test_taking_rows_keeps_links_and_blocks() -> None:
    taken = agent().take([0, 1, 3])
    assert taken.previous.tolist() == [-1, 0, 1] and taken.block_ids.tolist() == [1, 1, 2, 1, 2, 3, 4]
    lost = agent().take(np.array([False, False, True, True]))
    assert lost.previous.tolist() == [-1, -1] and lost.block_start.tolist() == [0, 0, 4]
    assert lost.block_ids.tolist() == [1, 2, 3, 4]
    with pytest.raises(TraceError, match="must rise"):
        agent().take([1, 0])


def test_open_loop_forgets_the_links_alone() -> None:
    opened = agent().open_loop()
    assert opened.previous.tolist() == [-1] * 4 and opened.think_s.tolist() == [0.0] * 4
    assert opened.session.tolist() == [0, 0, 1, 0] and opened.arrival_s.tolist() == [0.0, 1.0, 1.0, 4.0]


def test_starts_of_rows() -> None:
    assert starts_of(np.zeros(0, dtype=np.int64)).tolist() == [0]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"arrival_s": [-1.0, 0.0]}, r"row 0 \(from 0\): arrival_s is -1.0; it is finite and not negative"),
        ({"arrival_s": [0.0, math.inf]}, "arrival_s is inf"),
        ({"arrival_s": [0.0, math.nan]}, "arrival_s is nan"),
        ({"arrival_s": [1.0, 0.5]}, r"row 1 \(from 0\): arrival_s is 0.5; it is not earlier than the row before"),
        ({"input_tokens": [1, 0]}, "input_tokens is 0; it is at least 1"),
        ({"output_tokens": [-2, 1]}, "output_tokens is -2"),
        ({"output_tokens": [1, 2.5]}, "output_tokens is 2.5, not whole"),
        ({"stream": [0, 1]}, "stream is 1; it is an index into streams"),
        ({"previous": [-1, 1], "session": 0}, "previous is 1; it is an earlier row"),
        ({"previous": [-1, 0], "session": [0, 1]}, "a row of the same session"),
        ({"previous": -2}, "previous is -2"),
        ({"think_s": [0.0, -1.0]}, "think_s is -1.0"),
        ({"shared_tokens": [0, 11]}, "shared_tokens is 11; it is no more than the input"),
        ({"session": -2}, "session is -2"),
        ({"ttft_s": [1.0, 0.0]}, "ttft_s is 0.0; it is above 0"),
        ({"line": [7, 8], "tpot_s": [-1.0, 1.0]}, "row 7 of the file: tpot_s"),
        ({"session": [1]}, "column session has 1 entries where 2 are right"),
        ({"streams": []}, "at least one stream"),
        ({"block_start": [0, 1, 3], "block_ids": [1, 2], "block_tokens": 4}, "block_start must rise"),
        ({"block_start": [0, 1, 2], "block_ids": [1, 2]}, "block_tokens is 0 but blocks are named"),
        ({"colour": 1}, "no column 'colour'"),
    ],
)  # fmt: skip
def test_a_row_that_does_not_stand_is_named(columns: dict[str, object], said: str) -> None:
    given: dict[str, object] = {"arrival_s": [0.0, 1.0], "input_tokens": [10, 10], "output_tokens": [1, 1]}
    with pytest.raises(TraceError, match=said):
        requests_of(**(given | columns))  # type: ignore[arg-type]


def test_limits_of_a_stream() -> None:
    with pytest.raises(TraceError, match="ttft_s is 0"):
        Stream(name="chat", ttft_s=0.0)
    with pytest.raises(TraceError, match="priority is -1"):
        Stream(name="chat", priority=-1)
    with pytest.raises(TraceError, match="array of int32"):
        Requests(**{name: getattr(agent(), name) for name in Requests.__slots__} | {"stream": np.zeros(4)})
