"""What speed must be worth: the share of inference on low-latency silicon as willingness to pay for speed is scaled.

Every tier's value above its class is multiplied by a factor, from nothing to ten times what the scenario states; the
share of demand that cares stays. Each point is an optimal plan, solved on from the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.core.errors import ScenarioError
from gigawatt.perf.inference import Speculation
from gigawatt.perf.serving import serving_point
from gigawatt.plan.energy import offers_at_work
from gigawatt.plan.extract import lane_coords, needed_mw
from gigawatt.plan.live import LivePlan
from gigawatt.plan.session import PlanSession
from gigawatt.study.cash import daily_mean
from gigawatt.study.change import Without, apply
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.lanes import speeds_of
from gigawatt.study.measure import lane_cost_usd
from gigawatt.study.resolve import Case

Floats = npt.NDArray[np.float64]
Say = Callable[[str], None]

SCALES = (0.0, *(float(v) for v in np.round(np.geomspace(0.1, 10.0, 17), 4)))
"""Factors on what speed is worth above the value of its class."""
LAST = 4
"""Quarters at the end of the horizon that shares are taken over."""
SEED_SHARE = 0.10
"""Share of future inference that OpenAI was reported to seek new hardware for (statement S4.16)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A plan at one factor: inference by system, mean over the last quarters, and what it cost to plan.

    Attributes:
        tokens_per_s: output tokens served [token/s] by system.
        power_w: IT power at work [W] by system.
        spending_usd: cost of the capacity made necessary [USD a quarter] by system.
        fast: share of inference tokens served at a tier, by tokens a second for each user.
    """

    scale: float
    tokens_per_s: dict[str, float]
    power_w: dict[str, float]
    spending_usd: dict[str, float]
    fast: dict[float, float]
    objective_usd: float
    solve_s: float

    def share(self, what: str, systems: frozenset[str] | set[str]) -> float:
        """Share of some systems in "tokens_per_s", "power_w" or "spending_usd"; 0 where nothing is served."""
        by_system: dict[str, float] = getattr(self, what)
        whole = sum(by_system.values())
        return sum(value for name, value in by_system.items() if name in systems) / whole if whole > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Curves of one case: the case as it stands, and variants of it by name, each at every factor."""

    case: Case
    low_latency: frozenset[str]
    curves: dict[str, tuple[Point, ...]]
    left_out: dict[str, str] = field(default_factory=dict)
    """the system that a variant goes without"""

    def shares(self, variant: str, what: str = "tokens_per_s") -> Floats:
        """(scale) share of low-latency silicon."""
        return np.array([point.share(what, self.low_latency) for point in self.curves[variant]])

    def crossing(self, variant: str, level: float = SEED_SHARE) -> float | None:
        """Factor at which the share of tokens first reaches a level, between points in the logarithm.

        None where no point reaches it; the first factor where all do. Next to a factor of 0 straight, not in the
        logarithm.
        """
        scales, shares = [point.scale for point in self.curves[variant]], self.shares(variant)
        above = np.flatnonzero(shares >= level)
        if not above.size:
            return None
        at = int(above[0])
        if at == 0:
            return scales[0]
        rise = float((level - shares[at - 1]) / (shares[at] - shares[at - 1]))
        before, here = scales[at - 1], scales[at]
        return here * rise if before == 0.0 else float(before * (here / before) ** rise)

    def to_dict(self) -> dict[str, Any]:
        """For JSON: every point of every curve."""
        return {
            "scenario": self.case.scenario.name,
            "low_latency_systems": sorted(self.low_latency),
            "seed_share": SEED_SHARE,
            "curves": {
                name: {
                    "reaches_seed_share_at": self.crossing(name),
                    "points": [
                        {
                            "scale": point.scale,
                            "tokens_share": point.share("tokens_per_s", self.low_latency),
                            "power_share": point.share("power_w", self.low_latency),
                            "spending_share": point.share("spending_usd", self.low_latency),
                            "tokens_per_s": point.tokens_per_s,
                            "power_w": point.power_w,
                            "spending_usd": point.spending_usd,
                            "share_at_speed": {f"{speed:g}": value for speed, value in point.fast.items()},
                            "objective_usd": point.objective_usd,
                            "solve_s": round(point.solve_s, 3),
                        }
                        for point in points
                    ],
                }
                for name, points in self.curves.items()
            },
        }


AS_STATED, NO_SOFTWARE = "as stated", "without software speed-ups"


