"""A day of a planned fleet, simulated: which of its cells, for how long, under drawn requests or those of a trace."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gigawatt.core.calendar import HOUR_S
from gigawatt.core.errors import ScenarioError
from gigawatt.demand.public import unchanged
from gigawatt.demand.requests import Requests
from gigawatt.demand.traces import read_trace
from gigawatt.study.cells import Cells, Day, cells_of
from gigawatt.study.fleet import (
    Run,
    Sample,
    Simulated,
    busiest,
    of_class,
    over_day,
    simulate,
    simulate_trace,
    simulated,
)
from gigawatt.study.loop import Steady, yields
from gigawatt.study.results import Results
from gigawatt.study.saved import resume_run, run_key, save_run

Say = Callable[[str], None]

_REQUESTS = 2_000_000
_LARGE = 20_000_000  # requests from which cells are whole
_COUNTED_S = 300.0  # at least, of what is simulated
_QUIET_S = 1.0  # between two lines of progress


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOptions:
    """What is simulated, and how.

    Attributes:
        quarter: whose fleet.
        day: peak, as the plan was sized, or ordinary.
        requests: about how many in all; 0 leaves it to us.
        scale: share of the fleet's cells, over the whole day; 0 takes the busiest block of each class.
        trace: file or public trace whose requests are sent in place of drawn ones; empty for none.
        without: what is left out.
        scaling: whether pools switch off replicas that are not needed at the moment.
        seed: of all random numbers.
        threads: at most; 0 is one a core.
        resume: file of an interrupted simulation.
    """

    quarter: str
    day: Day = "peak"
    requests: int = 0
    scale: float = 0.0
    trace: str = ""
    without: Sequence[str] = ()
    scaling: bool = False
    seed: int = 0
    threads: int = 0
    resume: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassDay:
    """A class over the blocks that were simulated.

    Attributes:
        cells: of its busiest block.
        simulated: over its blocks.
        hours: that count.
        blocks: each with its cells.
        trace: (requests, times they were sent) of a trace; None for drawn ones.
    """

    cells: Cells
    simulated: Simulated
    hours: float
    blocks: tuple[tuple[Cells, Simulated], ...]
    trace: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FleetDay:
    """A simulated day: its classes, what replicas yield alone, seconds it took, and a sentence where it was stopped."""

    ask: DayOptions
    classes: tuple[ClassDay, ...]
    steady: Sequence[Steady]
    wall_s: float
    stopped: str = ""


def simulate_day(results: Results, ask: DayOptions, say: Say) -> FleetDay:
    """The planned fleet of a quarter under a day of requests. Raises ScenarioError where the plan serves none then."""

    def cells(size: int) -> tuple[Cells, ...]:
        return cells_of(
            results.case, results.plan, ask.quarter, ask.day, replicas=size, without=ask.without, scaling=ask.scaling
        )

    found = cells(64 if ask.scale or ask.requests > _LARGE else 16)
    if not found:
        where = results.case.scenario.where
        raise ScenarioError(f"{where}: the plan serves no requests in {ask.quarter}; choose a later quarter")
    say("what replicas yield at their operating points (kernels compile once, about a minute)")
    steady = yields(found, ask.quarter, ask.seed)
    began, stopped = time.perf_counter(), ""
    if ask.trace:
        rows = _traced(busiest(found), ask, say)
    else:
        samples = samples_of(cells, found, ask.requests or _REQUESTS, ask.scale)
        run = Run(samples=samples, seed=ask.seed)
        key = run_key(run, f"{results.hash} {ask.quarter} {ask.day} {','.join(ask.without)}")
        stopped = _drawn(run, key, ask, say)
        rows = _by_class(run)
    return FleetDay(
        ask=ask, classes=tuple(rows), steady=steady, wall_s=time.perf_counter() - began, stopped=stopped
    )  # fmt: skip


# --- drawn requests


def samples_of(
    cells: Callable[[int], Sequence[Cells]], found: Sequence[Cells], requests: float, scale: float
) -> list[Sample]:
    """What is simulated: with ``scale`` a share of the cells over all blocks, else the busiest block of each class.

    Of about ``requests``, those not counted among them. Where even five minutes of one cell a class are more, cells
    have fewer replicas; ``cells`` makes them.
    """
    if scale:
        return [Sample(cells=one, n=max(1, round(one.n * scale)), horizon_s=HOUR_S * one.hours) for one in found]

    def least(some: Sequence[Cells]) -> float:
        return sum(Sample(cells=one, n=1, horizon_s=_COUNTED_S).requests for one in some)

    some = busiest(found)
    for size in (8, 4, 2, 1):
        if least(some) <= requests:
            break
        some = busiest(cells(size))
    spare = max(requests - least(some), 0.0)
    a_day = sum(one.rate_per_s * one.hours for one in some)
    samples = []
    for one in some:
        more_s = spare * (one.rate_per_s * one.hours / a_day) / one.cell_rate_per_s
        whole_s = HOUR_S * one.hours
        n = min(max(1, round((_COUNTED_S + more_s) / (whole_s + 2.0 * one.warm_s))), one.n)
        horizon_s = min(_COUNTED_S + (more_s if n == 1 else whole_s), whole_s)
        samples.append(Sample(cells=one, n=n, horizon_s=horizon_s))
    return samples


@dataclass(slots=True, eq=False)
class _Clock:
    """Requests done of those asked for, and when it will end, from the start of the simulation. Mutable."""

    total: float
    say: Say
    done: int = 0
    began: float = field(default_factory=time.perf_counter)
    told: float = 0.0

    def tick(self, ended: int) -> None:
        """So many more have ended."""
        self.done += ended
        now = time.perf_counter()
        if now - self.told >= _QUIET_S:
            self.told = now
            left = (now - self.began) * max(self.total - self.done, 0.0) / max(self.done, 1)
            self.say(f"{self.done:,} of about {self.total:,.0f} requests, {left:,.0f} s to go")


def _drawn(run: Run, key: str, ask: DayOptions, say: Say) -> str:
    """Goes on with a run to its end, or to Ctrl-C: then it is written, and the sentence says what goes on with it."""
    if ask.resume is not None:
        resume_run(run, ask.resume, key)
    left = sum(
        one.requests / one.n for k, one in enumerate(run.samples) for cell in range(one.n) if (k, cell) not in run.done
    )
    n_cells = sum(one.n for one in run.samples)
    say(f"simulating about {left:,.0f} requests in {n_cells - len(run.done):,} cells")
    try:
        simulate(run, threads=ask.threads or None, tick=_Clock(total=left, say=say).tick)
    except KeyboardInterrupt:
        path = ask.resume or Path(f"simulate-{key[:12]}.npz")
        save_run(run, path, key)
        return (
            f"stopped after {len(run.done):,} of {n_cells:,} cells; the figures are of those. The same command with "
            f"--resume {path} goes on"
        )
    return ""


def _by_class(run: Run) -> list[ClassDay]:
    """Every class that has a finished cell, over its blocks."""
    rows = []
    for name in dict.fromkeys(sample.cells.name for sample in run.samples):
        some = [(k, one) for k, one in enumerate(run.samples) if one.cells.name == name and run.parts(k)]
        if some:
            blocks = tuple((one.cells, simulated(one.cells, run.parts(k))) for k, one in some)
            most = max((cells for cells, _ in blocks), key=lambda cells: cells.rate_per_s)
            hours = sum(one.horizon_s for _, one in some) / HOUR_S
            rows.append(ClassDay(cells=most, simulated=over_day(blocks), hours=hours, blocks=blocks))
    return rows


# --- traces


def _traced(found: Sequence[Cells], ask: DayOptions, say: Say) -> list[ClassDay]:
    rows = []
    for cells, part in of_class(found, trace_of(ask.trace, say)):
        say(f"simulating {len(part):,} requests of {cells.name}")
        one = simulate_trace(cells, part, seed=ask.seed)
        rows.append(ClassDay(cells=cells, simulated=one.simulated, hours=one.counted_s / HOUR_S,
                             blocks=((cells, one.simulated),), trace=(len(part), one.repeats)))  # fmt: skip
    return rows


def trace_of(name: str, say: Say) -> Requests:
    """Requests of a file or of a public trace, each at its own arrival."""
    return read_trace(unchanged(name), say=say).requests.open_loop()
