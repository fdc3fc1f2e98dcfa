"""What is retired is sold for what its age leaves of its capex: the system and the network bought with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from gigawatt.plan.algebra import Axes, Expression, Model
from gigawatt.plan.decisions import Decisions

if TYPE_CHECKING:
    from gigawatt.plan.inputs import PlanInputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Resale:
    """``share_frac`` (offer, age): part of the capex that a buyer pays, by quarters since acceptance.

    ``initial_musd_per_mw`` (offer, quarter): what a buyer pays for what stood at the start; None where its age is not
    known.
    """

    share_frac: xr.DataArray
    initial_musd_per_mw: xr.DataArray | None = None

    @property
    def offers(self) -> tuple[str, ...]:
        """Offers whose systems can be sold on."""
        return tuple(str(name) for name in self.share_frac["offer"].values)


def resale_price(d: PlanInputs) -> xr.DataArray:
    """Proceeds of an IT MW (offer, bought, quarter) [MUSD of the quarter]; 0 before it has aged a quarter.

    Where prices rise, a share of the capex as it would be in the quarter of the sale.
    """
    assert d.resale is not None
    n, offers = len(d.quarters), list(d.resale.offers)
    age = np.arange(n)[None, :] - np.arange(n)[:, None]
    share = d.resale.share_frac.transpose("offer", "age").values[:, np.clip(age, 0, None)]
    paid = d.capex_musd_per_mw.sel(offer=offers).transpose("offer", "quarter").values[:, :, None]
    if d.price_level is not None:
        level = d.price_level.values
        paid = paid * level[None, None, :] / level[None, :, None]
    return xr.DataArray(
        np.where(age > 0, share * paid, 0.0), dims=("offer", "bought", "quarter"),
        coords={"offer": offers, "bought": list(d.quarters), "quarter": list(d.quarters)},
    )  # fmt: skip


def add_resale(m: Model, d: PlanInputs) -> None:
    """IT MW sold, by the quarter they were bought in; only where someone pays for them and a purchase was possible."""
    if d.resale is None:
        return
    price = resale_price(d)
    bought = (d.add_max_mw.sel(offer=list(d.resale.offers)) > 0).rename(quarter="bought")
    axes: Axes = {"offer": d.resale.offers, "bought": d.quarters, "quarter": d.quarters}
    m.add_variable(Decisions.sold, axes, mask=(price > 0) & bought)
    if (first := d.resale.initial_musd_per_mw) is not None:
        stood = d.initial_mw.sel(offer=list(d.resale.offers)) > 0
        m.add_variable(
            Decisions.sold_initial, {"offer": d.resale.offers, "quarter": d.quarters}, mask=(first > 0) & stood
        )


def proceeds(d: PlanInputs, x: Decisions) -> Expression:
    """Money for what is sold (quarter) [MUSD]."""
    money = (x.sold * resale_price(d)).sum("offer", "bought")
    if d.resale is None or d.resale.initial_musd_per_mw is None:
        return money
    return money + (x.sold_initial * d.resale.initial_musd_per_mw).sum("offer")


def by_purchase(sold: Expression) -> Expression:
    """What is sold of each purchase: (offer, quarter of the purchase) [IT MW]."""
    once = sold.sum("quarter")
    return replace(once, axes={"quarter" if dim == "bought" else dim: labels for dim, labels in once.axes.items()})
