"""A plan with whole numbers near the relaxed one: halls, openings up, gigawatts, warrants down."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.plan.decisions import Decisions
from gigawatt.plan.live import LivePlan
from gigawatt.plan.lumps import hall_room

Floats = npt.NDArray[np.float64]
EDGE = 1e-6


def halls_up(plan: LivePlan, primal: Floats) -> dict[str, xr.DataArray]:
    """Halls rounded up in their running sum, no further than the connection carries, and sites opened at all; halls
    given back rounded down.
    """
    found: dict[str, xr.DataArray] = {}
    if not _is_whole(plan):
        return found
    if Decisions.halls in plan.model:
        relaxed, room = plan.values_of("halls", primal).cumsum("quarter"), hall_room(plan.inputs)
        if Decisions.emptied in plan.model:
            gone = xr.DataArray(np.floor(plan.values_of("emptied", primal).cumsum("quarter") + EDGE))
            found["emptied"] = gone - gone.shift(quarter=1, fill_value=0.0)
            room = room + gone
        stands = xr.DataArray(np.minimum(np.ceil(relaxed - EDGE), room))
        found["halls"] = stands - stands.shift(quarter=1, fill_value=0.0)
    if Decisions.opened in plan.model:
        found["opened"] = (plan.values_of("opened", primal) > EDGE).astype(float)
    return found


def _is_whole(plan: LivePlan) -> bool:
    return plan.inputs.lumps is not None and plan.inputs.lumps.whole


def released(plan: LivePlan, primal: Floats) -> dict[str, xr.DataArray]:
    """Whole gigawatts that the accepted capacity of a plan allows to be released, as values of ``z``."""
    terms = plan.inputs.milestones
    if plan.counted is None or terms is None or not terms.whole:
        return {}
    counted = plan.counted.matrix @ primal + plan.counted.const
    level = np.minimum(np.floor(counted + EDGE), terms.n_max)
    tranche = np.arange(1, terms.n_max + 1)
    return {"z": xr.DataArray((tranche[:, None] <= level[None, :]).astype(float), dims=("tranche", "quarter"))}


def vested_down(plan: LivePlan, primal: Floats) -> dict[str, xr.DataArray]:
    """Whole steps of warrants that a relaxed plan ``primal`` (columns,) has reached."""
    if Decisions.vest_steps not in plan.model:
        return {}
    return {"vest_steps": xr.DataArray(np.floor(plan.values_of("vest_steps", primal) + EDGE))}


STEPS = (halls_up, released, vested_down)
"""What is made whole one after another, with a plan solved after each: later steps follow from earlier ones."""


def onto(plan: LivePlan, values: dict[str, xr.DataArray], into: Floats) -> Floats:
    """``into`` (columns,) with the values of some variables put in."""
    out = into.copy()
    for name, array in values.items():
        variable = plan.model.variables[name]
        table = np.asarray(array.transpose(*variable.axes).values, dtype=np.float64)
        live = variable.columns >= 0
        out[variable.columns[live]] = table[live]
    return out
