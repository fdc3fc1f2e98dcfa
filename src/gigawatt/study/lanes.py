"""Lanes of a case: which pool serves which class, at which speed, for the users of which region.

A lane is one column group of the plan. A class without tiers in a scenario without regions has one lane a pool. A tier
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
from gigawatt.demand.mix import block_load
from gigawatt.perf.point import ServingPoint
from gigawatt.perf.serving import serving_point
from gigawatt.study.served import Speed, UserRegion

if TYPE_CHECKING:
    from gigawatt.study.resolve import Case, ClassCase, OfferCase, SiteCase
    from gigawatt.study.scenario import Scenario

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A pool that serves a class; ``point`` is None where the class's own operating point holds.

    ``alone`` marks a lane that works on the machines of its offer only: what the gang of a job holds of them.
    """

    pool: str
    offer: OfferCase
    row: ClassCase
    tier: Speed | None = None
    users: UserRegion | None = None
    point: ServingPoint | None = None
    alone: bool = False

    @property
    def label(self) -> str:
        """``pool>class``, with ``~users``, ``@speed`` and the offer of a gang where they say more."""
        where = f"~{self.users.region}" if self.users else ""
        speed = f"@{self.tier.speed.value:g}" if self.tier else ""
        held = f" on {self.offer.offer.id} at {self.offer.site.id}" if self.alone else ""
        return f"{self.pool}>{self.row.id}{where}{speed}{held}"

    @property
    def speed(self) -> float:
        """Tokens a second for each user that the lane is sold at; 0 at the class's own speed."""
        return self.tier.speed.value if self.tier else 0.0


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
    lanes = []
    for pool, offer in pools.items():
        for row in case.classes:
            if offer.offer.only and row.id not in offer.offer.only:
                continue
            if has_gang(row):
                each = [Lane(pool=pool, offer=o, row=row, alone=True) for o in case.offers if o.pool == pool]
                lanes += [lane for lane in each if _pointed(case, lane) is not None]
                continue
            for users in users_of(case, row):
                for tier in (None, *speeds_of(row)):
                    lane = Lane(pool=pool, offer=offer, row=row, tier=tier, users=users)
                    found = _pointed(case, lane)
                    if found is not None:
                        lanes.append(found)
    return lanes


def has_gang(row: ClassCase) -> bool:
    """Whether a class is a training job whose machines have to stand together."""
    from gigawatt.study.scenario import Trained

    return isinstance(row.row, Trained) and row.row.gang is not None


def _pointed(case: Case, lane: Lane) -> Lane | None:
    """The lane with its operating point; None where it cannot serve."""
    system, row = lane.offer.system, lane.row
    key = (system.id, row.id)
    if lane.tier is None and lane.users is None:
        own = case.training.get(key) or case.serving[key]
        return lane if own.is_served else None
    workload = row.workload
    assert workload.slo and workload.model
    changes: dict[str, object] = {}
    if lane.tier is not None:
        changes["speed"] = lane.tier.speed
    if lane.users is not None and workload.slo.ttft is not None:
        left = workload.slo.ttft.value - lane.users.round_trip[lane.offer.site.region].value
        if left <= 0.0:
            return None
        changes["ttft"] = replace(workload.slo.ttft, value=left)
    asked = workload.model_copy(update={"slo": workload.slo.model_copy(update=changes)})
    point = serving_point(system, asked, case.catalog.model(workload.model), case.basis)
    if not point.is_served:
        return None
    return replace(lane, point=point)


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
