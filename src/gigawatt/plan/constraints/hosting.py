"""A system stands in a hall of its class; a hall that changes its class holds nothing while it does."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.signed import in_test
from gigawatt.plan.variables import Decisions


def hosting(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_c fit[s,c,q] = energise[s,q], sum_c vacate_fit[s,c,q] = vacate[s,q]  and, for every class c   [facility MW]

    sum_{o at s, of c} overhead[o] (stock[o,q] + in test) <= initial[s,c]
                                                 + sum_{u<=q} (fit - vacate_fit)[s,c,u] - sum_{r from c} retrofit[r,s,u]
                                                 + sum_{r to c} sum_{u<=q-downtime[r]} retrofit[r,s,u]
    """
    if d.hosting is None or x.hosting is None:
        return
    tested = in_test(d, x)
    drawing = x.stock if tested is None else x.stock + tested
    h, fit, moved = d.hosting, x.hosting.fit, x.hosting.retrofit
    m.add_rows("fit_total", fit.sum("hosting") - x.energise.pick("site", h.sites), "==", 0.0)
    stays = fit
    if x.hosting.vacate_fit is not None and x.signed.vacate is not None:
        gone = x.hosting.vacate_fit
        m.add_rows("vacate_fit_total", gone.sum("hosting") - x.signed.vacate.pick("site", h.sites), "==", 0.0)
        stays = fit - gone
    for name in h.classes:
        of_class = d.facility_over_it * (h.offer_class == name).astype(float)
        load = (drawing * of_class).group(d.offer_site, "site", d.sites).pick("site", h.sites)
        room = stays.at("hosting", name).cumsum("quarter")
        for retrofit in h.retrofits:
            if moved is None or name not in (retrofit.start, retrofit.end):
                continue
            done = moved.at("retrofit", retrofit.id).cumsum("quarter")
            room = room - done if name == retrofit.start else room + done.shift("quarter", retrofit.downtime)
        m.add_rows(f"hosting_{name}", load - room, "<=", h.initial_mw.sel(hosting=name, drop=True))
