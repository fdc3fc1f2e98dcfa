"""Lanes of a case: which pool serves which class, at which speed, for the users of which region.

A lane is one column group of the plan. What it is, its ``Lane`` says, and coordinates of the plan; its label is for
people. A class without tiers in a scenario without regions has one lane a pool. A tier
adds a lane where the system reaches its speed; a region of users takes the place of the whole, at the class's time to
first token less the round trip, and a lane exists only where that can be held.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gigawatt.catalog.schema import Workload
from gigawatt.core.calendar import DAY_H
from gigawatt.core.errors import CatalogError
from gigawatt.core.source import Fact
from gigawatt.demand.mix import block_load
from gigawatt.perf.point import ServingPoint, TrainingPoint
from gigawatt.perf.search import Task, task_of
from gigawatt.perf.serving import serving_point
from gigawatt.study.served import Speed, UserRegion

if TYPE_CHECKING:
    from gigawatt.study.resolve import Case, ClassCase, OfferCase, SiteCase
    from gigawatt.study.scenario import Scenario

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, order=True)
class Served:
    """What lanes of several pools serve together: a class, for users of a region ("": all), at a speed (0: its own)."""

    workload: str
    users: str = ""
    speed: float = 0.0

    def __str__(self) -> str:
        """``class``, with ``~users`` and ``@speed`` where they say more."""
        return self.workload + (f"~{self.users}" if self.users else "") + (f"@{self.speed:.15g}" if self.speed else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A pool that serves a class.

    Attributes:
        task: what machines are asked: the tier's speed, the time to first token less the round trip; None for training.
        point: how they do it.
        alone: it works on the machines of its offer only: what the gang of a job holds of them.
    """

    pool: str
    offer: OfferCase
    row: ClassCase
    task: Task | None
    point: ServingPoint | TrainingPoint
    tier: Speed | None = None
    users: UserRegion | None = None
    alone: bool = False

    @property
    def served(self) -> Served:
        """What it serves."""
        return served_of(self.row, self.users, self.tier)

    @property
    def label(self) -> str:
        """For people and names of columns: ``pool>served``, with the offer of a gang."""
        held = f" on {self.offer.offer.id} at {self.offer.site.id}" if self.alone else ""
        return f"{self.pool}>{self.served}{held}"


def served_of(row: ClassCase, users: UserRegion | None, tier: Speed | None) -> Served:
    """A class for users of a region at a tier; None: for all, at its own speed."""
    return Served(row.id, users.region if users else "", tier.speed.value if tier else 0.0)


def serves(lane: Lane, group: Served) -> bool:
    """Whether a lane serves a class for users of a region, at whatever speed."""
    return (lane.served.workload, lane.served.users) == (group.workload, group.users)


def speeds_of(row: ClassCase) -> tuple[Speed, ...]:
    """Tiers of a class above its own speed."""
    from gigawatt.study.scenario import Demanded

    return row.row.speeds if isinstance(row.row, Demanded) else ()


def users_of(case: Case, row: ClassCase) -> tuple[UserRegion | None, ...]:
    """Regions whose users a class is split by; one None where it is not: training, and work that can wait."""
    split = row.workload.kind == "inference" and row.workload.patience == "none"
    return (case.scenario.demand.regions if split else ()) or (None,)


def lanes_of(case: Case) -> list[Lane]:
    """All lanes that can serve, pools in the order of offers."""
    pools = {offer.pool: offer for offer in case.offers}
    lanes = [
        _lane(case, offer, row, users, tier)
        for pool, one in pools.items()
        for row in case.classes
        if not one.offer.only or row.id in one.offer.only
        for offer in ([o for o in case.offers if o.pool == pool] if has_gang(row) else [one])
        for users in users_of(case, row)
        for tier in (None, *speeds_of(row))
    ]
    return [lane for lane in lanes if lane is not None]


def has_gang(row: ClassCase) -> bool:
    """Whether a class is a training job whose machines have to stand together."""
    from gigawatt.study.scenario import Trained

    return isinstance(row.row, Trained) and row.row.gang is not None


def _lane(case: Case, offer: OfferCase, row: ClassCase, users: UserRegion | None, tier: Speed | None) -> Lane | None:
    """A lane on the pool of an offer with its operating point; None where it cannot serve."""
    task: Task | None = None
    point: ServingPoint | TrainingPoint | None = case.training.get((offer.system.id, row.id))
    if point is None:
        asked = _asked(row.workload, tier, users.round_trip[offer.site.region].value if users else 0.0)
        if asked is None:
            return None
        model = case.catalog.model(asked.model or "")
        own, task = asked is row.workload, task_of(asked, model)
        found = case.serving[offer.system.id, row.id] if own else serving_point(offer.system, asked, model, case.basis)
        point = found.derated(case.derated.get((offer.system.id, served_of(row, users, tier)), 1.0))
    if not point.is_served:
        return None
    return Lane(
        pool=offer.pool, offer=offer, row=row, task=task, point=point, tier=tier, users=users, alone=has_gang(row)
    )


