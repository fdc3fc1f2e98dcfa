"""Only what still stands at the end of the horizon is worth something then."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.variables import Decisions


def salvage(m: Model, d: PlanInputs, x: Decisions) -> None:
    """kept[o,q] <= add[o,q] and kept_initial[o] + sum_q kept[o,q] <= stock[o,end]   [IT MW]

    Likewise of fit-outs and retrofits, for every class c of halls at site s   [facility MW]

    sum_q kept_fit[s,c,q] + sum_{q, r to c} kept_retrofit[r,s,q] <= initial[s,c] + sum_q (fit - vacate_fit)[s,c,q]
        + sum_{q, r to c} retrofit[r,s,q] - sum_{q, r from c} retrofit[r,s,q]
    """
    m.add_rows("salvage_added", x.kept - x.add, "<=", 0.0)
    kept = x.kept.sum("quarter") if x.kept_initial is None else x.kept.sum("quarter") + x.kept_initial
    m.add_rows("salvage_stands", kept - x.stock.at("quarter", d.quarters[-1]), "<=", 0.0)
    _fitted(m, d, x)


def _fitted(m: Model, d: PlanInputs, x: Decisions) -> None:
    h, y = d.hosting, x.hosting
    if h is None or y is None:
        return
    if y.kept_fit is not None:
        m.add_rows("salvage_fit", y.kept_fit - y.fit, "<=", 0.0)
    if y.kept_retrofit is None or y.retrofit is None:
        kept_moves = None
    else:
        m.add_rows("salvage_retrofit", y.kept_retrofit - y.retrofit, "<=", 0.0)
        kept_moves = y.kept_retrofit.sum("quarter")
    if y.retrofit is None and y.vacate_fit is None:
        return  # what is fitted out stays in its class
    moved = None if y.retrofit is None else y.retrofit.sum("quarter")
    for name in h.classes:
        stands = y.fit.at("hosting", name).sum("quarter")
        if y.vacate_fit is not None:
            stands = stands - y.vacate_fit.at("hosting", name).sum("quarter")
        kept = y.kept_fit.at("hosting", name).sum("quarter") if y.kept_fit is not None else None
        for retrofit in h.retrofits:
            if moved is None:
                break
            if name == retrofit.start:
                stands = stands - moved.at("retrofit", retrofit.id)
            if name == retrofit.end:
                stands = stands + moved.at("retrofit", retrofit.id)
                if kept_moves is not None:
                    more = kept_moves.at("retrofit", retrofit.id)
                    kept = more if kept is None else kept + more
        if kept is not None:
            m.add_rows(f"salvage_class_{name}", kept - stands, "<=", h.initial_mw.sel(hosting=name, drop=True))
