"""Milestone equity as it is paid: of the plan's decisions, and of gigawatts once they are numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gigawatt.plan.algebra import Expression
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs


def released_cash(d: PlanInputs, x: Decisions) -> Expression:
    """Milestone equity as it is paid: at signing, and ``lag`` quarters after each release (quarter) [MUSD].

    Where the first gigawatt's money is paid on signing, whole-gigawatt release pays from the second on, and linear
    release spreads what is left over all gigawatts.
    """
    terms = d.milestones
    assert terms is not None
    per_gw, level = terms.per_gw_musd, x.z
    if terms.whole:
        first = 1 if terms.signing_quarter is None else 2
        level = x.z.pick("tranche", tuple(range(first, terms.n_max + 1))).sum("tranche")
    elif terms.signing_quarter is not None:
        per_gw = (terms.per_gw_musd * terms.n_max - terms.signing_musd) / terms.n_max
    signing = d.inflow_musd * 0.0
    if terms.signing_quarter is not None:
        signing.loc[{"quarter": terms.signing_quarter}] = terms.signing_musd
    return per_gw * level.change("quarter").shift("quarter", terms.lag) + signing


def tranche_payments(released_gw: npt.NDArray[np.float64], d: PlanInputs) -> npt.NDArray[np.float64]:
    """Milestone equity of each quarter [MUSD] from gigawatts released so far: the plain twin of ``released_cash``.

    Args:
        released_gw: (quarter) cumulative gigawatts released.
        d: inputs that hold the milestones.
    """
    terms = d.milestones
    assert terms is not None
    per_gw, level = terms.per_gw_musd, np.asarray(released_gw, dtype=np.float64)
    if terms.signing_quarter is not None:
        if terms.whole:
            level = np.maximum(level - 1.0, 0.0)
        else:
            per_gw = (terms.per_gw_musd * terms.n_max - terms.signing_musd) / terms.n_max
    change = np.diff(level, prepend=0.0)
    cash = np.zeros_like(level)
    cash[terms.lag :] = per_gw * change[: len(level) - terms.lag]
    if terms.signing_quarter is not None:
        cash[d.quarters.index(terms.signing_quarter)] += terms.signing_musd
    return cash
