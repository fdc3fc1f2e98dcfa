"""Milestone equity as it is paid: of the plan's decisions, and of gigawatts once they are numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.plan.algebra import Expression
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs


def released_cash(d: PlanInputs, x: Decisions) -> Expression:
    """Milestone equity as it is paid: at signing, and ``lag`` quarters after each release (quarter) [MUSD].

    Where the first gigawatt's money is paid on signing, whole-gigawatt release pays from the second on, and linear
    release spreads what is left over all gigawatts.
    """
    terms, (per_gw, paid_before, signing) = d.milestones, _release(d)
    assert terms is not None
    level = x.z
    if terms.whole:
        level = x.z.pick("tranche", tuple(range(1 + paid_before, terms.n_max + 1))).sum("tranche")
    return per_gw * level.change("quarter").shift("quarter", terms.lag) + signing


def tranche_payments(released_gw: npt.NDArray[np.float64], d: PlanInputs) -> npt.NDArray[np.float64]:
    """Milestone equity of each quarter [MUSD] from gigawatts released so far (quarter): ``released_cash`` solved."""
    terms, (per_gw, paid_before, signing) = d.milestones, _release(d)
    assert terms is not None
    change = np.diff(np.maximum(np.asarray(released_gw, dtype=np.float64) - paid_before, 0.0), prepend=0.0)
    return np.asarray(per_gw * np.append(np.zeros(terms.lag), change)[: change.size] + signing.values)


def _release(d: PlanInputs) -> tuple[float, int, xr.DataArray]:
    """(MUSD of a gigawatt released, whole gigawatts that are paid at signing, (quarter) MUSD paid at signing)."""
    terms, signing = d.milestones, d.inflow_musd * 0.0
    assert terms is not None
    if terms.signing_quarter is None:
        return terms.per_gw_musd, 0, signing
    signing.loc[{"quarter": terms.signing_quarter}] = terms.signing_musd
    if terms.whole:
        return terms.per_gw_musd, 1, signing
    return (terms.per_gw_musd * terms.n_max - terms.signing_musd) / terms.n_max, 0, signing
