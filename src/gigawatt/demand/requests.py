"""Requests as columns: what a trace holds, what a generator draws and what the simulator reads."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from math import inf, isnan
from typing import Any

import numpy as np
import numpy.typing as npt

from gigawatt.core.errors import TraceError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One kind of traffic.

    Attributes:
        name: class, for example 'chat'.
        tier: who pays, for example 'free' or 'paid'.
        region: where it is sent from.
        priority: 0 is served first.
        ttft_s: limit of the time to first token; infinite, none.
        tpot_s: limit of the time per further token; infinite, none.
    """

    name: str
    tier: str = ""
    region: str = ""
    priority: int = 0
    ttft_s: float = inf
    tpot_s: float = inf

    def __post_init__(self) -> None:
        """Refuses limits that nothing can meet."""
        for key in ("ttft_s", "tpot_s"):
            limit = getattr(self, key)
            if isnan(limit) or limit <= 0.0:
                raise TraceError(f"stream '{self.name}': {key} is {limit:g}; a limit is above 0, or infinite for none")
        if self.priority < 0:
            raise TraceError(f"stream '{self.name}': priority is {self.priority}; 0 is served first, larger ones later")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Requests:
    """n requests in order of arrival, one array a column.

    A column that says the same of every row may be a read-only broadcast view (stride 0); kernels that need memory of
    their own take ``np.ascontiguousarray``. ``requests_of`` fills what is left out.

    Attributes:
        arrival_s: (n,) seconds from the start, finite, not negative, not falling.
        input_tokens: (n,) at least 1.
        output_tokens: (n,) at least 1.
        stream: (n,) index into ``streams``.
        streams: kinds of traffic.
        session: (n,) index of the session, -1 none.
        previous: (n,) earlier row of the same session after whose end this one is sent ``think_s`` later; -1: sent at
            ``arrival_s``.
        think_s: (n,) pause before the request, where ``previous`` says so.
        shared_tokens: (n,) leading input tokens that its own session (or the trace) has shown before; -1 unknown.
        block_tokens: tokens of one hashed block; 0, no hashes.
        block_start: (n + 1,) where each row's blocks begin in ``block_ids``.
        block_ids: (m,) ids of the leading blocks of each request; the last may be partial, and ids may go on over the
            output.
        ttft_s: (n,) limit of the row's own, nan: its stream's.
        tpot_s: (n,) limit of the row's own, nan: its stream's.
        line: (n,) row of the file, 1 the first row of data; 0 synthetic.

    Raises:
        TraceError: a column of the wrong type or length, or the first row that breaks a rule above.
    """

    arrival_s: Floats
    input_tokens: Ints
    output_tokens: Ints
    stream: Ints32
    streams: tuple[Stream, ...]
    session: Ints
    previous: Ints
    think_s: Floats
    shared_tokens: Ints
    block_tokens: int
    block_start: Ints
    block_ids: Ints
    ttft_s: Floats
    tpot_s: Floats
    line: Ints

    def __post_init__(self) -> None:
        """Checks types, lengths and every row."""
        n = len(self.arrival_s)
        for name, dtype in _COLUMNS.items():
            column = getattr(self, name)
            if not isinstance(column, np.ndarray) or column.dtype != dtype or column.ndim != 1:
                raise TraceError(f"column {name} must be an array of {dtype} with one axis")
            wanted = n + 1 if name == "block_start" else len(column) if name == "block_ids" else n
            if len(column) != wanted:
                raise TraceError(f"column {name} has {len(column):,} entries where {wanted:,} are right")
        if not self.streams:
            raise TraceError("requests need at least one stream, which names their class")
        _check_rows(self)

    def __len__(self) -> int:
        """Number of requests."""
        return len(self.arrival_s)

    def take(self, rows: npt.ArrayLike) -> Requests:
        """The requests at ``rows``, which rise strictly (or a mask); a row whose previous one is left out loses it.

        Raises:
            TraceError: rows that do not rise.
        """
        chosen = np.asarray(rows)
        chosen = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen.astype(np.int64)
        if len(chosen) > 1 and (np.diff(chosen) <= 0).any():
            raise TraceError("rows to take must rise, as requests stand in order of arrival")
        place = np.full(len(self) + 1, -1, dtype=np.int64)  # the last entry answers for -1
        place[chosen] = np.arange(len(chosen))
        columns: dict[str, Any] = {
            name: getattr(self, name)[chosen] for name in _COLUMNS if name not in ("block_start", "block_ids")
        }
        columns["previous"] = place[columns["previous"]]
        counts = np.diff(self.block_start)[chosen]
        columns["block_start"] = starts_of(counts)
        inside = np.arange(int(counts.sum())) - np.repeat(columns["block_start"][:-1], counts)
        columns["block_ids"] = self.block_ids[np.repeat(self.block_start[chosen], counts) + inside]
        return replace(self, **columns)

    def open_loop(self) -> Requests:
        """The same requests, each sent at its own ``arrival_s`` whatever became of the session's earlier ones."""
        return replace(self, previous=shared(-1, len(self), np.int64), think_s=shared(0.0, len(self), np.float64))

    def faster(self, factor: float) -> Requests:
        """The same requests, ``factor`` times as many arrivals a second."""
        return self if factor == 1.0 else replace(self, arrival_s=self.arrival_s / factor)

    def summary(self) -> Summary:
        """Rate, means and burstiness; see ``Summary``."""
        return _summary(self)


