"""Decisions that contracts open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from gigawatt.plan.algebra import Axes, Expression, Floats, Model, axes_of
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.flows import ending, price_on

if TYPE_CHECKING:
    from gigawatt.plan.inputs import PlanInputs


def add_signed(m: Model, d: PlanInputs) -> None:
    """Variables of contracts; where a fee is inf there is no column."""
    terms = d.terms
    quarter: Axes = {"quarter": d.quarters}
    if terms.takes is not None and (fees := price_on(d.rates, "short")) is not None and bool((fees < np.inf).any()):
        m.add_variable(Decisions.short, axes_of(fees), mask=(fees < np.inf) & (terms.takes.mw > 0))
    if (asked := owed_beyond(d)) is not None:
        m.add_variable(Decisions.beyond, axes_of(asked), mask=asked)
    for column in (Decisions.left, Decisions.exercised):
        if (fees := price_on(d.rates, column.name)) is not None:
            m.add_variable(column, axes_of(fees), mask=fees < np.inf)
    if terms.warrants is not None:
        most = terms.warrants.most_mw.expand_dims(quarter=list(d.quarters))
        m.add_variable(Decisions.vested, {**axes_of(terms.warrants.most_mw), **quarter}, upper=most)
        if terms.warrants.stepped:
            m.add_variable(Decisions.vest_steps, {"warrant": terms.warrants.stepped, **quarter}, integer=True)
    if (fees := price_on(d.rates, "cancelled")) is not None:
        m.add_variable(Decisions.cancelled, axes_of(fees), mask=fees < np.inf)
    if terms.leases is not None and bool((terms.leases.due_mw > 0).any()):
        m.add_variable(Decisions.unused, {"site": d.sites, **quarter}, mask=terms.leases.due_mw > 0)
    if (may := terms.vacates()) is not None:
        m.add_variable(Decisions.vacate, axes_of(may), mask=may)
    if terms.survival_frac is not None:
        m.add_variable(Decisions.works, {**axes_of(terms.survival_frac), **quarter})


def owed_beyond(d: PlanInputs) -> xr.DataArray | None:
    """(take, after) True where a minimum take is owed after the horizon; None where none is."""
    price = price_on(ending(d.ends, "owed"), "beyond")
    if d.terms.takes is None or d.terms.takes.after_mw is None or price is None:
        return None
    owed = d.terms.takes.after_mw
    return ((owed > 0) & (price > 0)).transpose(*owed.dims)


def kept_until(d: PlanInputs, x: Decisions) -> Expression:
    """IT MW by offer and quarter of signing that has not been left by each quarter (offer, signed, quarter)."""
    by_signing = replace(x.add, axes={"offer": x.add.axes["offer"], "signed": d.quarters})
    held = by_signing.along("quarter", d.quarters, 2)
    if Decisions.left not in x:
        return held
    return held - _all_offers(d, x.left.cumsum("quarter"))


def freed(d: PlanInputs, x: Decisions) -> Expression | None:
    """IT MW by offer and quarter that may go though their term still runs, for a fee; None where nobody may."""
    if Decisions.left not in x or (fees := price_on(d.rates, "left")) is None:
        return None
    running = (fees < np.inf).astype(float)
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
