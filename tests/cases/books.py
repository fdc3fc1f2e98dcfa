"""What books and a plan must agree on, and what a plan leaves at the end."""

from __future__ import annotations

import numpy as np
import xarray as xr

from gigawatt.finance.ledger import balance_usd, imbalance_usd
from gigawatt.plan.flows import What, ending, price_on
from gigawatt.plan.inputs import PlanInputs
from gigawatt.study.results import Results


def books_agree(results: Results) -> None:
    assert imbalance_usd(results.book) < 0.01
    opening = results.case.scenario.funding.opening_cash.value
    cash = balance_usd(results.book, results.case.scenario.buyer, results.case.labels, opening)
    assert np.abs(cash.to_numpy() - results.plan["cash_usd"].values).max() < 1e3


def left(d: PlanInputs, what: What, on: str) -> xr.DataArray:
    """What a unit of an amount leaves at the end."""
    price = price_on(ending(d.ends, what), on)
    assert price is not None
    return price
