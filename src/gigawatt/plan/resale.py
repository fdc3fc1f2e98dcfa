"""What is retired is sold for what its age leaves of its capex: the system and the network bought with it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gigawatt.plan.algebra import Expression, Model, axes_of
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.flows import price_on

if TYPE_CHECKING:
    from gigawatt.plan.inputs import PlanInputs


def add_resale(m: Model, d: PlanInputs) -> None:
    """IT MW sold, by the quarter they were bought in; only where someone pays for them and a purchase was possible."""
    if (price := price_on(d.rates, "sold")) is None:
        return
    axes, offers = axes_of(price), price["offer"].values
    bought = (d.add_max_mw.sel(offer=offers) > 0).rename(quarter="bought")
    m.add_variable(Decisions.sold, axes, mask=(price < 0) & bought)
    if (first := price_on(d.rates, "sold_initial")) is not None:
        stood, over = d.initial_mw.sel(offer=offers) > 0, {"offer": axes["offer"], "quarter": d.quarters}
        m.add_variable(Decisions.sold_initial, over, mask=(first < 0) & stood)


def by_purchase(sold: Expression) -> Expression:
    """What is sold of each purchase: (offer, quarter of the purchase) [IT MW]."""
    once = sold.sum("quarter")
    return replace(once, axes={"quarter" if dim == "bought" else dim: labels for dim, labels in once.axes.items()})