_COLUMNS: dict[str, np.dtype[Any]] = {
    name: np.dtype(kind)
    for kind, names in (
        (np.float64, ("arrival_s", "think_s", "ttft_s", "tpot_s")),
        (np.int64, ("input_tokens", "output_tokens", "session", "previous", "shared_tokens")),
        (np.int64, ("line", "block_start", "block_ids")),
        (np.int32, ("stream",)),
    )
    for name in names
}
assert set(_COLUMNS) | {"streams", "block_tokens"} == {one.name for one in fields(Requests)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a trace is like.

    Attributes:
        requests: how many.
        duration_s: from the first to the last arrival.
        rate_per_s: requests - 1 over the duration; 0 for fewer than two.
        input_tokens: mean.
        output_tokens: mean.
        gap_cv: standard deviation over mean of the gaps between arrivals; 1 for Poisson arrivals, nan below two gaps.
        sessions: how many distinct ones.
        shared_share: known ``shared_tokens`` over the input tokens of their rows; nan where none is known.
    """

    requests: int
    duration_s: float
    rate_per_s: float
    input_tokens: float
    output_tokens: float
    gap_cv: float
    sessions: int
    shared_share: float


def _summary(requests: Requests) -> Summary:
    n = len(requests)
    gaps = np.diff(requests.arrival_s)
    duration = float(gaps.sum())
    known = requests.shared_tokens >= 0
    own = requests.session[requests.session >= 0]
    return Summary(
        requests=n,
        duration_s=duration,
        rate_per_s=(n - 1) / duration if duration > 0.0 else 0.0,
        input_tokens=float(requests.input_tokens.mean()) if n else float("nan"),
        output_tokens=float(requests.output_tokens.mean()) if n else float("nan"),
        gap_cv=float(gaps.std() / gaps.mean()) if n > 2 and duration > 0.0 else float("nan"),
        sessions=len(np.unique(own)),
        shared_share=float(requests.shared_tokens[known].sum() / requests.input_tokens[known].sum())
        if known.any()
        else float("nan"),
    )


def shared(value: float, n: int, dtype: type[Any]) -> npt.NDArray[Any]:
    """(n,) read-only view of one value, which takes no memory."""
    return np.broadcast_to(np.array(value, dtype=dtype), (n,))


def starts_of(counts: Ints) -> Ints:
    """(n + 1,) where rows of these lengths begin when they are put end to end.

    >>> starts_of(np.array([2, 0, 3])).tolist()
    [0, 2, 2, 5]
    """
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts, dtype=np.int64)])


def requests_of(
    arrival_s: npt.ArrayLike, input_tokens: npt.ArrayLike, output_tokens: npt.ArrayLike, **optional: Any
) -> Requests:
    """Requests from arrivals and lengths; what is not given says nothing of a row.

    Args:
        arrival_s: (n,) seconds, not falling.
        input_tokens: (n,) or one number for all.
        output_tokens: (n,) or one number for all.
        **optional: any other column of ``Requests`` by name, (n,) or one value for all; ``streams``, ``block_tokens``,
            ``block_start`` and ``block_ids`` as they are.

    Raises:
        TraceError: an unknown column, or what ``Requests`` refuses.

    >>> requests_of([0.0, 1.5], 100, [20, 30]).summary().output_tokens
    25.0
    """
    arrivals = np.ascontiguousarray(arrival_s, dtype=np.float64)
    n = len(arrivals)
    given: dict[str, Any] = _DEFAULTS | {
        "block_start": shared(0, n + 1, np.int64), "block_ids": np.zeros(0, dtype=np.int64),
        "streams": (Stream(name="default"),), "block_tokens": 0,
    }  # fmt: skip
    unknown = sorted(set(optional) - set(given))
    if unknown:
        raise TraceError(f"requests have no column '{unknown[0]}'; known are {', '.join(given)}")
    given |= optional | {"arrival_s": arrivals, "input_tokens": input_tokens, "output_tokens": output_tokens}
    for name, dtype in _COLUMNS.items():
        value = np.asarray(given[name])
        if value.dtype != dtype:
            value = _as(value, dtype, name)
        given[name] = np.broadcast_to(value, (n,)) if value.ndim == 0 else value
    given["streams"] = tuple(given["streams"])
    return Requests(**given)


def _as(value: npt.NDArray[Any], dtype: np.dtype[Any], name: str) -> npt.NDArray[Any]:
    """The same numbers in another type; a fraction of a token is refused."""
    if dtype.kind == "i" and value.dtype.kind == "f":
        broken = np.flatnonzero(~(np.atleast_1d(value) == np.rint(np.atleast_1d(value))))
        if len(broken):
            raise TraceError(f"row {broken[0]} (from 0): {name} is {np.atleast_1d(value)[broken[0]]:g}, not whole")
    return value.astype(dtype)


_DEFAULTS: dict[str, Any] = {
    "stream": 0, "session": -1, "previous": -1, "think_s": 0.0, "shared_tokens": -1, "ttft_s": np.nan,
    "tpot_s": np.nan, "line": 0,
}  # fmt: skip


def _once(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The column, or its one value where all rows share it."""
    return column[:1] if column.strides == (0,) else column


def _check_rows(requests: Requests) -> None:
    """Raises TraceError for the first row, rule by rule, that does not stand."""
    arrival = requests.arrival_s
    _refuse_first(requests, ~(arrival >= 0.0) | (arrival == inf), "arrival_s", "is finite and not negative")
    if len(arrival) > 1 and arrival.strides != (0,):
        _refuse_first(
            requests, np.concatenate([[False], arrival[1:] < arrival[:-1]]), "arrival_s",
            "is not earlier than the row before; sort by arrival",
        )  # fmt: skip
    for name in ("input_tokens", "output_tokens"):
        _refuse_first(requests, _once(getattr(requests, name)) < 1, name, "is at least 1")
    stream = _once(requests.stream)
    _refuse_first(requests, (stream < 0) | (stream >= len(requests.streams)), "stream", "is an index into streams")
    previous = _once(requests.previous)
    if previous.max(initial=-1) >= 0:
        rows = np.arange(len(previous))
        wrong = (previous < -1) | (previous >= rows)
        _refuse_first(requests, wrong, "previous", "is an earlier row, or -1")
        strange = (previous >= 0) & (requests.session[np.maximum(previous, 0)] != requests.session)
        _refuse_first(requests, strange, "previous", "is a row of the same session")
    else:
        _refuse_first(requests, previous < -1, "previous", "is an earlier row, or -1")
    think = _once(requests.think_s)
    _refuse_first(requests, ~(think >= 0.0) | (think == inf), "think_s", "is finite and not negative")
    known = _once(requests.shared_tokens)
    if known.max(initial=-1) >= 0:
        _refuse_first(requests, known > requests.input_tokens, "shared_tokens", "is no more than the input")
    _refuse_first(requests, known < -1, "shared_tokens", "is at least 0, or -1 for unknown")
    _refuse_first(requests, _once(requests.session) < -1, "session", "is at least 0, or -1 for none")
    for name in ("ttft_s", "tpot_s"):
        _refuse_first(requests, _once(getattr(requests, name)) <= 0.0, name, "is above 0, or nan for its stream's")
    _check_blocks(requests)


def _refuse_first(requests: Requests, wrong: npt.NDArray[np.bool_], name: str, right: str) -> None:
    if not wrong.any():
        return
    row = int(np.argmax(wrong))
    line = int(requests.line[row])
    where = f"row {line} of the file" if line > 0 else f"row {row} (from 0)"
    raise TraceError(f"{where}: {name} is {getattr(requests, name)[row].item()}; it {right}")


def _check_blocks(requests: Requests) -> None:
    starts = _once(requests.block_start)
    if starts[0] != 0 or starts[-1] != len(requests.block_ids) or (np.diff(starts) < 0).any():
        raise TraceError("block_start must rise from 0 to the number of block_ids")
    if len(requests.block_ids) and requests.block_tokens < 1:
        raise TraceError(f"block_tokens is {requests.block_tokens} but blocks are named; say how many tokens one holds")
