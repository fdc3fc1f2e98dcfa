"""Milestone equity: the share of a company that its payments buy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def stakes(payments_usd: Floats, valuation_usd: float) -> Floats:
    """Share bought by each payment when all are priced at one pre-money valuation, each diluting those before.

    Returns:
        (payment) share of the company held at the end from each payment.
    """
    payments = np.asarray(payments_usd, dtype=np.float64)
    post = valuation_usd + np.cumsum(payments)
    if not len(payments):
        return payments
    return np.asarray(payments / post[-1])
