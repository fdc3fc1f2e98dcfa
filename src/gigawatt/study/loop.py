"""The loop from plan to simulation and back: what a class misses in the simulated fleet is taken off its coefficient.

    plan -> simulate the fleet of chosen quarters -> derate what misses its objective -> plan again

A class that misses in a block is simulated at falling loads until it holds; the share of its load at which it does is
the factor by which its output a watt falls in the next plan. Where a lane misses by itself, the factor is that of its
system; where only the lanes together miss, that of all. At most five rounds; what is missing after the last is the
residual. A class that holds at no load (its limits are shorter than an empty fleet answers) is left as it is and named.

Beside it stands what a replica yields at its operating point, planned and simulated. Where the two are far apart, the
models of a replica disagree, and what is missing is not a matter of queues.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from gigawatt.core.calendar import HOUR_S
from gigawatt.study.cells import Cells, Day, alone, cells_of
from gigawatt.study.change import Derate, apply
from gigawatt.study.fleet import Simulated, simulate_cells, steady_tokens_per_s
from gigawatt.study.lanes import Served

if TYPE_CHECKING:
    import xarray as xr

    from gigawatt.study.resolve import Case

Say = Callable[[str], None]
Factors = Mapping[tuple[str, Served], float]
"""On the output of a system for what is served."""

ROUNDS = 5
STEP, LEAST = 0.01, 0.05
"""How close the share of load is found, and the share at which a class that still misses holds at no load."""
GAP = 0.2
"""Share by which a replica may yield less or more than planned before its models are said to disagree."""
_REPLICAS = 16  # of a cell
_WINDOW_S, _REQUESTS = 300.0, 50_000  # that count at most in a look


@dataclass(frozen=True, slots=True, kw_only=True)
class Attained:
    """What is served in a block, a quarter and a round: what was simulated, the least factor on a coefficient after it.

    ``held_at`` is the share of its load at which it holds, None where it holds at none.
    """

    round: int
    quarter: str
    day: str
    block: str
    workload: str
    users: str
    speed: float
    attained_frac: float
    needed_frac: float
    ttft_s: float
    tpot_s: float
    n_requests: int
    is_stable: bool
    held_at: float | None
    factor: float

    @property
    def served(self) -> Served:
        """What is served."""
        return Served(self.workload, self.users, self.speed)

    @property
    def missing_frac(self) -> float:
        """Share of requests short of the objective."""
        return max(self.needed_frac - self.attained_frac, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Steady:
    """Output of a replica of a lane at its operating point [token/s], planned and simulated without a queue."""

    quarter: str
    lane: str
    planned_tokens_per_s: float
    simulated_tokens_per_s: float

    @property
    def gap_frac(self) -> float:
        """Simulated over planned, less 1."""
        return self.simulated_tokens_per_s / self.planned_tokens_per_s - 1.0

    @property
    def is_agreed(self) -> bool:
        """Whether the two are as close as models of one thing should be."""
        return abs(self.gap_frac) <= GAP

    def __str__(self) -> str:
        more = "" if self.is_agreed else "; the models of a replica disagree"
        return (
            f"{self.lane}: a replica yields {self.simulated_tokens_per_s:,.0f} tokens/s of "
            f"{self.planned_tokens_per_s:,.0f} planned ({self.gap_frac:+.0%}){more}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Looped:
    """How the loop went: every simulation, the factors at its end, what each plan cost, and what replicas yield."""

    attained: tuple[Attained, ...]
    factors: Factors
    objectives_usd: tuple[float, ...]
    steady: tuple[Steady, ...] = ()

    @property
    def last(self) -> tuple[Attained, ...]:
        """Of the last round."""
        number = max((one.round for one in self.attained), default=0)
        return tuple(one for one in self.attained if one.round == number)

    @property
    def residual_frac(self) -> float:
        """The largest share that any class is short of its objective in the last round."""
        return max((one.missing_frac for one in self.last), default=0.0)

    def residual(self) -> str:
        """What is missing after the last round, in a sentence."""
        missing = sorted((one for one in self.last if one.missing_frac), key=lambda one: one.missing_frac)
        short = {str(one.served): one for one in missing}
        if not short:
            return "residual: none, every class holds its objective"
        parts = [
            f"{name} is {one.missing_frac:.1%} of requests short in {one.block} of {one.quarter}"
            + (" and holds at no load" if one.held_at is None else "")
            for name, one in reversed(short.items())
        ]
        return f"residual: {'; '.join(parts)}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        first, last = self.objectives_usd[0], self.objectives_usd[-1]
        return {
            "rounds": len(self.objectives_usd),
            "residual_frac": self.residual_frac,
            "residual": self.residual(),
            "factors": [{"system": key[0], **asdict(key[1]), "factor": factor} for key, factor in self.factors.items()],
            "objectives_usd": list(self.objectives_usd),
            "costs_more_usd": last - first,
            "attained": [asdict(one) for one in self.attained],
            "steady": [asdict(one) | {"gap_frac": one.gap_frac, "is_agreed": one.is_agreed} for one in self.steady],
        }


def close_loop(
    case: Case,
    plan: xr.Dataset,
    plan_again: Callable[[Case], xr.Dataset],
    quarters: Sequence[str],
    *,
    days: Sequence[Day] = ("peak", "ordinary"),
    rounds: int = ROUNDS,
    seed: int = 0,
    say: Say = lambda _: None,
) -> tuple[Case, xr.Dataset, Looped]:
    """The case and plan after the loop, and how it went.

    ``plan_again`` solves a case whose coefficients hold the factors. A class must hold its objective in every block of
    all ``days`` in the fleets of all ``quarters``.
    """
    factors: dict[tuple[str, Served], float] = {}
    attained: list[Attained] = []
    objectives = [float(plan.attrs["objective_usd"])]
    steady: tuple[Steady, ...] = ()
    now = case
    for number in range(1, rounds + 1):
        found: dict[tuple[str, Served], float] = {}
        steady = _yields(now, plan, quarters, seed, say if number == 1 else lambda _: None)
        for quarter in quarters:
            for day in days:
                for cells in cells_of(now, plan, quarter, day, replicas=_REPLICAS):
                    say(f"round {number}: {cells.name} in {quarter}, {cells.block} of a {day} day")
                    one, held_at, lower = _look(cells, seed)
                    for system, factor in lower.items():
                        key = (system, cells.served)
                        found[key] = min(found.get(key, 1.0), factor)
                    least = min((factors.get((s, cells.served), 1.0) * f for s, f in lower.items()), default=1.0)
                    attained.append(_attained((number, quarter, day), cells, one, held_at, least))
        if not found or number == rounds:
            break
        for key, factor in found.items():
            factors[key] = factors.get(key, 1.0) * factor
        say(f"round {number}: planning again with {len(factors)} coefficients derated")
        now = apply(now, (Derate(system=system, served=served, factor=f) for (system, served), f in found.items()))
        plan = plan_again(now)
        objectives.append(float(plan.attrs["objective_usd"]))
    looped = Looped(
        attained=tuple(attained), factors=factors, objectives_usd=tuple(objectives), steady=steady
    )  # fmt: skip
    say(looped.residual())
    return now, plan, looped


def yields(found: Sequence[Cells], quarter: str, seed: int = 0) -> tuple[Steady, ...]:
    """What replicas of every lane of a quarter's cells yield, once each."""
    lanes = {
        lane.name: (cells, lane)
        for cells in found
        for lane in cells.lanes
        if any(pool.name == lane.name for pool in cells.fleet.pools)
    }
    return tuple(
        Steady(
            quarter=quarter, lane=name, planned_tokens_per_s=lane.planned_tokens_per_s,
            simulated_tokens_per_s=steady_tokens_per_s(cells, lane, seed=seed),
        )
        for name, (cells, lane) in lanes.items()
    )  # fmt: skip