def _asked(workload: Workload, tier: Speed | None, round_trip_s: float) -> Workload | None:
    """A class as machines are asked for it at a tier, so far from its users; None where no time is left to answer."""
    assert workload.slo
    ttft, changes = workload.slo.ttft, {"speed": tier.speed} if tier else dict[str, Fact]()
    if round_trip_s and ttft:
        if ttft.value <= round_trip_s:
            return None
        changes["ttft"] = replace(ttft, value=ttft.value - round_trip_s)
    return workload.model_copy(update={"slo": workload.slo.model_copy(update=changes)}) if changes else workload


def day_load(case: Case, row: ClassCase) -> Floats:
    """Load of a class in each block over its daily mean (block), over all regions of users."""
    return np.asarray(np.sum([region_load(case, row, users) for users in users_of(case, row)], axis=0))


def region_load(case: Case, row: ClassCase, users: UserRegion | None) -> Floats:
    """The part of ``day_load`` that a region's users ask for (block): their share of the day in their own time."""
    peak, shapes = row.workload.peak_to_mean.value, [block.shape for block in case.scenario.blocks]
    if users is None:
        return block_load(peak, shapes)
    hours = [block.hours for block in case.scenario.blocks]
    return users.share.value * block_load(peak, shifted(shapes, hours, users.utc).tolist())


def shifted(shapes: list[float], hours: list[float], ahead_h: float) -> Floats:
    """Mean in each block of a curve that is ``shapes`` block by block of a clock ``ahead_h`` hours ahead.

    Blocks follow one another from 0:00 and fill the day.

    >>> shifted([1.0, -1.0], [12.0, 12.0], 12.0).tolist()
    [-1.0, 1.0]
    >>> shifted([1.0, -1.0], [12.0, 12.0], 3.0).tolist()
    [0.5, -0.5]
    """
    ends = np.cumsum(hours)
    starts = ends - np.asarray(hours)
    mean = np.zeros(len(hours))
    for turn in (-DAY_H, 0.0, DAY_H):  # the other clock's blocks in hours of this one
        low, high = starts - ahead_h + turn, ends - ahead_h + turn
        overlap = np.minimum(ends[:, None], high[None, :]) - np.maximum(starts[:, None], low[None, :])
        mean += np.maximum(overlap, 0.0) @ np.asarray(shapes, dtype=np.float64)
    return np.asarray(mean / np.asarray(hours))


def check_served(scenario: Scenario, classes: tuple[ClassCase, ...], sites: tuple[SiteCase, ...]) -> None:
    """Raises CatalogError where tiers, curves, regions or what must survive cannot stand."""
    for index, row in enumerate(scenario.demand.inference):
        _check_tiers(f"demand.inference[{index}]", classes[index].workload, row.speeds)
        if row.curve and (row.price or row.value or row.speeds):
            raise CatalogError(
                f"demand.inference[{index}].curve: the steps hold the prices; drop price, value and speeds"
            )
    used = {name for offer in scenario.offers for name in offer.sites}
    regions = sorted({site.region for site in sites if site.id in used})
    for index, users in enumerate(scenario.demand.regions):
        for region in regions:
            if region not in users.round_trip:
                raise CatalogError(
                    f"demand.regions[{index}].round_trip: no time from '{users.region}' to '{region}', where sites "
                    f"stand; give one for each of {', '.join(regions)}"
                )
    survive = scenario.policy.survive
    if survive is None:
        return
    names = [row.id for row in classes if row.workload.kind == "inference"]
    for name in survive.classes:
        if name not in names:
            raise CatalogError(
                f"policy.survive.classes: '{name}' is not a class of inference here ({', '.join(names)})"
            )
    if survive.lost == "site":
        if len(sites) < 2:
            raise CatalogError(f"policy.survive: '{sites[0].id}' is the only site; nothing survives without another")
        return
    if len(regions) < 2:
        raise CatalogError(
            f"policy.survive: all sites stand in '{regions[0]}'; nothing survives without another region"
        )


def _check_tiers(where: str, workload: Workload, speeds: tuple[Speed, ...]) -> None:
    if not speeds:
        return
    if workload.patience != "none":
        raise CatalogError(f"{where}.speeds: '{workload.id}' can wait; tiers of speed are for work served at once")
    own = workload.slo.speed if workload.slo else None
    first = speeds[0]
    if own and first.speed.value <= own.value:
        raise CatalogError(
            f"{where}.speeds[0]: {first.speed.text} is no faster than the class's own {own.text}; name faster tiers"
        )
    assert workload.value
    if first.value.value <= workload.value.value:
        raise CatalogError(
            f"{where}.speeds[0]: {first.value.text} is no more than the class's own {workload.value.text}; "
            "give the whole value of a token at that speed"
        )
