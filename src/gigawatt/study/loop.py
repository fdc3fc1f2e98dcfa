"""The loop from plan to simulation and back: what a class misses in the simulated fleet is taken off its coefficient.

    plan -> simulate the fleet of chosen quarters -> derate what misses its objective -> plan again

A class that misses is simulated at falling loads until it holds; the share of its load at which it does is the factor
by which its output a watt falls in the next plan. At most five rounds; what is missing after the last is the residual.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gigawatt.study.fleet import DAY_S, Cells, Day, Simulated, cells_of, simulate_cells

if TYPE_CHECKING:
    import xarray as xr

    from gigawatt.study.resolve import Case

Say = Callable[[str], None]

ROUNDS = 5
LOADS = (0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5, 0.4, 0.3)
"""Shares of the planned load that a class which misses is tried at."""
_REPLICAS, _WINDOW_S = 16, 1_800.0  # of a cell and a look at the busiest time, in the search for a factor


@dataclass(frozen=True, slots=True, kw_only=True)
class Attained:
    """A class in a quarter and a round: what was simulated, and the factor on its coefficient after it."""

    round: int
    quarter: str
    day: str
    workload: str
    attained_frac: float
    needed_frac: float
    ttft_s: float
    tpot_s: float
    n_requests: int
    factor: float

    @property
    def missing_frac(self) -> float:
        """Share of requests short of the objective."""
        return max(self.needed_frac - self.attained_frac, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looped:
    """How the loop went: every simulation, the factors at its end, and what each plan cost."""

    attained: tuple[Attained, ...]
    factors: Mapping[str, float]
    objectives_usd: tuple[float, ...]

    @property
    def residual_frac(self) -> float:
        """The largest share that any class is short of its objective in the last round."""
        last = max((one.round for one in self.attained), default=0)
        return max((one.missing_frac for one in self.attained if one.round == last), default=0.0)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        first, last = self.objectives_usd[0], self.objectives_usd[-1]
        names = Attained.__dataclass_fields__
        return {
            "rounds": len(self.objectives_usd),
            "residual_frac": self.residual_frac,
            "factors": dict(self.factors),
            "objectives_usd": list(self.objectives_usd),
            "costs_more_usd": last - first,
            "attained": [{name: getattr(one, name) for name in names} for one in self.attained],
        }


def derated(case: Case, factors: Mapping[str, float]) -> Case:
    """The case with the output of every system for a class multiplied by the class's factor."""
    serving = {}
    for (system, name), point in case.serving.items():
        f = factors.get(name, 1.0)
        serving[system, name] = replace(
            point,
            output_tokens_per_s=point.output_tokens_per_s * f,
            output_tokens_per_s_low=point.output_tokens_per_s_low * f,
            output_tokens_per_s_high=point.output_tokens_per_s_high * f,
        )
    return replace(case, serving=serving)


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

    ``plan_again`` solves a case whose coefficients hold the factors. A class must hold its objective in the fleets of
    all ``quarters`` on all ``days``.
    """
    factors: dict[str, float] = {}
    attained: list[Attained] = []
    objectives = [float(plan.attrs["objective_usd"])]
    now = case
    for number in range(1, rounds + 1):
        found: dict[str, float] = {}
        for quarter in quarters:
            for day in days:
                for cells in cells_of(now, plan, quarter, day, replicas=_REPLICAS):
                    say(f"round {number}: {cells.name} in {quarter}, {day} day")
                    one, factor = _look(cells, seed)
                    f = factors.get(cells.name, 1.0)
                    found[cells.name] = min(found.get(cells.name, 1.0), factor)
                    attained.append(_attained(number, (quarter, day), cells, one, f * factor))
        if all(factor == 1.0 for factor in found.values()) or number == rounds:
            break
        for name, factor in found.items():
            factors[name] = factors.get(name, 1.0) * factor
        say(f"round {number}: planning again with {sum(f < 1.0 for f in factors.values())} classes derated")
        now = derated(case, factors)
        plan = plan_again(now)
        objectives.append(float(plan.attrs["objective_usd"]))
    return now, plan, Looped(attained=tuple(attained), factors=factors, objectives_usd=tuple(objectives))


def busiest_s(cells: Cells) -> float:
    """Second of the day at which the busiest time of a class begins."""
    return int(cells.load.rate_per_s.argmax()) * cells.load.bin_s % DAY_S


def _look(cells: Cells, seed: int) -> tuple[Simulated, float]:
    """(the class at its planned load in its busiest half hour, share of that load at which it holds)."""
    start = busiest_s(cells)
    one = simulate_cells(cells, n=1, horizon_s=_WINDOW_S, start_s=start, seed=seed)
    if one.is_met:
        return one, 1.0
    for load in LOADS:
        less = simulate_cells(cells, n=1, horizon_s=_WINDOW_S, start_s=start, factor=load, seed=seed)
        if less.is_met:
            return one, load
    return one, LOADS[-1]


def _attained(number: int, when: tuple[str, str], cells: Cells, one: Simulated, factor: float) -> Attained:
    total = one.metrics.total
    q = cells.percentile
    return Attained(
        round=number, quarter=when[0], day=when[1], workload=cells.name, attained_frac=one.attained_frac,
        needed_frac=one.needed_frac, ttft_s=_finite(total.percentile_s("ttft", q)),
        tpot_s=_finite(total.percentile_s("tpot", q)), n_requests=one.n_requests, factor=factor,
    )  # fmt: skip


def _finite(value: float) -> float:
    return value if value == value else 0.0