def _yields(case: Case, plan: xr.Dataset, quarters: Sequence[str], seed: int, say: Say) -> tuple[Steady, ...]:
    found: list[Steady] = []
    for quarter in quarters:
        found += yields(cells_of(case, plan, quarter, replicas=_REPLICAS), quarter, seed)
    for one in found:
        say(str(one))
    return tuple(found)


def _window_s(cells: Cells) -> float:
    return min(_WINDOW_S, max(_REQUESTS / max(cells.cell_rate_per_s, 1e-9), 60.0), HOUR_S * cells.hours)


def _look(cells: Cells, seed: int) -> tuple[Simulated, float | None, dict[str, float]]:
    """(the class at its planned load, share of that load at which it holds or None, factors by system)."""
    window_s = _window_s(cells)
    one = simulate_cells(cells, n=1, horizon_s=window_s, seed=seed)
    if one.is_met:
        return one, 1.0, {}
    held_at = held_share(cells, window_s, seed)
    if held_at is None:
        return one, None, {}
    names = {pool.name for pool in cells.fleet.pools}
    here = [lane for lane in cells.lanes if lane.name in names]
    lower: dict[str, float] = {}
    if len({lane.system for lane in here}) > 1:
        for lane in here:
            apart = alone(cells, lane)
            if not simulate_cells(apart, n=1, horizon_s=window_s, seed=seed).is_met:
                share = held_share(apart, window_s, seed)
                if share is not None:
                    lower[lane.system] = min(lower.get(lane.system, 1.0), share)
    return one, held_at, lower or {lane.system: held_at for lane in cells.lanes}


def held_share(cells: Cells, window_s: float, seed: int) -> float | None:
    """The largest share of the load, to 0.01, at which cells that miss at all of it hold; None where there is none."""

    def holds(share: float) -> bool:
        return simulate_cells(cells, n=1, horizon_s=window_s, factor=share, seed=seed).is_met

    if not holds(LEAST):
        return None
    low, high = round(LEAST / STEP), round(1.0 / STEP)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle * STEP) else (low, middle)
    return low * STEP


def _attained(
    when: tuple[int, str, str], cells: Cells, one: Simulated, held_at: float | None, factor: float
) -> Attained:
    total = one.metrics.total
    q = cells.percentile
    return Attained(
        round=when[0], quarter=when[1], day=when[2], block=cells.block, **asdict(cells.served),
        attained_frac=one.attained_frac, needed_frac=one.needed_frac, ttft_s=_finite(total.percentile_s("ttft", q)),
        tpot_s=_finite(total.percentile_s("tpot", q)), n_requests=one.n_requests, is_stable=one.is_stable,
        held_at=held_at, factor=factor,
    )  # fmt: skip


def _finite(value: float) -> float:
    return value if value == value else 0.0
