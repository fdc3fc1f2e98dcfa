"""Money in and out of the buyer's account, as expressions of the plan; the ledger books the same flows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gigawatt.plan.algebra import Expression
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.energy import work_cost
from gigawatt.plan.hosting import hosting_cost
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.lumps import opening_cost
from gigawatt.plan.resale import proceeds
from gigawatt.plan.signed import spending
from gigawatt.plan.worth import paid_musd


def outflow(d: PlanInputs, x: Decisions) -> Expression:
    """Spending of each quarter: systems, buildings, rents, energy, contracts, penalties and shares of sales, less what
    is sold of machines (quarter) [MUSD].
    """
    systems = (x.add * d.capex_musd_per_mw + x.stock * d.hold_musd_per_mw).sum("offer")
    buildings = (x.energise * d.energise_musd_per_mw + x.in_use * d.site_hold_musd_per_mw).sum("site")
    spent = systems + work_cost(d, x) + buildings + (d.energised_initial_mw * d.site_hold_musd_per_mw).sum("site")
    if (contracts := spending(d, x)) is not None:
        spent = spent + contracts
    if d.terms.sales_share_frac is not None:
        spent = spent + inflow(d, x) * d.terms.sales_share_frac
    if Decisions.late in x:
        spent = spent + (x.late * d.commitment_penalty_musd.fillna(0.0)).sum("commitment")
    if d.terms.late is not None:
        spent = spent - d.terms.late.damages_musd.sum("commitment")
    if (opening := opening_cost(d, x)) is not None:
        spent = spent + opening
    if d.hosting is not None:
        spent = spent + hosting_cost(d, x)
    return spent if Decisions.sold not in x else spent - proceeds(d, x)


def inflow(d: PlanInputs, x: Decisions) -> Expression:
    """Income from work that is paid by the token (quarter) [MUSD]."""
    sold = (x.served * (d.income_musd * d.hours_frac)).sum("workload", "block")
    more = paid_musd(d.service, d.rate, d.hours_frac, x) if d.service is not None else None
    return sold if more is None else sold + more


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
