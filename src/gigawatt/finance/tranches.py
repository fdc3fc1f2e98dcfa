"""Milestone equity from accepted capacity: what is released, when it is paid, what it buys."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def released_gw(accepted_gw: Floats, *, cap_gw: float, whole: bool) -> Floats:
    """Gigawatts released by cumulative accepted capacity: whole gigawatts, or in proportion, up to the cap.

    >>> [float(v) for v in released_gw(np.array([0.4, 1.2, 2.0, 12.0]), cap_gw=10, whole=True)]
    [0.0, 1.0, 2.0, 10.0]
    """
    level = np.minimum(np.asarray(accepted_gw, dtype=np.float64), cap_gw)
    return np.floor(level + 1e-9) if whole else level


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
