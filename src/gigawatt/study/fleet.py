"""Cells of a planned fleet, simulated: samples of their day, what a replica yields, and traces in place of drawn load.

A run has a time before and one after in which the load is the same but nothing is counted, so that counted requests
neither find an empty cell nor end in one. Requests that are not counted belong to streams of their own.

A cell is one task of one thread; what it draws goes by its number, so that no outcome depends on the threads.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from math import ceil, inf, sqrt

import numpy as np
import numpy.typing as npt

from gigawatt.core.calendar import HOUR_S
from gigawatt.core.errors import TraceError
from gigawatt.demand.requests import Requests, requests_of
from gigawatt.demand.synthetic import windows
from gigawatt.serving import memory as c
from gigawatt.serving.inputs import NEVER, NS_PER_S, Fleet, Outage, Rows, rows_of, setup_of
from gigawatt.serving.kernels import settle
from gigawatt.serving.memory import Memory, new_memory, packed
from gigawatt.serving.metrics import Line, Metrics, measure, merge
from gigawatt.serving.simulate import run_kernel
from gigawatt.study.cells import BURST_CV, REPAIR_S, Cells, Lane

Ints = npt.NDArray[np.int64]

_WINDOW = 250_000  # requests drawn at once
LOOKS = 9  # at the requests in flight while it counts
_GROWTH = 0.02  # of what is sent, by which requests in flight may grow
_PAUSE = 50_000  # requests between two looks at whether to stop
_TRACE_S = 600.0  # of a trace that are counted at least


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """One cell's run.

    Attributes:
        metrics: of counted requests, and of pools while it counted.
        in_flight: (looks,) requests in the cell at equal intervals while it counted.
        kernel_s: spent.
    """

    metrics: Metrics
    in_flight: Ints
    kernel_s: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Simulated:
    """A class of demand in a block of a simulated quarter, or over its day.

    ``attained_frac`` is the share of requests within both limits, and ``needed_frac`` what the objective asks for.
    ``is_stable`` says that requests in flight do not grow while it counts: only then are times those of a steady load.
    """

    name: str
    block: str
    n_cells: int
    n_simulated: int
    n_requests: int
    attained_frac: float
    needed_frac: float
    is_stable: bool
    metrics: Metrics
    kernel_s: float

    @property
    def is_met(self) -> bool:
        """Whether as many requests as the objective asks for met it."""
        return self.attained_frac >= self.needed_frac


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """Which part of a fleet is simulated: ``n`` of the cells, ``horizon_s`` of their block."""

    cells: Cells
    n: int
    horizon_s: float

    @property
    def requests(self) -> float:
        """Expected, with those that are not counted."""
        return self.n * self.cells.cell_rate_per_s * (self.horizon_s + 2.0 * self.cells.warm_s)


@dataclass(slots=True, eq=False)
class Run:
    """Samples under way: what is finished, by (sample, cell). Mutable; ``stop`` ends it between two instants."""

    samples: Sequence[Sample]
    seed: int = 0
    done: dict[tuple[int, int], Part] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def is_finished(self) -> bool:
        """Whether every cell of every sample is."""
        return len(self.done) == sum(sample.n for sample in self.samples)

    def parts(self, sample: int) -> list[Part]:
        """Finished cells of a sample, in their order."""
        return [self.done[key] for key in sorted(self.done) if key[0] == sample]


def simulate(run: Run, *, threads: int | None = None, tick: Callable[[int], None] | None = None) -> None:
    """Goes on with a run to its end, or to Ctrl-C: what is not begun then is left, what runs is given up.

    ``tick`` is called with requests that have ended since it was called last, by one thread at a time.
    """
    lock = threading.Lock()

    def told(ended: int) -> None:
        if tick:
            with lock:
                tick(ended)

    def one(key: tuple[int, int]) -> Part | None:
        sample = run.samples[key[0]]
        return simulate_cell(
            sample.cells, key[1], horizon_s=sample.horizon_s, seed=run.seed, tick=told, stop=run.stop
        )  # fmt: skip

    every = [(k, cell) for k, sample in enumerate(run.samples) for cell in range(sample.n)]
    with ThreadPoolExecutor(max_workers=threads or os.cpu_count() or 1) as crew:
        begun: dict[tuple[int, int], Future[Part | None]] = {
            key: crew.submit(one, key) for key in every if key not in run.done
        }
        try:
            for key, future in begun.items():
                part = future.result()
                if part is not None:
                    run.done[key] = part
        except BaseException:
            run.stop.set()
            for future in begun.values():
                future.cancel()
            for key, future in begun.items():  # those that had ended by then count
                if not future.cancelled() and future.exception() is None:
                    part = future.result()
                    if part is not None:
                        run.done[key] = part
            raise


def simulate_cells(
    cells: Cells,
    *,
    n: int,
    horizon_s: float | None = None,
    factor: float = 1.0,
    seed: int = 0,
    threads: int | None = None,
    tick: Callable[[int], None] | None = None,
) -> Simulated:
    """``n`` of the cells of a class over some time of their block (all of it), with ``factor`` times the load."""
    loads = tuple(load.scaled(factor) for load in cells.loads)
    sample = Sample(cells=replace(cells, loads=loads), n=n, horizon_s=horizon_s or HOUR_S * cells.hours)
    run = Run(samples=[sample], seed=seed)
    simulate(run, threads=threads, tick=tick)
    return simulated(cells, run.parts(0))


def simulated(cells: Cells, parts: Sequence[Part]) -> Simulated:
    """Cells of a class in a block together."""
    metrics = merge([part.metrics for part in parts])
    total = metrics.total
    sent = total.n["sent"]
    return Simulated(
        name=cells.name, block=cells.block, n_cells=cells.n, n_simulated=len(parts), n_requests=sent,
        attained_frac=total.n["good"] / sent if sent else 1.0, needed_frac=cells.percentile,
        is_stable=_is_stable(np.sum([part.in_flight for part in parts], axis=0), sent), metrics=metrics,
        kernel_s=sum(part.kernel_s for part in parts),
    )  # fmt: skip


def over_day(blocks: Sequence[tuple[Cells, Simulated]]) -> Simulated:
    """A class over the blocks that were simulated; blocks count by their requests of a day."""
    if len(blocks) == 1:
        return blocks[0][1]
    weights = np.array([cells.rate_per_s * cells.hours for cells, _ in blocks])
    each = [one for _, one in blocks]
    metrics = merge([one.metrics for one in each])
    return replace(
        each[0], block="day", n_cells=max(one.n_cells for one in each), metrics=metrics,
        n_simulated=max(one.n_simulated for one in each), n_requests=sum(one.n_requests for one in each),
        attained_frac=float(np.average([one.attained_frac for one in each], weights=weights)),
        is_stable=all(one.is_stable for one in each), kernel_s=sum(one.kernel_s for one in each),
    )  # fmt: skip


def _is_stable(in_flight: Ints, sent: int) -> bool:
    """Whether requests in flight grow by no more than chance and 2 % of what is sent in the time between."""
    third = len(in_flight) // 3
    before, after = in_flight[:third], in_flight[-third:]
    grown = float(after.mean() - before.mean())
    return grown <= _GROWTH * sent * (1.0 - third / len(in_flight)) + 4.0 * BURST_CV * sqrt(max(before.mean(), 1.0))


# --- one cell


def simulate_cell(
    cells: Cells,
    cell: int,
    *,
    horizon_s: float,
    seed: int = 0,
    tick: Callable[[int], None] | None = None,
    stop: threading.Event | None = None,
) -> Part | None:
    """One cell for the time that counts and those before and behind it; None where ``stop`` was set meanwhile."""
    lasts = horizon_s + 2.0 * cells.warm_s
    drawn = windows(
        cells.loads, seed=seed, cell=cell, horizon_s=cells.ramp_s + lasts, window_requests=_WINDOW
    )  # fmt: skip
    chunks = (_after(chunk, cells.ramp_s) for chunk in drawn)
    return _counted(cells, _ends(chunks), (cells.warm_s, horizon_s), (seed, cell), tick=tick, stop=stop)


def _counted(
    cells: Cells,
    chunks: Iterator[tuple[Requests, bool]],
    span: tuple[float, float],
    number: tuple[int, int],
    *,
    tick: Callable[[int], None] | None = None,
    stop: threading.Event | None = None,
) -> Part | None:
    """A cell under requests of which those of ``span`` (start, length) count."""
    start, length = span
    fleet = _with_outages(cells, start + length + start, number)
    bins = bins_of(length)
    width_s = length / bins
    before = ceil(start / width_s) if start else 0
    shift_s = before * width_s - start  # the clock starts this early, so that a bin begins with what counts
    fleet = replace(fleet, outages=tuple(replace(o, start_s=o.start_s + shift_s, end_s=o.end_s + shift_s)
                                         for o in fleet.outages))  # fmt: skip
    start += shift_s
    memory = new_memory(setup_of(fleet), slots=4096, bins=before + bins + 1, bin_ns=int(width_s * NS_PER_S))
    _scale_from(memory, 0.5 * start)
    looks = [int((start + length * k / (LOOKS - 1)) * NS_PER_S) for k in range(LOOKS)]
    seen: list[int] = []
    spent, ended = 0.0, 0

    def go_on(total: int) -> bool:
        nonlocal ended
        if tick and total > ended:
            tick(total - ended)
        ended = total
        return not (stop is not None and stop.is_set())

    for chunk, is_last in chunks:
        rows, ids = packed(_rows(chunk, cells, (start, start + length), shift_s))
        end = int(rows[-c.W_COLUMNS + c.W_ARRIVAL]) + 1
        memory.m[c.G_ROW] = 0
        began = time.perf_counter()
        while len(seen) < LOOKS and (looks[len(seen)] < end or is_last):
            memory = run_kernel(memory, rows, ids, stop=looks[len(seen)], drain=False, tick=go_on, pause=_PAUSE)
            if stop is not None and stop.is_set():
                return None
            seen.append(int(memory.m[c.G_OPEN]))
        memory = run_kernel(memory, rows, ids, stop=end, drain=is_last, tick=go_on, pause=_PAUSE)
        spent += time.perf_counter() - began
        if not go_on(int(memory.m[c.G_ENDED])):
            return None
    settle(memory.m, int(memory.m[c.G_NOW]))
    metrics = measure(memory, fleet)
    counted = Metrics(
        streams=metrics.streams[: len(cells.loads)], lines=tuple(_of(line, before, bins) for line in metrics.lines),
        end_s=length,
    )  # fmt: skip
    return Part(metrics=counted, in_flight=np.array(seen + [0] * (LOOKS - len(seen))), kernel_s=spent)


def bins_of(length_s: float) -> int:
    """Bins of a time line of what counts: of some 5 minutes, and one at least."""
    return max(1, min(288, int(length_s // 300)))


def _scale_from(memory: Memory, time_s: float) -> None:
    """Puts off the first autoscaling until the cell has filled."""
    m = memory.m
    for k in range(int(m[c.G_N_POOLS])):
        tick = int(m[c.G_POOLS]) + k * c.P_COLUMNS + c.P_TICK
        if m[tick] < NEVER:
            m[tick] += int(time_s * NS_PER_S)


def _of(line: Line, first: int, bins: int) -> Line:
    """The line's bins of what is counted."""
    some = slice(first, first + bins)
    width = line.width_s[some]
    return replace(
        line, start_s=np.cumsum(width) - width, width_s=width,
        values={key: value[some] for key, value in line.values.items()},
    )  # fmt: skip


