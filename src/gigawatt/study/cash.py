"""Flows of money between the parties, in USD of the quarter: what the ledger books."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from gigawatt.core.calendar import DAY_H, str_quarter
from gigawatt.core.money import per_quarter
from gigawatt.finance.ledger import Flow
from gigawatt.plan.amounts import numbers
from gigawatt.plan.flows import Numbers, Rate, booked
from gigawatt.plan.live import LivePlan
from gigawatt.study.economics import revenue_share_usd, revenue_usd
from gigawatt.study.money import flows_in_terms
from gigawatt.study.rates import CUSTOMERS
from gigawatt.study.resolve import Case

Floats = npt.NDArray[np.float64]

MARKETS = "capital-markets"


def flows(case: Case, live: LivePlan, plan: xr.Dataset) -> Iterator[Flow]:
    """Every flow of the programme, quarter by quarter, in the scenario's terms of money.

    Args:
        case: the case.
        live: its plan.
        plan: the same as extracted, its money in money of the quarter.
    """
    rows = chain(rated(case, [(live.inputs.rates, numbers(live))]), _revenue(case), _funding(case, plan))
    yield from flows_in_terms(case, rows)


def rated(case: Case, parts: Iterable[tuple[Iterable[Rate], Numbers]]) -> Iterator[Flow]:
    """What prices times amounts of all parts come to, by kind, parties and memo."""
    whole: dict[tuple[str, str, str, str], Floats] = {}
    for rate, party, memo, musd in chain.from_iterable(booked(rates, amounts) for rates, amounts in parts):
        pair = (party, case.scenario.buyer) if rate.received else (case.scenario.buyer, party)
        key = (rate.kind, *pair, memo)
        whole[key] = whole.get(key, 0.0) + musd.values * 1e6
    for (kind, payer, payee, memo), usd in whole.items():
        yield from each(case, usd, payer, payee, kind, memo)


def by_kind(book: pd.DataFrame) -> pd.DataFrame:
    """A ledger over all quarters and memos: payer, payee, kind, usd; the most first."""
    paid = book.groupby(["payer", "payee", "kind"])["usd"].sum()
    return paid.sort_values(ascending=False).reset_index()


def each(case: Case, values: Floats, payer: str, payee: str, kind: str, memo: str) -> Iterator[Flow]:
    """A flow in each quarter in which there is one; of a negative one the ledger complains."""
    if payer == payee:
        return  # what a party does for itself is no flow between parties
    for label, usd in zip(case.labels, values, strict=True):
        if abs(usd) > 1e-2:
            yield Flow(quarter=label, payer=payer, payee=payee, kind=kind, usd=float(usd), memo=memo)


def daily_mean(case: Case, values: xr.DataArray) -> xr.DataArray:
    """Mean over the day of something by block."""
    hours = xr.DataArray(
        [b.hours / DAY_H for b in case.scenario.blocks], dims="block", coords={"block": values["block"]}
    )
    return (values * hours).sum("block")


def _revenue(case: Case) -> Iterator[Flow]:
    """Declared revenue that pays for compute, and another party's share of it."""
    buyer, shared = case.scenario.buyer, revenue_share_usd(case)
    memo = "revenue that pays for compute"
    yield from each(case, revenue_usd(case) + shared, CUSTOMERS, buyer, "sales", memo)
    if (terms := case.scenario.funding.revenue_share) is not None:
        yield from each(case, shared, buyer, terms.to, "revenue-share", terms.to)


def _funding(case: Case, plan: xr.Dataset) -> Iterator[Flow]:
    buyer, funding = case.scenario.buyer, case.scenario.funding
    for row in funding.rounds:
        if (quarter := int(row.quarter.value)) in case.quarters:
            yield Flow(quarter=str_quarter(quarter), payer=row.investor, payee=buyer, kind="equity",
                       usd=row.amount.value, memo=row.deal or "")  # fmt: skip
    if case.milestone_deal is not None:
        deal = case.milestone_deal
        yield from each(case, plan["tranche_usd"].values, deal.seller, buyer, "milestone-equity", deal.id)
    yield from each(case, plan["gap_usd"].values, MARKETS, buyer, "gap-financing", "still to be found")
    yield from each(case, plan["gap_repaid_usd"].values, buyer, MARKETS, "gap-repayment", "still to be found")
    if funding.credit is not None:
        debt = plan["debt_usd"].values
        change = np.diff(debt, prepend=0.0)
        owed = np.concatenate([[0.0], debt[:-1]])
        lender = funding.credit.lender
        yield from each(case, np.maximum(change, 0.0), lender, buyer, "debt-draw", "credit line")
        yield from each(case, np.maximum(-change, 0.0), buyer, lender, "debt-repayment", "credit line")
        yield from each(case, owed * per_quarter(funding.credit.rate.value), buyer, lender, "interest", "credit line")
