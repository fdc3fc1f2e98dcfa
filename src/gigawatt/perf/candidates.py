"""Ways to serve a task, one a column, and what is chosen among them: the frontier, and the best that holds the SLO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from gigawatt.catalog.schema import System
from gigawatt.core.calendar import HOUR_S
from gigawatt.core.units import pretty
from gigawatt.perf.inference import Speculation
from gigawatt.perf.layout import Layout
from gigawatt.perf.operators import Floats
from gigawatt.perf.table import Maker
from gigawatt.perf.task import Basis, Tail, Task

Indices: TypeAlias = npt.NDArray[np.intp]
Objective = Literal["package", "mw", "dollar"]

OBJECTIVES: tuple[Objective, ...] = get_args(Objective)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Attention side of a hybrid: copies of tp packages, and batches that take turns with the other side."""

    tp: int
    copies: int
    turns: int

    @property
    def n_packages(self) -> int:
        """Packages of attention."""
        return self.tp * self.copies


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """Legal ways to serve a task on a system, one a column (k,); times and rates (3, k) from fast to slow end.

    What does not fit in memory is no candidate: ``reason`` says why there are none at all.

    Attributes:
        precision: weights, arithmetic and cache in words; ``weights`` how they are stored.
        names: layouts, which ``layout`` and ``prefill_layout`` (-1 where aggregated) index.
        layouts: the same as ranks, those of prefill alone for hybrids (named last); empty for pipelines in SRAM.
        sides: attention sides of hybrids, which ``layout`` indexes too; ``parts`` their two systems.
        batch: sequences in flight of the replica that decodes.
        n_packages: packages of that replica.
        prefill_per_decode: r, packages that prefill for each that decodes; 0 where aggregated.
        tpot_s, ttft_s: medians [s].
        tokens_per_s_package: output tokens [token/s] a package, those that prefill included.
        watts_package: IT power, with its share of hosts and switches [W].
        usd_per_h_package: price with network over its life, straight line, and energy [USD/h]; nan without a price.
        n_evaluated: configurations whose times were computed, legal or not.
    """

    system: System
    task: Task
    speculation: Speculation = Speculation()
    precision: str = ""
    weights: str = ""
    maker: Maker = "calibrated"
    names: tuple[str, ...] = ()
    layouts: tuple[Layout, ...] = ()
    sides: tuple[Side, ...] = ()
    parts: tuple[System, ...] = ()
    layout: Indices = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    prefill_layout: Indices = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    batch: Floats = field(default_factory=lambda: np.zeros(0))
    n_packages: Floats = field(default_factory=lambda: np.zeros(0))
    prefill_per_decode: Floats = field(default_factory=lambda: np.zeros(0))
    tpot_s: Floats = field(default_factory=lambda: np.zeros((3, 0)))
    ttft_s: Floats = field(default_factory=lambda: np.zeros((3, 0)))
    tokens_per_s_package: Floats = field(default_factory=lambda: np.zeros((3, 0)))
    watts_package: Floats = field(default_factory=lambda: np.zeros(0))
    usd_per_h_package: Floats = field(default_factory=lambda: np.zeros(0))
    n_evaluated: int = 0
    band: str = ""
    reason: str = ""

    def __len__(self) -> int:
        return len(self.batch)

    def only(self, rows: Indices) -> Candidates:
        """The candidates of these columns alone."""
        columns = (
            "layout", "prefill_layout", "batch", "n_packages", "prefill_per_decode", "watts_package",
            "usd_per_h_package",
        )  # fmt: skip
        banded = ("tpot_s", "ttft_s", "tokens_per_s_package")
        return replace(
            self,
            **{name: getattr(self, name)[rows] for name in columns},
            **{name: getattr(self, name)[:, rows] for name in banded},
        )

    def rate(self, objective: Objective, end: int = 1) -> Floats:
        """Output tokens/s a package, tokens/s a W of IT power, or tokens a USD; ``end`` 0 fast, 1 central, 2 slow."""
        each: Floats = self.tokens_per_s_package[end]
        if objective == "package":
            return each
        if objective == "mw":
            return np.asarray(each / self.watts_package)
        return np.asarray(each * HOUR_S / self.usd_per_h_package)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operating:
    """A chosen way to serve; the planner's operating point. ``reason`` says why there is none, then rates are 0.

    Rates ``_low`` and ``_high`` are the best that holds the SLO at the slow and the fast end of the band: 0 where
    nothing holds it there. ``headroom`` is the share of a fleet kept free; no rate deducts it.
    """

    system: str
    reason: str = ""
    speculation: Speculation = Speculation()
    layout: str = ""
    prefill_layout: str = ""
    precision: str = ""
    weights: str = ""
    maker: Maker = "calibrated"
    band: str = ""
    batch: float = 0.0
    n_packages: float = 0.0
    prefill_per_decode: float = 0.0
    percentile: float = 0.5
    tpot_s: float = 0.0
    ttft_s: float = 0.0
    tokens_per_s_package: float = 0.0
    tokens_per_s_package_low: float = 0.0
    tokens_per_s_package_high: float = 0.0
    tokens_per_s_unit: float = 0.0
    it_power_unit_w: float = 0.0
    usd_per_h_package: float = float("nan")
    headroom: tuple[float, float, float] = (0.0, 0.0, 0.0)
    at: int = -1

    @property
    def is_served(self) -> bool:
        """True where something meets the SLO."""
        return not self.reason

    def rate(self, objective: Objective) -> float:
        """Output tokens/s a package, tokens/s a W of IT power, or tokens a USD; 0 where nothing is served."""
        if not self.is_served:
            return 0.0
        if objective == "package":
            return self.tokens_per_s_package
        if objective == "mw":
            return self.tokens_per_s_unit / self.it_power_unit_w
        return self.tokens_per_s_package * HOUR_S / self.usd_per_h_package

    @property
    def joules_per_token(self) -> float:
        """IT energy of an output token [J/token]."""
        return self.it_power_unit_w / self.tokens_per_s_unit if self.tokens_per_s_unit else float("inf")