def sweep(
    case: Case, *, scales: Sequence[float] = SCALES, without: Sequence[str] | None = None,
    say: Say = lambda _: None,
) -> Sweep:  # fmt: skip
    """Curves over what speed is worth: as stated, without software speed-ups, and without each named system.

    Software speed-ups are the scenario's dated steps and drafting (speculative decoding). Where ``without`` is None,
    the low-latency system that serves most as stated is left out once, to see what rests on it. Raises ScenarioError
    where the scenario has no tiers or does not offer a system, and what a plan raises.
    """
    if not any(speeds_of(row) for row in case.classes):
        raise ScenarioError(
            f"{case.scenario.where}: no class has speeds; give one tiers under demand.inference, for example "
            "speeds: [{speed: 200 tok/s, value: $30/Mtok, share: 30 %}]"
        )
    offered = sorted({offer.system.id for offer in case.offers})
    low = frozenset(offer.system.id for offer in case.offers if offer.system.kind == "sram")
    gone = [case.catalog.system(name).id for name in without or ()]
    for system in gone:
        if system not in offered:
            raise ScenarioError(f"{case.scenario.where}: no offer of '{system}'; offered are {', '.join(offered)}")

    def points(name: str, variant: Case) -> tuple[Point, ...]:
        say(f"{name}: {len(scales)} plans")
        return tuple(curve(variant, scales))

    curves = {AS_STATED: points(AS_STATED, case), NO_SOFTWARE: points(NO_SOFTWARE, plain_software(case))}
    if without is None:
        served = {name: sum(point.tokens_per_s.get(name, 0.0) for point in curves[AS_STATED]) for name in sorted(low)}
        gone = sorted((name for name in served if served[name] > 0.0), key=lambda name: -served[name])[:1]
    left_out = {f"without {system}": system for system in gone}
    for name, system in left_out.items():
        curves[name] = points(name, apply(case, [Without(kind="system", id=system)]))
    return Sweep(case=case, low_latency=low, curves=curves, left_out=left_out)


def plain_software(case: Case) -> Case:
    """The case without dated software steps and without drafting."""
    basis = replace(case.basis, draft=Speculation(), searched={})
    systems = {offer.system.id: offer.system for offer in case.offers}
    rows = {row.id: row.workload for row in case.classes if row.workload.kind == "inference"}
    serving = {
        (name, row): serving_point(systems[name], rows[row], case.catalog.model(rows[row].model or ""), basis)
        for name, row in case.serving
    }
    return replace(case, software=(), basis=basis, serving=serving)


def curve(case: Case, scales: Sequence[float]) -> list[Point]:
    """Points of a case at factors, each solved on from the one before."""
    inputs = plan_inputs(case)
    assert inputs.service is not None and inputs.service.worth is not None
    worth = inputs.service.worth
    session = PlanSession(inputs)
    variable = session.live.model.variables["assign"]
    each = worth.musd * inputs.rate * inputs.hours_frac * inputs.discount
    columns = np.maximum(variable.columns, 0)
    stated = each.transpose(*variable.axes).copy(data=session.numbers.cost[columns])
    points = []
    for scale in scales:
        if bool(worth.paid.any()):  # what customers pay stands in the rows of cash too
            scaled = replace(inputs.service, worth=replace(worth, musd=worth.musd * scale))
            session.change(replace(inputs, service=scaled))
        else:
            session.set_cost("assign", stated + (1.0 - scale) * each)
        points.append(_point(case, session, scale))
    return points


def _point(case: Case, session: PlanSession, scale: float) -> Point:
    plan = session.solve()
    found = _at_the_end(plan)
    inference = {row.id for row in case.classes if row.workload.kind == "inference"}
    is_inference = np.array([str(name) in inference for name in found["lane_workload"].values])
    systems, speeds = found["lane_system"].values.astype(str), found["lane_speed"].values
    at_work = daily_mean(case, found["assign_w"]).transpose("lane", "quarter")
    rate = plan.inputs.rate.isel(quarter=slice(-LAST, None)).transpose("lane", "quarter").values
    tokens = (at_work.values * rate).mean(axis=1)
    power = at_work.values.mean(axis=1)
    usd = lane_cost_usd(case, found).values.mean(axis=1)

    def by_system(values: Floats) -> dict[str, float]:
        return {name: float(values[is_inference & (systems == name)].sum()) for name in sorted(set(systems.tolist()))}

    whole = float(tokens[is_inference].sum())
    fast = {float(speed): float(tokens[is_inference & (speeds == speed)].sum()) / whole if whole > 0 else 0.0
            for speed in np.unique(speeds)}  # fmt: skip
    return Point(
        scale=float(scale), tokens_per_s=by_system(tokens), power_w=by_system(power), spending_usd=by_system(usd),
        fast=fast, objective_usd=plan.objective_musd * 1e6, solve_s=plan.solve_s,
    )  # fmt: skip


def _at_the_end(plan: LivePlan) -> xr.Dataset:
    """What ``extract`` says of capacity in the last quarters, and no more of it: a sweep reads many plans."""
    d, last = plan.inputs, slice(-LAST, None)
    watts = {
        "assign_w": plan.value("assign") * 1e6,
        "stock_w": plan.value("stock") * 1e6,
        "needed_w": needed_mw(plan) * 1e6,
        "work_w": offers_at_work(plan) * 1e6,
    }
    if d.gang_workload:
        watts["reserved_w"] = plan.value("reserved") * 1e6
    found = xr.Dataset({name: values.isel(quarter=last) for name, values in watts.items()})
    return found.assign_coords(lane_coords(d)).assign_coords(offer_pool=("offer", d.offer_pool.values.astype(str)))
