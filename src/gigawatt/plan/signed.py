"""Decisions that contracts open, and the money they move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from gigawatt.plan.algebra import Axes, Expression, Floats, Model, axes_of
from gigawatt.plan.decisions import Decisions

if TYPE_CHECKING:
    from gigawatt.plan.inputs import PlanInputs
    from gigawatt.plan.terms import Leases


def add_signed(m: Model, d: PlanInputs) -> None:
    """Variables of contracts; where a fee is inf there is no column."""
    terms = d.terms
    quarter: Axes = {"quarter": d.quarters}
    if terms.takes is not None and bool((terms.takes.short_musd_per_mw < np.inf).any()):
        fees = terms.takes.short_musd_per_mw
        m.add_variable(Decisions.short, axes_of(fees), mask=(fees < np.inf) & (terms.takes.mw > 0))
    if terms.takes is not None and terms.takes.after_mw is not None and terms.takes.after_musd_per_mw is not None:
        owed = terms.takes.after_mw
        m.add_variable(Decisions.beyond, axes_of(owed), mask=(owed > 0) & (terms.takes.after_musd_per_mw > 0))
    if terms.exit_musd_per_mw is not None:
        m.add_variable(Decisions.left, axes_of(terms.exit_musd_per_mw), mask=terms.exit_musd_per_mw < np.inf)
    if terms.options is not None:
        fees = terms.options.premium_musd_per_mw
        m.add_variable(Decisions.exercised, axes_of(fees), mask=fees < np.inf)
    if terms.warrants is not None:
        most = terms.warrants.most_mw.expand_dims(quarter=list(d.quarters))
        m.add_variable(Decisions.vested, axes_of(terms.warrants.musd_per_mw), upper=most)
        if terms.warrants.stepped:
            m.add_variable(Decisions.vest_steps, {"warrant": terms.warrants.stepped, **quarter}, integer=True)
    if terms.cancel_musd_per_mw is not None:
        m.add_variable(Decisions.cancelled, axes_of(terms.cancel_musd_per_mw), mask=terms.cancel_musd_per_mw < np.inf)
    if terms.leases is not None and bool((terms.leases.due_mw > 0).any()):
        m.add_variable(Decisions.unused, {"site": d.sites, **quarter}, mask=terms.leases.due_mw > 0)
    if (may := terms.vacates()) is not None:
        m.add_variable(Decisions.vacate, axes_of(may), mask=may)
    if terms.survival_frac is not None:
        m.add_variable(Decisions.works, {**axes_of(terms.survival_frac), **quarter})


def finite(fees: xr.DataArray) -> xr.DataArray:
    """Fees with 0 where there is no right: nothing can be decided there."""
    return fees.where(fees < np.inf, 0.0)


def kept_until(d: PlanInputs, x: Decisions) -> Expression:
    """IT MW by offer and quarter of signing that has not been left by each quarter (offer, signed, quarter)."""
    by_signing = replace(x.add, axes={"offer": x.add.axes["offer"], "signed": d.quarters})
    held = by_signing.along("quarter", d.quarters, 2)
    if Decisions.left not in x:
        return held
    return held - _all_offers(d, x.left.cumsum("quarter"))


def freed(d: PlanInputs, x: Decisions) -> Expression | None:
    """IT MW by offer and quarter that may go though their term still runs, for a fee; None where nobody may."""
    if d.terms.exit_musd_per_mw is None:
        return None
    running = (d.terms.exit_musd_per_mw < np.inf).astype(float)
    return _all_offers(d, (x.left.cumsum("quarter") * running).sum("signed"))


def _all_offers(d: PlanInputs, some: Expression) -> Expression:
    """An expression over some offers on all of them."""
    ids = list(some.axes["offer"])
    every = [str(name) for name in d.offer_site["offer"].values]
    return some.group(xr.DataArray(ids, dims="offer", coords={"offer": ids}), "offer", every)


def working(d: PlanInputs, x: Decisions) -> Expression:
    """IT MW that work (offer, quarter): stock, or what of it has not failed where an offer ages."""
    if Decisions.works not in x:
        return x.stock
    ids = x.works.axes["offer"]
    young = xr.DataArray(~d.offer_site["offer"].isin(list(ids)))
    return x.stock * young.astype(float) + _all_offers(d, x.works)


def delivered(d: PlanInputs, x: Decisions) -> Expression:
    """IT MW delivered by offer and quarter: what is accepted once its tests are over."""
    if d.terms.testing_quarters is None:
        return x.add
    return _ahead(d, x, lambda steps: np.eye(len(d.quarters), k=steps))


def in_test(d: PlanInputs, x: Decisions) -> Expression | None:
    """IT MW by offer and quarter that draw power in their tests; None where there are none."""
    if d.terms.testing_quarters is None:
        return None
    n = len(d.quarters)
    return _ahead(d, x, lambda steps: np.triu(np.ones((n, n)), 1) - np.triu(np.ones((n, n)), steps + 1))


def drawing(d: PlanInputs, x: Decisions) -> Expression:
    """IT MW by offer and quarter that stand or draw power in their tests."""
    tested = in_test(d, x)
    return x.stock if tested is None else x.stock + tested


def _ahead(d: PlanInputs, x: Decisions, weight: Callable[[int], Floats]) -> Expression:
    tests, quarters = d.terms.testing_quarters, list(d.quarters)
    assert tests is not None
    whole: Expression | None = None
    for steps in sorted({int(value) for value in tests.values}):
        table = xr.DataArray(weight(steps), dims=("_now", "quarter"), coords={"_now": quarters, "quarter": quarters})
        part = (x.add * (tests == steps).astype(float)).dot(table, "quarter")
        part = replace(part, axes=dict(x.add.axes))
        whole = part if whole is None else whole + part
    assert whole is not None
    return whole


def unused_price(d: PlanInputs, leases: Leases) -> xr.DataArray:
    """Rent of a facility MW that is paid for and not in use (site, quarter) [MUSD]."""
    rents = d.site_hold_musd_per_mw if leases.unused_musd_per_mw is None else leases.unused_musd_per_mw
    return rents.transpose("site", "quarter")


def spending(d: PlanInputs, x: Decisions) -> Expression | None:
    """What contracts cost in each quarter beyond rents of stock and buildings in use (quarter) [MUSD]."""
    terms, parts = d.terms, []
    if terms.rents is not None:
        over = terms.rents.over_musd_per_mw
        parts.append((kept_until(d, x) * over).sum("offer", "signed") + terms.rents.fixed_musd)
    if terms.takes is not None:
        parts.append((x.short * finite(terms.takes.short_musd_per_mw)).sum("take"))
    if terms.exit_musd_per_mw is not None:
        parts.append((x.left * finite(terms.exit_musd_per_mw)).sum("offer", "signed"))
    if terms.options is not None:
        parts.append((x.exercised * finite(terms.options.premium_musd_per_mw)).sum("option"))
    if terms.cancel_musd_per_mw is not None:
        parts.append((x.cancelled * finite(terms.cancel_musd_per_mw)).sum("commitment"))
    if terms.leases is not None and (more := terms.leases.over_musd_per_mw) is not None:
        by_signing = replace(x.energise, axes={"site": x.energise.axes["site"], "signed": d.quarters})
        before = (d.energised_initial_mw * more.isel(signed=0, drop=True)).sum("site")
        parts.append((by_signing.along("quarter", d.quarters, 2) * more).sum("site", "signed") + before)
    if terms.leases is not None:
        parts.append((x.unused * unused_price(d, terms.leases)).sum("site"))
        parts.append(-(x.vacate * terms.leases.deposit_musd_per_mw).sum("site"))
    return _sum(parts)


def owed_after(d: PlanInputs, x: Decisions) -> Expression | None:
    """Rents owed after the horizon, discounted to the start, without axes [MUSD]."""
    return _after(d, x, charged=False)


def charged_after(d: PlanInputs, x: Decisions) -> Expression | None:
    """What the plan is charged of ``owed_after``: all but what the use is worth then [MUSD]."""
    return _after(d, x, charged=True)


def _after(d: PlanInputs, x: Decisions, *, charged: bool) -> Expression | None:
    last, parts, terms = d.quarters[-1], [], d.terms

    def of(price: xr.DataArray, share: xr.DataArray | None) -> xr.DataArray:
        return price if share is None or not charged else (price * share).transpose(*price.dims)

    if (rents := terms.rents) is not None:
        held = kept_until(d, x).at("quarter", last)
        signed_rents = (held * of(rents.owed_musd_per_mw, rents.charged_frac)).sum("offer", "signed")
        parts.append(signed_rents + rents.fixed_after_musd * (rents.fixed_charged_frac if charged else 1.0))
    if terms.takes is not None and terms.takes.after_musd_per_mw is not None:
        price = of(terms.takes.after_musd_per_mw, terms.takes.charged_frac)
        parts.append((x.beyond * price).sum("take", "after"))
    if (leases := terms.leases) is not None:
        owed = of(leases.owed_musd_per_mw, leases.charged_frac)
        stood = float((d.energised_initial_mw * owed.isel(quarter=0)).sum())
        parts.append((x.energise * owed).sum("site", "quarter") + stood)
        rest = of(leases.owed_unused_musd_per_mw, leases.unused_charged_frac)
        parts.append((x.unused.at("quarter", last) * rest).sum("site"))
    return _sum(parts)


def deposits_back(d: PlanInputs, x: Decisions) -> Expression | None:
    """Deposits that came back before the end and are worth nothing after it, discounted, without axes [MUSD]."""
    if d.terms.leases is None:
        return None
    return (x.vacate * d.terms.leases.deposit_after_musd_per_mw).sum("site", "quarter")


def vested_worth(d: PlanInputs, x: Decisions) -> Expression | None:
    """Worth of the shares that vest, discounted to the start, without axes [MUSD]."""
    if d.terms.warrants is None:
        return None
    worth = d.terms.warrants.musd_per_mw * d.discount
    return (x.vested.change("quarter") * worth.transpose("warrant", "quarter")).sum("warrant", "quarter")


def _sum(parts: list[Expression]) -> Expression | None:
    whole: Expression | None = None
    for part in parts:
        whole = part if whole is None else whole + part
    return whole