def _after(chunk: Requests, start_s: float) -> Requests:
    """Requests from a time on, which becomes 0."""
    if start_s == 0.0:
        return chunk
    some = chunk.take(np.flatnonzero(chunk.arrival_s >= start_s))
    return replace(some, arrival_s=some.arrival_s - start_s)


def _ends(parts: Iterator[Requests]) -> Iterator[tuple[Requests, bool]]:
    """Each window, and whether it is the last."""
    held = None
    for part in parts:
        if not len(part):
            continue
        if held is not None:
            yield held, False
        held = part
    if held is not None:
        yield held, True


def _rows(requests: Requests, cells: Cells, counted: tuple[float, float], shift_s: float = 0.0) -> Rows:
    most = cells.most_tokens
    inputs = np.minimum(requests.input_tokens, most - most // 4)
    outputs = np.minimum(requests.output_tokens, most - inputs)
    columns: dict[str, Ints] = {}
    if (requests.shared_tokens >= 0).any():
        columns["cached"] = np.clip(requests.shared_tokens, 0, inputs)
    arrival_s = requests.arrival_s + shift_s
    counts = (arrival_s >= counted[0]) & (arrival_s < counted[1])
    stream = np.where(counts, requests.stream, requests.stream + len(cells.loads))
    return rows_of(np.rint(arrival_s * NS_PER_S).astype(np.int64), inputs, outputs, stream.astype(np.int64), **columns)


def _with_outages(cells: Cells, lasts_s: float, number: tuple[int, int]) -> Fleet:
    """The fleet of one cell: its seed, and when which replica fails."""
    rng = np.random.default_rng([*number, 0xFA11])
    outages: list[Outage] = []
    replica = 0
    for pool in cells.fleet.pools:
        rate = cells.failures_per_s * pool.table.n_packages
        for _ in range(pool.n_replicas):
            at = rng.exponential(1.0 / rate) if rate else inf
            while at < lasts_s:
                outages.append(Outage(replica=replica, start_s=at, end_s=at + REPAIR_S))
                at += REPAIR_S + rng.exponential(1.0 / rate)
            replica += 1
    return replace(cells.fleet, outages=tuple(outages), seed=number[0] * 1_000_003 + number[1])


# --- what a replica yields


def steady_tokens_per_s(cells: Cells, lane: Lane, *, seed: int = 0) -> float:
    """Output tokens a second of one replica of a lane at its operating point, with the prompts that come with them.

    A closed loop keeps as many requests in flight as the plan thinks of, so that there is neither queue nor chance.
    """
    names = {lane.name, f"{lane.name} prefill"}
    pools = [pool for pool in cells.fleet.pools if pool.name in names]
    share = lane.replica.prefill_per_decode
    n = max(1, min(ceil(1.0 / share), 16)) if len(pools) > 1 else 1
    counts = [max(1, round(n * share)), n] if len(pools) > 1 else [n]
    pools = [
        replace(pool, n_replicas=count, scaling=None, crowding_s=0.0, hands_to=1 if pool.hands_to >= 0 else -1)
        for pool, count in zip(pools, counts, strict=True)
    ]
    traffic = replace(cells.fleet.traffic[0], pools=(0,), latency_s=(), priority=0, gate=inf, spill_s=inf)
    fleet = Fleet(pools=tuple(pools), traffic=(traffic,), seed=seed)
    flight = pools[-1].max_sequences * n
    load = replace(cells.loads[0], rate_per_s=np.ones(1) / len(cells.loads))
    life = _life_turns(flight)
    drawn = next(windows([load], seed=seed, horizon_s=cells.ramp_s + 4.0 * life, window_requests=_WINDOW))
    rows = _rows(_after(drawn, min(cells.ramp_s, float(drawn.arrival_s[-1]) / 2.0)), cells, (0.0, inf))
    rows = rows._replace(arrival=np.zeros_like(rows.arrival))
    life_s = len(rows.arrival) * float(rows.outputs.mean()) / (n * max(lane.planned_tokens_per_s, 1e-9))
    memory = new_memory(
        setup_of(fleet, flight), slots=max(4096, 4 * flight), bins=400, bin_ns=max(int(life_s * 1e7), 1)
    )
    memory = run_kernel(memory, *packed(rows))
    end = int(memory.m[c.G_NOW])
    settle(memory.m, end)
    made = _output_by_bin(memory, len(pools) - 1)
    used = np.flatnonzero(made)[-1] + 1
    some = slice(used // 4, max(used - used // 4, used // 4 + 1))
    return float(made[some].sum() / (len(made[some]) * int(memory.m[c.G_BIN_NS]) / NS_PER_S) / n)


def _life_turns(flight: int) -> float:
    """Requests for a closed loop of so many in flight."""
    return float(max(12 * flight, 2000))


def _output_by_bin(memory: Memory, pool: int) -> Ints:
    m = memory.m
    at = int(m[int(m[c.G_POOLS]) + pool * c.P_COLUMNS + c.P_LINES])
    bins = int(m[c.G_N_BINS])
    lines: Ints = m[at : at + bins * c.T_COLUMNS].reshape(bins, c.T_COLUMNS)[:, c.T_OUTPUT].copy()
    return lines


# --- traces


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Traced:
    """A class under a trace: the outcome, how often the trace was repeated, and the time that counted [s]."""

    simulated: Simulated
    repeats: int
    counted_s: float


def simulate_trace(cells: Cells, requests: Requests, *, seed: int = 0) -> Traced:
    """One cell of a class under the requests of a trace, its times stretched to the cell's rate in its block.

    Lengths, order and bursts are those of the trace; what it says of prefixes shown before counts as found. A trace
    that is shorter than the time before what counts and ten minutes is sent again and again.
    """
    most = cells.most_tokens
    too_long = np.flatnonzero(requests.input_tokens + requests.output_tokens > most)
    if len(too_long):
        k = int(too_long[0])
        raise TraceError(
            f"row {requests.line[k]}: {requests.input_tokens[k]:,} + {requests.output_tokens[k]:,} tokens; a replica "
            f"for {cells.name} holds {most:,}; leave out such rows ({len(too_long):,})"
        )
    n, rate = len(requests), cells.cell_rate_per_s
    lasts_s = n / rate
    first, last = float(requests.arrival_s[0]), float(requests.arrival_s[-1])
    gaps = (last - first) * n / (n - 1) if n > 1 and last > first else 1.0  # with the gap to the next time round
    arrival = (requests.arrival_s - first) * lasts_s / gaps
    counted_s = max(lasts_s, _TRACE_S)
    repeats = ceil((counted_s + 2.0 * cells.warm_s) / lasts_s - 1e-9)
    times = (arrival[None, :] + lasts_s * np.arange(repeats)[:, None]).ravel()
    again = {
        name: np.tile(getattr(requests, name), repeats) for name in ("input_tokens", "output_tokens", "shared_tokens")
    }
    plain = requests_of(times, **again, streams=(cells.loads[0].stream,))
    one = replace(cells, loads=cells.loads[:1], fleet=_of_one_stream(cells.fleet, len(cells.loads)))
    part = _counted(one, iter([(plain, True)]), (cells.warm_s, counted_s), (seed, 0))
    assert part is not None
    return Traced(simulated=simulated(cells, [part]), repeats=repeats, counted_s=counted_s)


def _of_one_stream(fleet: Fleet, tiers: int) -> Fleet:
    """The fleet with the first tier's stream alone, open to all."""
    counted, around = fleet.traffic[0], fleet.traffic[tiers]
    return replace(
        fleet, traffic=tuple(replace(one, priority=0, gate=inf) for one in (counted, around))
    )  # fmt: skip


def of_class(found: Sequence[Cells], requests: Requests) -> list[tuple[Cells, Requests]]:
    """(cells, requests of the trace for them): by class; a trace that names none of them is for the largest.

    What names a class is for its users of every region, at every speed.
    """
    names = [stream.name for stream in requests.streams]
    named = [
        (cells, requests.take(np.isin(requests.stream, [k for k, name in enumerate(names) if name in mine])))
        for cells in found
        if (mine := {cells.name, cells.served.workload}).intersection(names)
    ]
    if named:
        return [(cells, part) for cells, part in named if len(part)]
    return [(max(found, key=lambda cells: cells.rate_per_s), requests)]


def busiest(found: Sequence[Cells]) -> tuple[Cells, ...]:
    """Of every class, users and speed the busiest block."""
    most: Mapping[str, Cells] = {
        name: max((one for one in found if one.name == name), key=lambda one: one.rate_per_s)
        for name in dict.fromkeys(one.name for one in found)
    }
    return tuple(most.values())
