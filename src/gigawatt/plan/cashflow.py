"""Money in and out of the buyer's account, as expressions of the plan; the ledger books the same flows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gigawatt.plan.variables import served, term

if TYPE_CHECKING:
    import linopy

    from gigawatt.plan.inputs import PlanInputs


def outflow(m: linopy.Model, d: PlanInputs) -> linopy.LinearExpression:
    """Spending of each quarter: systems, buildings, rents, upkeep and energy (quarter) [MUSD]."""
    systems = (term(m, "add") * d.capex_musd_per_mw).sum("offer")
    held = (term(m, "stock") * d.hold_musd_per_mw).sum("offer")
    buildings = (term(m, "energise") * d.energise_musd_per_mw).sum("site")
    in_use = (term(m, "energise").cumsum("quarter") * d.site_hold_musd_per_mw).sum("site")
    stands = (d.energised_initial_mw * d.site_hold_musd_per_mw).sum("site")
    return systems + held + buildings + in_use + stands


def inflow(m: linopy.Model, d: PlanInputs) -> linopy.LinearExpression:
    """Income from work that is paid by the token (quarter) [MUSD]."""
    work = (served(m, d) * d.hours_frac).sum("block")
    return (work * d.income_musd).sum("workload")


def released_cash(m: linopy.Model, d: PlanInputs) -> linopy.LinearExpression:
    """Milestone equity as it is paid: at signing, and ``lag`` quarters after each release (quarter) [MUSD].

    Where the first gigawatt's money is paid on signing, whole-gigawatt release pays from the second on, and linear
    release spreads what is left over all gigawatts.
    """
    assert d.milestones is not None
    terms = d.milestones
    z = 1 * m.variables["z"]
    per_gw = terms.per_gw_musd
    if terms.whole:
        paid = z if terms.signing_quarter is None else z.sel(tranche=list(range(2, terms.n_max + 1)))
        level = paid.sum("tranche")
    else:
        level = z
        if terms.signing_quarter is not None:
            per_gw = (terms.per_gw_musd * terms.n_max - terms.signing_musd) / terms.n_max
    change = level - level.shift(quarter=1).fillna(0)
    cash = per_gw * change.shift(quarter=terms.lag).fillna(0)
    signing = d.inflow_musd * 0.0
    if terms.signing_quarter is not None:
        signing.loc[{"quarter": terms.signing_quarter}] = terms.signing_musd
    return cash + signing


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