def pareto(found: Candidates, objective: Objective = "mw", within: npt.NDArray[np.bool_] | None = None) -> Indices:
    """Candidates that none beats in speed a user and rate at once, slow to fast: speed rises and the rate falls.

    ``within`` (k,) leaves candidates out.
    """
    some = np.arange(len(found)) if within is None else np.flatnonzero(within)
    rate = found.rate(objective)[some]
    some, rate = some[np.isfinite(rate)], rate[np.isfinite(rate)]
    order = np.lexsort((-rate, found.tpot_s[1, some]))
    if not len(order):
        return some
    best = np.maximum.accumulate(rate[order])
    ahead = np.concatenate([[True], best[1:] > best[:-1]])
    return np.asarray(some[order[ahead]][::-1])


def within_slo(found: Candidates, tail: Tail = Tail(), end: int = 1) -> npt.NDArray[np.bool_]:
    """Candidates (k,) that hold the limits of their task at its percentile, at an end of the band."""
    task, (slow, late) = found.task, tail.at(found.task.percentile)
    held = np.ones(len(found), dtype=np.bool_)
    if task.tokens_per_s_user is not None:
        held &= found.tpot_s[end] * slow * task.tokens_per_s_user <= 1.0
    if task.ttft_s is not None:
        held &= found.ttft_s[end] * late <= task.ttft_s
    return held


def best(found: Candidates, basis: Basis, objective: Objective = "mw", tail: Tail = Tail()) -> Operating:
    """Operating point with the highest rate that holds the SLO, and the band of its rate."""
    none = Operating(
        system=found.system.id, speculation=found.speculation, percentile=found.task.percentile,
        headroom=basis.headroom,
    )  # fmt: skip
    if found.reason:
        return replace(none, reason=found.reason)
    ends = [np.where(within_slo(found, tail, end), found.rate(objective, end), -np.inf) for end in range(3)]
    if objective == "dollar" and np.isnan(found.usd_per_h_package).all():
        return replace(none, reason=f"{found.system.name} has no price in the catalogue")
    if not np.isfinite(ends[1].max()):
        return replace(none, reason=_why_missed(found, tail))
    at = int(np.argmax(ends[1]))
    fast, slow = (
        float(found.tokens_per_s_package[end, int(np.argmax(ends[end]))]) if np.isfinite(ends[end].max()) else 0.0
        for end in (0, 2)
    )
    units = found.system.n_packages.value if found.system.n_packages else 1.0
    each = float(found.tokens_per_s_package[1, at])
    before = int(found.prefill_layout[at])
    return replace(
        none, layout=found.names[found.layout[at]], prefill_layout=found.names[before] if before >= 0 else "",
        precision=found.precision, weights=found.weights, maker=found.maker, band=found.band, at=at,
        batch=float(found.batch[at]), n_packages=float(found.n_packages[at]),
        prefill_per_decode=float(found.prefill_per_decode[at]),
        tpot_s=float(found.tpot_s[1, at]), ttft_s=float(found.ttft_s[1, at]),
        tokens_per_s_package=each, tokens_per_s_package_low=min(slow, each), tokens_per_s_package_high=max(fast, each),
        tokens_per_s_unit=each * units, it_power_unit_w=float(found.watts_package[at]) * units,
        usd_per_h_package=float(found.usd_per_h_package[at]),
    )  # fmt: skip


def preferred(ways: Sequence[Operating], objective: Objective) -> int:
    """Which of several ways to serve has the highest rate; the last where none serves, which is the one that drafts."""
    rates = [one.rate(objective) for one in ways]
    return rates.index(max(rates)) if max(rates) > 0.0 else len(ways) - 1


def _why_missed(found: Candidates, tail: Tail) -> str:
    task, name, (slow, late) = found.task, found.system.name, tail.at(found.task.percentile)
    at = f"at the {100 * task.percentile:g}th percentile" if task.percentile != 0.5 else "in the median"
    speed = 1.0 / (slow * float(found.tpot_s[1].min()))
    if task.tokens_per_s_user is not None and speed < task.tokens_per_s_user:
        return f"{name} reaches {speed:,.0f} tok/s per user {at}; {task.tokens_per_s_user:,.0f} are asked for"
    first = late * float(found.ttft_s[1].min())
    if task.ttft_s is not None and first > task.ttft_s:
        return f"{name} needs {pretty(first, 's')} to the first token {at}; {pretty(task.ttft_s, 's')} are allowed"
    return f"{name} meets the time to first token and the speed {at} apart, but no layout and batch meets both"
