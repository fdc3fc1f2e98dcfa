"""What the power of work costs under each offer, as the planner reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from gigawatt.plan.energy import Tariffs
from gigawatt.study.economics import work_energy_usd_per_w
from gigawatt.study.money import price_level

if TYPE_CHECKING:
    from gigawatt.study.lanes import Lane
    from gigawatt.study.resolve import Case


def run_musd_per_mw(case: Case, lanes: list[Lane]) -> xr.DataArray:
    """Energy that work adds to idling (lane), or (lane, quarter) where its price moves [MUSD per MW].

    Of the lane's offer, or of the dearest of its pool.
    """

    def price(lane: Lane) -> float:
        offers = [lane.offer] if lane.alone else [offer for offer in case.offers if offer.pool == lane.pool]
        return max(work_energy_usd_per_w(case, offer) for offer in offers)

    axis = {"lane": [lane.label for lane in lanes]}
    return _with_prices(case, xr.DataArray([price(lane) for lane in lanes], dims="lane", coords=axis))


def tariffs(case: Case) -> Tariffs | None:
    """Offers whose power costs less than that of the dearest of their pool, by pool and price, the cheapest first."""
    prices = {offer.id: work_energy_usd_per_w(case, offer) for offer in case.offers}
    rows: list[tuple[str, list[str], float]] = []
    for pool in sorted({offer.pool for offer in case.offers}):
        ids = [offer.id for offer in case.offers if offer.pool == pool]
        *cheaper, dearest = sorted({prices[name] for name in ids})
        rows += [(pool, [name for name in ids if prices[name] == price], dearest - price) for price in cheaper]
    if not rows:
        return None
    axis = {"tariff": [min(members) for _, members, _ in rows]}
    member = [[float(offer.id in members) for offer in case.offers] for _, members, _ in rows]
    saves = xr.DataArray([saved for _, _, saved in rows], dims="tariff", coords=axis)
    return Tariffs(
        pool=xr.DataArray([pool for pool, _, _ in rows], dims="tariff", coords=axis),
        member=xr.DataArray(member, dims=("tariff", "offer"), coords=axis | {"offer": [o.id for o in case.offers]}),
        saves_musd=_with_prices(case, saves),
    )  # fmt: skip


def _with_prices(case: Case, today: xr.DataArray) -> xr.DataArray:
    """Something at first prices, by quarter as well where prices move."""
    steps = price_level(case, of="energy")
    if (steps == 1.0).all():
        return today
    return today * xr.DataArray(steps, dims="quarter", coords={"quarter": list(case.labels)})
