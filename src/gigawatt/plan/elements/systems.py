"""Systems: what comes, stands, fails, goes and is worth something at the end."""

from __future__ import annotations

import numpy as np
import xarray as xr

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import IT, MW, PACKAGES, Family, Words
from gigawatt.plan.resale import by_purchase
from gigawatt.plan.signed import delivered

STOCK = Family(
    "stock", IT, "what stands follows from what comes and goes",
    missed="given up for want of room", missed_if_early=True,
)  # fmt: skip
"""What is missed is an order fixed before a branch that brings no place for it."""
SALVAGE = Family("salvage", MW, "only what stands is worth something at the end")
SUPPLY = Family("supply", PACKAGES, Words("vendor supply", once=True), of_offers=True)
AGEING = Family("ageing", IT, "what works follows from what stands and its age")
RESALE = Family("resale", IT, "what is sold was bought, is retired, and is sold once")


def stock(m: Model, d: PlanInputs, x: Decisions) -> None:
    """What stands is what stood, plus what is accepted, less what is retired.

    stock[o,q] = stock[o,q-1] + add[o,q] - retire[o,q], from initial[o]   [IT MW]
    """
    m.add_rows(STOCK, x.stock.change("quarter") - x.add + x.retire, "==", _at_start(d.initial_mw, d))


def _at_start(values: xr.DataArray, d: PlanInputs) -> xr.DataArray:
    """Something by one axis in the first quarter, and 0 after it."""
    quarters = xr.DataArray(np.eye(1, len(d.quarters))[0], dims="quarter", coords={"quarter": list(d.quarters)})
    return values * quarters


def salvage(m: Model, d: PlanInputs, x: Decisions) -> None:
    """Only what still stands at the end of the horizon is worth something then.

    kept[o,q] <= add[o,q] and kept_initial[o] + sum_q kept[o,q] <= stock[o,end]   [IT MW]

    Likewise of fit-outs and retrofits, for every class c of halls at site s   [facility MW]

    sum_q kept_fit[s,c,q] + sum_{q, r to c} kept_retrofit[r,s,q] <= initial[s,c] + sum_q (fit - vacate_fit)[s,c,q]
        + sum_{q, r to c} retrofit[r,s,q] - sum_{q, r from c} retrofit[r,s,q]
    """
    m.add_rows(SALVAGE.of(part="added"), x.kept - x.add, "<=", 0.0)
    kept = x.kept.sum("quarter") + x.kept_initial
    m.add_rows(SALVAGE.of(part="stands"), kept - x.stock.at("quarter", d.quarters[-1]), "<=", 0.0)
    _fitted(m, d, x)


def _fitted(m: Model, d: PlanInputs, x: Decisions) -> None:
    h = d.hosting
    if h is None:
        return
    for kept, new, part in ((Decisions.kept_fit, x.fit, "fit"), (Decisions.kept_retrofit, x.retrofit, "retrofit")):
        if kept in m:
            m.add_rows(SALVAGE.of(part=part), x.expression(kept) - new, "<=", 0.0)
    if not h.retrofits and d.terms.vacates() is None:
        return  # what is fitted out stays in its class
    stays, left = (x.fit - x.vacate_fit).sum("quarter"), x.kept_fit.sum("quarter")
    moved, kept_moves = x.retrofit.sum("quarter"), x.kept_retrofit.sum("quarter")
    into = {retrofit.end for retrofit in h.retrofits} if Decisions.kept_retrofit in m else set()
    for name in h.classes:
        if Decisions.kept_fit not in m and name not in into:
            continue
        stands, worth = stays.at("hosting", name), left.at("hosting", name)
        for retrofit in h.retrofits:
            if name == retrofit.start:
                stands = stands - moved.at("retrofit", retrofit.id)
            if name == retrofit.end:
                stands = stands + moved.at("retrofit", retrofit.id)
                worth = worth + kept_moves.at("retrofit", retrofit.id)
        m.add_rows(SALVAGE.of(name, part="class"), worth - stands, "<=", h.initial_mw.sel(hosting=name, drop=True))


def supply(m: Model, d: PlanInputs, x: Decisions) -> None:
    """What a vendor can deliver to this buyer in a quarter.

    sum_o member[r,o] packages_per_mw[o] add[o,q+test] <= packages[r,q]   [packages]

    What a delay has pushed counts in the quarter it was ordered for: the vendor made it then.
    """
    if d.supply_packages.sizes["supply"]:
        made = delivered(d, x) if d.supply_from is None else x.add.moved("quarter", d.supply_from)
        m.add_rows(SUPPLY, (made * d.packages_per_mw).dot(d.supply_member, "offer"), "<=", d.supply_packages)


def ageing(m: Model, d: PlanInputs, x: Decisions) -> None:
    """Machines fail with age; what has failed still stands, and goes first when something is given up.

    works[o,q] <= g[o] works[o,q-1] + add[o,q] and works[o,q] <= stock[o,q], from initial[o]   [IT MW]

    Without retirement that is sum_u add[u] g^(q-u): the yield of every vintage by its age.
    """
    survival = d.terms.survival_frac
    if survival is None:
        return
    ids = list(x.works.axes["offer"])
    carried = x.works - x.works.shift("quarter") * survival - x.add.pick("offer", ids)
    stood = _at_start(d.initial_mw.sel(offer=ids) * survival, d)
    m.add_rows(AGEING.of(part="carried"), carried, "<=", stood)
    m.add_rows(AGEING.of(part="stands"), x.works - x.stock.pick("offer", ids), "<=", 0.0)


def resale(m: Model, d: PlanInputs, x: Decisions) -> None:
    """What is sold was bought, is retired, and is sold once.

    kept[o,v] + sum_q sold[o,v,q] <= add[o,v]  and  sum_v sold[o,v,q] <= retire[o,q]   [IT MW]

    What stood at the start is a purchase like the others: kept[o] + sum_q sold[o,q] <= initial[o].
    """
    if Decisions.sold not in m:
        return
    offers = list(x.sold.axes["offer"])
    once = by_purchase(x.sold) + (x.kept - x.add).pick("offer", offers)
    m.add_rows(RESALE.of(part="once"), once, "<=", 0.0)
    sold = x.sold.sum("bought")
    if Decisions.sold_initial in m:
        first = x.sold_initial.sum("quarter") + x.kept_initial.pick("offer", offers)
        m.add_rows(RESALE.of(part="initial"), first, "<=", d.initial_mw.sel(offer=offers))
        sold = sold + x.sold_initial
    m.add_rows(RESALE.of(part="retired"), sold - x.retire.pick("offer", offers), "<=", 0.0)
