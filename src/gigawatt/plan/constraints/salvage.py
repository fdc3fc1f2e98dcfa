"""Only what still stands at the end of the horizon is worth something then."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import MW, Family

SALVAGE = Family("salvage", MW, "only what stands is worth something at the end")


def salvage(m: Model, d: PlanInputs, x: Decisions) -> None:
    """kept[o,q] <= add[o,q] and kept_initial[o] + sum_q kept[o,q] <= stock[o,end]   [IT MW]

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
