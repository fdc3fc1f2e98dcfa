"""Capacity is held for its term: the contract's, or the economic life of what is owned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr


if TYPE_CHECKING:
    import linopy

    from gigawatt.plan.inputs import PlanInputs
    from gigawatt.plan.variables import Decisions


def term_held(m: linopy.Model, d: PlanInputs, x: Decisions) -> None:
    """sum_{u<=q} retire[o,u] <= initial[o] + sum_{u<=q-term} add[o,u]   [IT MW]"""
    bound = d.term_quarters > 0
    if not bool(bound.any()):
        return
    position = xr.DataArray(range(len(d.quarters)), dims="quarter", coords={"quarter": list(d.quarters)})
    free = {}
    added, retired = x.add, x.retire.cumsum("quarter")
    for length in sorted({int(n) for n in d.term_quarters[bound].values}):
        offers = d.term_quarters.indexes["offer"][(d.term_quarters == length).values]
        free[length] = offers
        gone = retired.sel(offer=offers)
        released = added.sel(offer=offers).shift(quarter=length).fillna(0).cumsum("quarter")
        m.add_constraints(gone - released <= d.initial_mw.sel(offer=offers).expand_dims(
            quarter=position["quarter"].values).transpose("offer", "quarter"), name=f"term_{length}")  # fmt: skip
