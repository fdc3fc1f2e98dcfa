"""What books and a plan must agree on."""

from __future__ import annotations

import numpy as np

from gigawatt.finance.ledger import balance_usd, imbalance_usd
from gigawatt.study.results import Results


def books_agree(results: Results) -> None:
    assert imbalance_usd(results.book) < 0.01
    opening = results.case.scenario.funding.opening_cash.value
    cash = balance_usd(results.book, results.case.scenario.buyer, results.case.labels, opening)
    assert np.abs(cash.to_numpy() - results.plan["cash_usd"].values).max() < 1e3
