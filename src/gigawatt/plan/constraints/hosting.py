"""A system stands in a hall of its class; a hall that changes its class holds nothing while it does."""

from __future__ import annotations

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import FACILITY, Family, Words
from gigawatt.plan.signed import in_test

HOSTING = Family("hosting", FACILITY, Words("classes of halls", many=True), priced=False)
"""room in a class costs fit-out and rent, and where it is scarce the connection binds"""
TAKEN = Family("fit_total", FACILITY, "every MW taken into use is of a class")
GIVEN_BACK = Family("vacate_fit_total", FACILITY, "every MW given back was of a class")


def hosting(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_c fit[s,c,q] = energise[s,q], sum_c vacate_fit[s,c,q] = vacate[s,q]  and, for every class c   [facility MW]

    sum_{o at s, of c} overhead[o] (stock[o,q] + in test) <= initial[s,c]
                                                 + sum_{u<=q} (fit - vacate_fit)[s,c,u] - sum_{r from c} retrofit[r,s,u]
                                                 + sum_{r to c} sum_{u<=q-downtime[r]} retrofit[r,s,u]
    """
    if d.hosting is None:
        return
    tested = in_test(d, x)
    drawing = x.stock if tested is None else x.stock + tested
    h = d.hosting
    m.add_rows(TAKEN, x.fit.sum("hosting") - x.energise.pick("site", h.sites), "==", 0.0)
    m.add_rows(GIVEN_BACK, x.vacate_fit.sum("hosting") - x.vacate.pick("site", h.sites), "==", 0.0)
    stays = x.fit - x.vacate_fit
    for name in h.classes:
        of_class = d.facility_over_it * (h.offer_class == name).astype(float)
        load = (drawing * of_class).group(d.offer_site, "site", d.sites).pick("site", h.sites)
        room = stays.at("hosting", name).cumsum("quarter")
        for retrofit in h.retrofits:
            if name not in (retrofit.start, retrofit.end):
                continue
            done = x.retrofit.at("retrofit", retrofit.id).cumsum("quarter")
            room = room - done if name == retrofit.start else room + done.shift("quarter", retrofit.downtime)
        m.add_rows(HOSTING.of(name), load - room, "<=", h.initial_mw.sel(hosting=name, drop=True))
