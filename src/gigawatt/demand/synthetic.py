"""Synthetic load: any rate over the day, bursts, clients, sessions; streamed in windows in order of arrival."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import gamma, inf, isfinite, log, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from gigawatt.core.errors import TraceError
from gigawatt.demand.arrivals import FAMILIES, Family, first_gap, shape_of
from gigawatt.demand.draw import Out, Sources, State, fill_plain, fill_sessions, later, plant
from gigawatt.demand.lengths import Lengths, alias_table, empirical
from gigawatt.demand.requests import Requests, Stream, requests_of

Floats = npt.NDArray[np.float64]

BLOCK_IDS_PER_WINDOW = 8_000_000
"""A window ends early once it names this many blocks (64 MB)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Sessions of turns, each sent a pause after the answer before; its prompt is all before and something new.

    Attributes:
        turns: mean number, geometric.
        think_s: mean pause.
        think_cv: of the lognormal pause.
        growth: new tokens of each turn after the first.
        block_tokens: tokens of a hashed block; 0, no hashes. The same for all loads of a run.
        most_tokens: input and output of a turn; a session ends when it reaches them.
        nominal_ttft_s: with ``nominal_tpot_s``, the answer's time in ``arrival_s`` of later turns, used open loop only.
        nominal_tpot_s: see there. Judgement: 1 s and 20 ms, a chat service within common limits.
    """

    turns: float
    think_s: float
    growth: Lengths
    think_cv: float = 1.0
    block_tokens: int = 512
    most_tokens: int = 131_072
    nominal_ttft_s: float = 1.0
    nominal_tpot_s: float = 0.02

    def __post_init__(self) -> None:
        """Refuses sessions without a turn."""
        if not (1.0 <= self.turns < inf and 0.0 <= self.think_s < inf and 0.0 <= self.think_cv < inf):
            raise TraceError("sessions need at least 1 turn and pauses of at least 0 s")
        if self.most_tokens < 2 or self.block_tokens < 0 or self.most_tokens > max(self.block_tokens, 1) << 20:
            raise TraceError(
                f"sessions of up to {self.most_tokens:,} tokens in blocks of {self.block_tokens} do not fit"
            )
        if not (0.0 <= self.nominal_ttft_s < inf and 0.0 <= self.nominal_tpot_s < inf):
            raise TraceError("nominal times of an answer are finite and not negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """A load as many senders, the r-th with a share proportional to r^-skew, each with bursts of its own.

    Source: decomposition as in Xiang et al. 2025, ServeGen, arXiv:2505.09999.
    """

    count: int
    skew: float = 1.0

    def __post_init__(self) -> None:
        """Refuses no client at all."""
        if self.count < 1 or not isfinite(self.skew):
            raise TraceError(f"{self.count} clients of skew {self.skew:g}; at least 1 and a finite skew are right")

    def shares(self) -> Floats:
        """(count,) shares of the rate, largest first."""
        shares = np.arange(1, self.count + 1, dtype=np.float64) ** -self.skew
        return np.asarray(shares / shares.sum(), dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Load:
    """Requests of one stream.

    Attributes:
        stream: their kind.
        rate_per_s: (k,) requests a second in bins that repeat without end.
        input: tokens of a prompt (with sessions, of the first).
        output: tokens of an answer.
        bin_s: width of a bin.
        family: of the gaps between arrivals (with sessions, between their starts).
        cv: of those gaps, at a steady rate; with clients, of each client's.
        hit_share: share of each prompt that the stream has shown before; sessions know theirs.
        sessions: requests come in sessions; ``rate_per_s`` is of requests, reached once sessions of a full length run.
        clients: the senders.
    """

    stream: Stream
    rate_per_s: Floats
    input: Lengths
    output: Lengths
    bin_s: float = 3600.0
    family: Family = "poisson"
    cv: float = 1.0
    hit_share: float = 0.0
    sessions: Sessions | None = None
    clients: Clients = field(default_factory=lambda: Clients(count=1))

    def __post_init__(self) -> None:
        """Refuses rates that are negative, and shares that are none."""
        rates = np.atleast_1d(np.asarray(self.rate_per_s, dtype=np.float64))
        object.__setattr__(self, "rate_per_s", rates)
        name = self.stream.name
        if not len(rates) or not np.isfinite(rates).all() or rates.min() < 0.0:
            raise TraceError(f"load '{name}': rates must be finite and not negative, at least one")
        if not 0.0 < self.bin_s < inf:
            raise TraceError(f"load '{name}': bins of {self.bin_s:g} s; a width above 0 is right")
        if not 0.0 <= self.hit_share < 1.0:
            raise TraceError(f"load '{name}': a hit share of {self.hit_share:g}; from 0 to below 1 is right")
        shape_of(self.family, self.cv)

    def scaled(self, factor: float) -> Load:
        """The same load at ``factor`` times the rate."""
        return replace(self, rate_per_s=self.rate_per_s * factor)


def windows(
    loads: Sequence[Load],
    *,
    seed: int,
    horizon_s: float,
    cell: int = 0,
    window_requests: int = 1_000_000,
) -> Iterator[Requests]:
    """Requests of all loads in order of arrival, a window at a time; the same whatever the windows are.

    A row whose ``previous`` lies in an earlier window says -1 and keeps its ``think_s``; ``concatenate(...,
    link_sessions=True)`` links it again. Streams arrive as if they had run for ever; sessions begin at 0.

    Args:
        loads: at least one.
        seed: of all draws.
        horizon_s: nothing is sent at or behind it.
        cell: another number is another, independent part of the world; sessions of two cells share numbers.
        window_requests: rows of a window; one that names many blocks has fewer.

    Raises:
        TraceError: no load, loads that hash blocks of different sizes, or a horizon that is not finite.
    """
    if not loads or not 0.0 < horizon_s < inf or window_requests < 1:
        raise TraceError("synthetic requests need a load, a finite horizon above 0 s and windows of at least a row")
    sizes = {one.sessions.block_tokens for one in loads if one.sessions and one.sessions.block_tokens}
    if len(sizes) > 1:
        raise TraceError(f"loads hash blocks of {sorted(sizes)} tokens; one size is right")
    block_tokens = sizes.pop() if sizes else 0
    streams = tuple(dict.fromkeys(one.stream for one in loads))
    sources, starts = _sources(loads, streams, seed, cell)
    has_sessions = any(one.sessions for one in loads)
    state = _state(sources, starts, seed, cell, horizon_s, 1024 if has_sessions else 0)
    has_shared = has_sessions or any(one.hit_share for one in loads)
    room = BLOCK_IDS_PER_WINDOW if block_tokens else 0
    if block_tokens:
        room = max(room, int(sources.most_tokens.max()) // block_tokens + 2)
    why = 0
    while why != 1:
        out = _out(window_requests, len(streams) > 1, has_sessions, has_shared, room)
        with np.errstate(over="ignore"):  # the generators' words wrap around, of which plain Python would warn
            rows, why = (
                fill_sessions(sources, state, out, 0, horizon_s, block_tokens)
                if has_sessions
                else fill_plain(sources, state, out, horizon_s)
            )
            while why == 2:
                state = _grown(state)
                rows, why = fill_sessions(sources, state, out, rows, horizon_s, block_tokens)
        if rows:
            yield _window(out, rows, streams, block_tokens)


def _window(out: Out, rows: int, streams: tuple[Stream, ...], block_tokens: int) -> Requests:
    optional: dict[str, Any] = {
        name: getattr(out, name)[:rows]
        for name in ("stream", "session", "previous", "think_s", "shared_tokens")
        if len(getattr(out, name))
    }
    if len(out.block_ids):
        optional["block_start"] = out.block_start[: rows + 1]
        optional["block_ids"] = out.block_ids[: out.block_start[rows]]
        optional["block_tokens"] = block_tokens
    return requests_of(
        out.arrival_s[:rows], out.input_tokens[:rows], out.output_tokens[:rows], streams=streams, **optional
    )


def _out(rows: int, has_streams: bool, has_sessions: bool, has_shared: bool, block_ids: int) -> Out:
    kept = rows if has_sessions else 0
    return Out(
        arrival_s=np.empty(rows), input_tokens=np.empty(rows, np.int64), output_tokens=np.empty(rows, np.int64),
        stream=np.empty(rows if has_streams else 0, np.int32), session=np.empty(kept, np.int64),
        previous=np.empty(kept, np.int64), think_s=np.empty(kept),
        shared_tokens=np.empty(rows if has_shared else 0, np.int64), block_start=np.zeros(kept + 1, np.int64),
        block_ids=np.empty(block_ids, np.int64),
    )  # fmt: skip


def _sources(loads: Sequence[Load], streams: tuple[Stream, ...], seed: int, cell: int) -> tuple[Sources, Floats]:
    """(sources, first gaps): one source a client of a load."""
    columns: dict[str, list[Any]] = {name: [] for name in Sources._fields}
    tables: dict[str, list[Any]] = {"keep": [], "other": [], "value": []}
    starts, rates_begin, table_begin = [], 0, 0
    for number, load in enumerate(loads):
        rng = np.random.default_rng(np.random.SeedSequence([seed, cell, number]))
        kinds, begins, a, b, size = [], [], [], [], []
        for one in (load.input, load.output, load.sessions.growth if load.sessions else load.input):
            mu, sigma = one.lognormal()
            kinds.append(2 if len(one.values) else 1 if one.cv > 0.0 else 0)
            a.append(mu if kinds[-1] == 1 else one.mean)
            b.append(sigma)
            begins.append(table_begin)
            size.append(len(one.values))
            if len(one.values):
                keep, other = alias_table(one.weights)
                for name, column in (("keep", keep), ("other", other), ("value", one.values)):
                    tables[name].append(column)
                table_begin += len(one.values)
        shape = shape_of(load.family, load.cv)
        scale = 1.0 / shape if load.family == "gamma" else 1.0 / gamma(1.0 + 1.0 / shape)  # mean 1
        turns = load.sessions
        variance = log(1.0 + turns.think_cv**2) if turns else 0.0
        is_flat = bool((load.rate_per_s == load.rate_per_s[0]).all())
        for share in load.clients.shares():
            rates = load.rate_per_s[:1] if is_flat else load.rate_per_s
            rates = rates * (share / turns.turns if turns else share)
            row = {
                "stream": streams.index(load.stream), "family": FAMILIES.index(load.family), "shape": shape,
                "scale": scale, "bin_s": load.bin_s, "rate_begin": rates_begin, "rate_size": len(rates),
                "length_kind": kinds, "length_a": a, "length_b": b, "table_begin": begins, "table_size": size,
                "hit_share": load.hit_share, "goes_on": 1.0 - 1.0 / turns.turns if turns else -1.0,
                "think_mean": turns.think_s if turns else 0.0,
                "think_mu": log(turns.think_s) - variance / 2.0 if turns and turns.think_s > 0.0 else 0.0,
                "think_sigma": sqrt(variance), "nominal_ttft_s": turns.nominal_ttft_s if turns else 0.0,
                "nominal_tpot_s": turns.nominal_tpot_s if turns else 0.0,
                "most_tokens": turns.most_tokens if turns else 0,
            }  # fmt: skip
            for name, value in row.items():
                columns[name].append(value)
            columns["rates"].append(rates)
            rates_begin += len(rates)
            starts.append(first_gap(load.family, shape, rng))
    whole = {"family", "rate_begin", "rate_size", "length_kind", "table_begin", "table_size", "most_tokens"}
    arrays: dict[str, Any] = {
        name: np.array(column, dtype=np.int64 if name in whole else np.int32 if name == "stream" else np.float64)
        for name, column in columns.items()
        if name not in ("rates", *tables)
    }
    arrays["rates"] = np.concatenate(columns["rates"])
    for name, kind in (("keep", np.float64), ("other", np.int64), ("value", np.int64)):
        arrays[name] = np.concatenate([np.zeros(0), *tables[name]]).astype(kind)
    return Sources(**arrays), np.array(starts)


def _state(sources: Sources, starts: Floats, seed: int, cell: int, horizon_s: float, slots: int) -> State:
    n = len(starts)
    random = np.random.SeedSequence([seed, cell, n, 0x5EED]).generate_state(n, np.uint64).astype(np.uint64)
    size = 1 << max(1, (n - 1).bit_length())
    state = State(
        random=random, next_s=np.zeros(n), bin=np.zeros(n, np.int64), tree=np.zeros(2 * size, np.int64),
        counts=np.array([0, 0, 0, slots], np.int64), heap_s=np.zeros(slots), heap_slot=np.zeros(slots, np.int64),
        free=np.arange(slots, dtype=np.int64), slot_source=np.zeros(slots, np.int64),
        slot_session=np.zeros(slots, np.int64), slot_context=np.zeros(slots, np.int64),
        slot_previous=np.zeros(slots, np.int64), slot_think=np.zeros(slots),
    )  # fmt: skip
    for s, gap in enumerate(starts):
        state.next_s[s], state.bin[s] = later(
            0.0, 0, float(gap), sources.rates, sources.rate_begin[s], sources.rate_size[s], sources.bin_s[s], horizon_s
        )
    plant(state.tree, state.next_s)
    return state


def _grown(state: State) -> State:
    """The same with twice the room for turns that wait."""
    room = len(state.free)
    more = {
        name: np.concatenate([getattr(state, name), np.zeros_like(getattr(state, name))])
        for name in State._fields
        if name.startswith(("heap_", "slot_", "free"))
    }
    free = int(state.counts[3])
    more["free"][free : free + room] = np.arange(room, 2 * room)
    state.counts[3] += room
    return state._replace(**more)


def fit_load(requests: Requests, *, bin_s: float = 600.0, stream: Stream | None = None) -> Load:
    """A load like a trace: rate by bin, burstiness at the bin's rate, tables of lengths, known hit share.

    Correlation of input and output, sessions and the order of rows are not kept.

    Args:
        requests: at least three.
        bin_s: wished width; the trace is cut into equal bins near it. 600 s as ServeGen's windows.
        stream: its kind; that of the first row without.

    Raises:
        TraceError: fewer than three requests, or all at one time.
    """
    arrival = requests.arrival_s
    n = len(arrival)
    duration = float(arrival[-1] - arrival[0]) if n else 0.0
    if n < 3 or not duration > 0.0:
        raise TraceError(
            f"{n} requests over {duration:g} s are too few to fit; at least three at different times are right"
        )
    bins = max(1, round(duration / bin_s))
    width = duration / bins
    edges = arrival[0] + width * np.arange(bins + 1)
    counts = np.histogram(arrival, bins=np.append(edges[:-1], np.inf))[0]
    rates = counts / width
    operational = np.interp(arrival, edges, np.concatenate([[0.0], np.cumsum(counts)]))
    gaps = np.diff(operational)
    cv = float(np.clip(gaps.std() / gaps.mean(), 0.05, 50.0))
    is_poisson = abs(cv - 1.0) < 0.05  # within what a few thousand gaps can tell
    known = requests.shared_tokens >= 0
    hit = float(requests.shared_tokens[known].sum() / requests.input_tokens[known].sum()) if known.any() else 0.0
    return Load(
        stream=stream or requests.streams[int(requests.stream[0])], rate_per_s=rates, bin_s=width,
        input=empirical(requests.input_tokens), output=empirical(requests.output_tokens),
        family="poisson" if is_poisson else "gamma", cv=1.0 if is_poisson else cv, hit_share=min(hit, 0.9999),
    )  # fmt: skip
