"""Case to what the planner reads of tiers, regions, survival and demand curves."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.core.calendar import QUARTER_S
from gigawatt.plan.service import Curve, Service, Shares, Survival, Worth
from gigawatt.study.arrays import labelled
from gigawatt.study.lanes import Lane, region_load, served_of, serves, speeds_of, users_of
from gigawatt.study.money import price_level
from gigawatt.study.resolve import Case, ClassCase
from gigawatt.study.scenario import Demanded
from gigawatt.study.served import DemandCurve, Speed, UserRegion

Floats = npt.NDArray[np.float64]


def service_inputs(case: Case, lanes: list[Lane], demand: xr.DataArray) -> Service | None:
    """What goes beyond classes and pools; None where the scenario says nothing of it.

    Args:
        case: the case.
        lanes: in the order of the planner's lanes.
        demand: (workload, block, quarter) Mwork/s.
    """
    service = Service(
        worth=_worth(case, lanes), shares=_shares(case, lanes, demand), survival=_survival(case, lanes),
        curve=_curve(case, demand),
    )  # fmt: skip
    return None if service == Service() else service


def premium_musd(lane: Lane) -> float:
    """Value of the lane's speed above that of its class, per Mwork/s and quarter, at first prices [MUSD]."""
    if lane.tier is None:
        return 0.0
    assert lane.row.workload.value
    return (lane.tier.value.value - lane.row.workload.value.value) * QUARTER_S


def _worth(case: Case, lanes: list[Lane]) -> Worth | None:
    if not any(lane.tier for lane in lanes):
        return None
    labels = [lane.label for lane in lanes]
    worth = np.array([premium_musd(lane) * class_level(case, lane.row) for lane in lanes])
    sold = [isinstance(lane.row.row, Demanded) and lane.row.row.price is not None for lane in lanes]
    return Worth(
        musd=labelled(worth, lane=labels, quarter=case.labels),
        paid=labelled(sold, lane=labels).astype(float),
    )


def _shares(case: Case, lanes: list[Lane], demand: xr.DataArray) -> Shares | None:
    names: list[str] = []
    member: list[list[float]] = []
    most: list[xr.DataArray] = []

    def add(row: ClassCase, users: UserRegion | None, tier: Speed | None) -> None:
        group = served_of(row, users, tier)
        names.append(str(group))
        member.append([float(serves(lane, group) and lane.served.speed >= group.speed) for lane in lanes])
        most.append(_of_users(case, demand, row, users) * (tier.share.value if tier else 1.0))

    for row in case.classes:
        for users in users_of(case, row):
            for tier in ((None,) if users else ()) + speeds_of(row):
                add(row, users, tier)
    if not names:
        return None
    return Shares(
        member=labelled(member, share=names, lane=[lane.label for lane in lanes]),
        most=xr.concat(most, "share").assign_coords(share=names).transpose("share", "block", "quarter"),
    )  # fmt: skip


def _of_users(case: Case, demand: xr.DataArray, row: ClassCase, users: UserRegion | None) -> xr.DataArray:
    """(block, quarter) demand of a class from a region of users [Mwork/s]."""
    asked = demand.sel(workload=row.id, drop=True)
    if users is None:
        return asked
    whole = np.sum([region_load(case, row, each) for each in users_of(case, row)], axis=0)
    part = region_load(case, row, users)
    share = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0.0)
    return asked * labelled(share, block=asked["block"].values)


def _survival(case: Case, lanes: list[Lane]) -> Survival | None:
    survive = case.scenario.policy.survive
    if survive is None:
        return None
    region = {lane.pool: lane.offer.site.region for lane in lanes}
    pools = sorted(region)
    places = {offer.id: offer.site.id for offer in case.offers} if survive.lost == "site" else {}
    place_of = labelled(list(places.values()), offer=list(places))
    rows = [row for row in case.classes if row.id in survive.classes]
    groups = [served_of(row, users, None) for row in rows for users in users_of(case, row)]
    names, member = (
        [str(group) for group in groups],
        [[float(serves(lane, group)) for lane in lanes] for group in groups],
    )
    share = survive.share.value if survive.share else 1.0
    return Survival(
        lost=tuple(sorted(set(places.values() if places else region.values()))),
        offer_place=place_of if places else None,
        pool_region=labelled([region[pool] for pool in pools], pool=pools),
        member=labelled(member, must=names, lane=[lane.label for lane in lanes]),
        frac=labelled(np.full(len(names), share), must=names),
    )


def marginals(curve: DemandCurve) -> tuple[list[float], list[float]]:
    """(volume each step adds, as a multiple of the stated tokens; what a token of it brings [USD/token]).

    own-price: the step's price. one-price: the slope of revenue p x along its concave hull, as far as it rises: to sell
    more, the price falls for all.
    """
    volumes = [step.volume.value for step in curve.steps]
    prices = [step.price.value for step in curve.steps]
    if curve.pricing == "own-price":
        return np.diff([0.0, *volumes]).tolist(), prices
    hull = [(0.0, 0.0)]
    for volume, price in zip(volumes, prices, strict=True):
        point = (volume, volume * price)
        while len(hull) > 1 and _slope(hull[-2], hull[-1]) <= _slope(hull[-1], point):
            hull.pop()
        hull.append(point)
    pairs = [(one, two) for one, two in pairwise(hull) if _slope(one, two) > 0.0]
    return [two[0] - one[0] for one, two in pairs], [_slope(one, two) for one, two in pairs]


def price_usd_per_token(row: ClassCase) -> float:
    """Price of a class's tokens, on a demand curve that of its dearest step; 0 where it is not sold [USD/token]."""
    if not isinstance(row.row, Demanded):
        return 0.0
    if row.row.curve:
        return marginals(row.row.curve)[1][0]
    return row.row.price.value if row.row.price else 0.0


def class_level(case: Case, row: ClassCase) -> Floats:
    """Factor on what a class's work is worth (quarter): that of token prices where it is sold."""
    return price_level(case, of="tokens" if price_usd_per_token(row) > 0.0 else None)


def _slope(one: tuple[float, float], two: tuple[float, float]) -> float:
    return (two[1] - one[1]) / (two[0] - one[0])


def _curve(case: Case, demand: xr.DataArray) -> Curve | None:
    names: list[str] = []
    classes: list[str] = []
    most: list[xr.DataArray] = []
    less: list[npt.NDArray[np.float64]] = []
    for row in case.classes:
        if not isinstance(row.row, Demanded) or row.row.curve is None:
            continue
        widths, worth = marginals(row.row.curve)
        for index in range(1, len(widths)):
            names.append(f"{row.id}/{index + 1}")
            classes.append(row.id)
            most.append(demand.sel(workload=row.id, drop=True) * (widths[index] / sum(widths)))
            less.append((worth[0] - worth[index]) * QUARTER_S * class_level(case, row))
    if not names:
        return None
    return Curve(
        workload=labelled(classes, step=names),
        most=xr.concat(most, "step").assign_coords(step=names).transpose("step", "block", "quarter"),
        less_musd=labelled(less, step=names, quarter=case.labels),
        paid=labelled(np.ones(len(names)), step=names),
    )
