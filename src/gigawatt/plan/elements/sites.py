"""Buildings: connections, halls, openings, and what each class of halls holds."""

from __future__ import annotations

import numpy as np
import xarray as xr

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.lumps import hall_room
from gigawatt.plan.metadata import FACILITY, HALLS, SHARE, Family, Words
from gigawatt.plan.signed import drawing

CONNECTION = Family("connection", FACILITY, Words("energised connections", many=True))
SITE_POWER = Family(
    "site_power", FACILITY,
    "chips sit in a building: where that is scarce its connection binds, else it costs rent",
)  # fmt: skip
HALL_SIZE = Family("hall_size", FACILITY, "power of the halls taken into use")
HALLS_VACATED = Family("hall_vacated", FACILITY, "power of the halls given back")
WHOLE_HALLS = Family("halls", HALLS, Words("whole halls", many=True, whole=True, beyond_start=True))
OPENING = Family(
    "opening", FACILITY, "nothing is energised where nothing was opened; its price is part of the connection's"
)
OPENING_KEPT = Family("opening_kept", SHARE, "what was opened stays open")
HOSTING = Family("hosting", FACILITY, Words("classes of halls", many=True), priced=False)
"""room in a class costs fit-out and rent, and where it is scarce the connection binds"""
FITTED = Family("fit_total", FACILITY, "every MW taken into use is of a class")
FIT_GIVEN_BACK = Family("vacate_fit_total", FACILITY, "every MW given back was of a class")


def connection(m: Model, d: PlanInputs, x: Decisions) -> None:
    """Buildings come into use no faster than their connection is energised.

    initial[s] + in_use[s,q] <= energised[s,q]   [facility MW]

    in_use[s,q] = sum_{u<=q} energise[s,u] - vacate[s,u] is what has been taken into use and not given back.
    """
    limited = xr.DataArray(np.isfinite(d.connection_mw))
    room = (d.connection_mw - d.energised_initial_mw).where(limited, 0.0)
    m.add_rows(CONNECTION.of(figure=d.connection_mw), x.in_use, "<=", room, mask=limited)


def site_power(m: Model, d: PlanInputs, x: Decisions) -> None:
    """Every MW of chips sits in exactly one MW of building: the bridge from IT to facility power.

    sum_{o at s} overhead[o] (stock[o,q] + in test) <= initial[s] + in_use[s,q]   [facility MW]
    """
    load = (drawing(d, x) * d.facility_over_it).group(d.offer_site, "site", d.sites)
    m.add_rows(SITE_POWER, load - x.in_use, "<=", d.energised_initial_mw)


def halls(m: Model, d: PlanInputs, x: Decisions) -> None:
    """A site is energised hall by hall, and given back likewise.

    energise[s,q] = hall[s] halls[s,q], vacate[s,q] = hall[s] emptied[s,q]   [facility MW]; where they are whole

    sum_{u<=q} halls[s,u] - emptied[s,u] <= floor((energised - initial) / hall)   [halls]

    The last says nothing new of whole halls, but brings the relaxation closer to them.
    """
    if d.lumps is None or not d.lumps.halls_at:
        return
    sites = list(d.lumps.halls_at)
    size = d.lumps.hall_mw.sel(site=sites)
    m.add_rows(HALL_SIZE, x.energise.pick("site", sites) - x.halls * size, "==", 0.0)
    stand = x.halls
    if d.terms.vacates() is not None:
        m.add_rows(HALLS_VACATED, x.vacate.pick("site", sites) - x.emptied * size, "==", 0.0)
        stand = stand - x.emptied
    if d.lumps.whole:
        room = hall_room(d)
        limited = xr.DataArray(np.isfinite(room))
        m.add_rows(WHOLE_HALLS, stand.cumsum("quarter"), "<=", room.where(limited, 0.0), mask=limited)


def opening(m: Model, d: PlanInputs, x: Decisions) -> None:
    """Nothing is energised at a site that was not opened.

    in_use[s,q] <= energised[s,q] opened[s,q],  opened[s,q] >= opened[s,q-1]   [facility MW]

    No big-M: the connection, finite at every site that has to be opened, is the tightest factor there is.
    """
    if d.lumps is None or not d.lumps.opens:
        return
    sites = list(d.lumps.opens)
    m.add_rows(OPENING, x.in_use.pick("site", sites) - x.opened * d.connection_mw.sel(site=sites), "<=", 0.0)
    m.add_rows(OPENING_KEPT, x.opened.change("quarter"), ">=", 0.0)


def hosting(m: Model, d: PlanInputs, x: Decisions) -> None:
    """A system stands in a hall of its class; a hall that changes its class holds nothing while it does.

    sum_c fit[s,c,q] = energise[s,q], sum_c vacate_fit[s,c,q] = vacate[s,q]  and, for every class c   [facility MW]

    sum_{o at s, of c} overhead[o] (stock[o,q] + in test) <= initial[s,c]
                                                 + sum_{u<=q} (fit - vacate_fit)[s,c,u] - sum_{r from c} retrofit[r,s,u]
                                                 + sum_{r to c} sum_{u<=q-downtime[r]} retrofit[r,s,u]
    """
    if d.hosting is None:
        return
    h, powered = d.hosting, drawing(d, x)
    m.add_rows(FITTED, x.fit.sum("hosting") - x.energise.pick("site", h.sites), "==", 0.0)
    m.add_rows(FIT_GIVEN_BACK, x.vacate_fit.sum("hosting") - x.vacate.pick("site", h.sites), "==", 0.0)
    stays = x.fit - x.vacate_fit
    for name in h.classes:
        of_class = d.facility_over_it * (h.offer_class == name).astype(float)
        load = (powered * of_class).group(d.offer_site, "site", d.sites).pick("site", h.sites)
        room = stays.at("hosting", name).cumsum("quarter")
        for retrofit in h.retrofits:
            if name not in (retrofit.start, retrofit.end):
                continue
            done = x.retrofit.at("retrofit", retrofit.id).cumsum("quarter")
            room = room - done if name == retrofit.start else room + done.shift("quarter", retrofit.downtime)
        m.add_rows(HOSTING.of(name), load - room, "<=", h.initial_mw.sel(hosting=name, drop=True))
