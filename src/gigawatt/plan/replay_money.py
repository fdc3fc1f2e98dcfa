"""Money of a replay: amounts and what they cost, what milestones release, and where what is spent comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.plan.cashflow import tranche_payments
from gigawatt.plan.flows import MINIMISED, EndValue, Numbers, Rate, costs, ending, money
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.late_contracts import Ints, Played, as_late, duties
from gigawatt.plan.live import LivePlan
from gigawatt.plan.since import counted_mw

Floats = npt.NDArray[np.float64]
R = TypeVar("R", Rate, EndValue)

BILL = "bill"
"""Name among the amounts of a replay of the energy that work adds to idling [MUSD]."""


def released_gw(plan: LivePlan, accepted: Floats, stock: Floats) -> Floats:
    """(draw, quarter) GW released: what the plan released, or less while less has been accepted; never taken back."""
    d, terms = plan.inputs, plan.inputs.milestones
    if terms is None:
        return np.zeros((len(stock), len(d.quarters)))
    z = plan.value("z")
    planned = (z.sum("tranche") if terms.whole else z).values
    start = d.quarters.index(terms.from_quarter)
    counted = counted_mw(d.offer_contract.values == "own", accepted, stock, start)
    have = np.einsum("o,noq->nq", terms.counts.values / 1000.0, counted)
    reached = np.floor(have + 1e-6) if terms.whole else have
    return np.asarray(np.maximum.accumulate(np.minimum(planned[None, :], np.maximum(reached, 0.0)), axis=1))


def tranches_musd(released: Floats, d: PlanInputs) -> Floats:
    """(draw, quarter) milestone equity paid [MUSD]."""
    if d.milestones is None:
        return np.zeros_like(released)
    kinds, where = np.unique(released, axis=0, return_inverse=True)
    return np.asarray(np.stack([tranche_payments(row, d) for row in kinds])[where.ravel()])


def money_musd(plan: LivePlan, net_spent: Floats, tranches: Floats) -> tuple[Floats, Floats, Floats]:
    """(draw, quarter) cash, debt and money still to be found that is owed, at the end of each quarter [MUSD]."""
    d = plan.inputs
    line, found = _borrowed(plan)
    debt, position = np.zeros(len(net_spent)), np.full(len(net_spent), d.opening_cash_musd)
    out = np.zeros((3, *net_spent.shape))
    for q in range(net_spent.shape[1]):
        position = position - d.credit_rate * debt + float(d.inflow_musd[q]) + tranches[:, q] - net_spent[:, q]
        lacks = np.maximum(-position, 0.0)
        if d.credit_spread * float(d.discount[q]) <= float(d.gap_musd[q]):  # the line is the cheaper: drawn on first
            debt = np.minimum(np.maximum(lacks - found[q], np.minimum(lacks, line[q])), d.credit_limit_musd)
        else:
            debt = np.clip(lacks - found[q], 0.0, line[q])
        out[0][:, q], out[1][:, q], out[2][:, q] = np.maximum(position, 0.0), debt, lacks - debt
    return out[0], out[1], out[2]


def _borrowed(plan: LivePlan) -> tuple[Floats, Floats]:
    """(quarter) debt and money still to be found that the plan owes beyond what lies in its account [MUSD]."""
    cash, gap = plan.value("cash").values, plan.value("gap").values
    lacks = np.maximum(plan.value("debt").values + gap - cash, 0.0)
    line = np.maximum(lacks - gap, 0.0)
    return line, lacks - line


def played_amounts(owed: Sequence[PlanInputs], played: Played, due: Floats, *, income: Floats, bill: Floats) -> Numbers:
    """Amounts that follow from what a replay found, by draw.

    Args:
        owed: inputs where everything comes 0, 1, 2 and so on quarters late.
        played: what stands.
        due: (commitment, quarter) MW that are committed and not cancelled.
        income: (draw, quarter) of sales, and ``bill`` the energy that work adds to idling [MUSD].
        bill: see above.
    """
    d = owed[0]
    labels: dict[str, Sequence[str]] = {
        "offer": d.offer_site["offer"].values.tolist(), "site": d.sites, "quarter": d.quarters, "signed": d.quarters,
        "commitment": d.commitment_mw["commitment"].values.tolist(),
    }  # fmt: skip
    if d.terms.takes is not None:
        labels["take"] = d.terms.takes.mw["take"].values.tolist()
    if d.terms.warrants is not None:
        labels["warrant"] = d.terms.warrants.most_mw["warrant"].values.tolist()
    of = {
        "add": ("offer", "quarter", played.new), "stock": ("offer", "quarter", played.stock),
        "kept": ("offer", "quarter", _kept(played.new, played.stock[:, :, -1])),
        "signed": ("offer", "signed", played.new), "signed_at_end": ("offer", "signed", played.new),
        "energise": ("site", "quarter", played.built), "in_use": ("site", "quarter", played.in_use),
        "taken": ("site", "signed", played.built),
        **{name: (axis, "quarter", mw) for name, (axis, mw) in duties(owed, played, due).items()},
    }  # fmt: skip
    found = {
        name: (xr.DataArray(mw, dims=("draw", row, when), coords={row: list(labels[row]), when: list(labels[when])}),)
        for name, (row, when, mw) in of.items()
    }
    if "unused" in found:
        found["unused_at_end"] = (found["unused"][0].isel(quarter=-1, drop=True),)
    for name, musd in (("sales", income), (BILL, bill)):
        found[name] = (xr.DataArray(musd, dims=("draw", "quarter"), coords={"quarter": list(d.quarters)}),)
    return found


def priced_late(owed: Sequence[PlanInputs], late_site: Ints) -> PlanInputs:
    """Inputs in which what a lease asks for unused has, by draw, the price of a lease so late (draw, site)."""
    d = owed[0]
    if len(owed) == 1 or d.terms.leases is None:
        return d

    def late(rows: Sequence[Sequence[R]], on: str) -> Iterator[R]:
        yield from (row for row in rows[0] if row.on != on)
        for same in zip(*([row for row in part if row.on == on] for part in rows), strict=True):
            yield replace(same[0], musd=_by_draw([row.musd for row in same], late_site))

    return replace(
        d, rates=tuple(late([row.rates for row in owed], "unused")),
        ends=tuple(late([row.ends for row in owed], "unused_at_end")),
    )  # fmt: skip


def _by_draw(prices: Sequence[xr.DataArray], late: Ints) -> xr.DataArray:
    tables = [price.transpose("site", ...) for price in prices]
    values = as_late([table.values for table in tables], late)
    return xr.DataArray(values, dims=("draw", *tables[0].dims), coords=tables[0].coords)


def paid_musd(d: PlanInputs, amounts: Numbers) -> xr.DataArray:
    """What is paid for amounts, less what is received beside sales (draw, quarter), or of no draw [MUSD]."""
    bill = sum(amounts.get(BILL, ()), xr.DataArray(0.0))
    return (money(costs(d.rates), amounts, "draw", "quarter") + bill).transpose(..., "quarter")


def end_cost(d: PlanInputs, amounts: Numbers) -> xr.DataArray:
    """Values at the end of the horizon as costs (draw), or of no draw [discounted MUSD]."""
    total = xr.DataArray(0.0)
    for what, sign in MINIMISED.items():
        total = total + sign * money(ending(d.ends, what), amounts, "draw")
    return total


def _kept(new: Floats, stands: Floats) -> Floats:
    """(draw, offer, quarter) IT MW of additions that are left of what stands at the end, the newest first."""
    younger = np.cumsum(new[:, :, ::-1], axis=2)
    return np.diff(np.minimum(younger, stands[:, :, None]), prepend=0.0, axis=2)[:, :, ::-1]
