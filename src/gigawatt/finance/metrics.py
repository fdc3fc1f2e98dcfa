"""What the books say: rate of return, cost of a token, what was sold, what goes in a circle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from gigawatt.finance.ledger import FUNDING_KINDS

Floats = npt.NDArray[np.float64]


def irr(flows: Floats) -> Floats:
    """Rate per period at which flows have no present value, along the last axis.

    nan unless money goes out first and comes back later, with one change of sign: else there is no rate, or several.

    Bisection on (-0.99, 10) over all rows at once, to 1e-12.

    >>> round(float(irr(np.array([-100.0, 60.0, 60.0]))), 6)
    0.130662
    """
    flows = np.atleast_2d(np.asarray(flows, dtype=np.float64))
    low, high = np.full(flows.shape[0], -0.99), np.full(flows.shape[0], 10.0)
    at_low, at_high = _value(low, flows), _value(high, flows)
    solvable = (np.sign(at_low) * np.sign(at_high) < 0) & _pays_back(flows)
    for _ in range(60):
        middle = 0.5 * (low + high)
        same = np.sign(_value(middle, flows)) == np.sign(at_low)
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    found = np.where(solvable, 0.5 * (low + high), np.nan)
    return np.asarray(found if found.size > 1 else found[0])


def _pays_back(flows: Floats) -> npt.NDArray[np.bool_]:
    """True where the flows that are not zero start negative and change sign once."""
    signs = [np.sign(row[row != 0.0]) for row in flows]
    return np.array([row.size > 0 and row[0] < 0 and int((np.diff(row) != 0).sum()) == 1 for row in signs])


def _value(rate: Floats, flows: Floats) -> Floats:
    """Present value at one rate a row, up to a positive factor: of either end, so that no power overflows."""
    n = flows.shape[1]
    grow = (1.0 + rate)[:, None]
    ahead = np.where(grow >= 1.0, -np.arange(n), np.arange(n)[::-1] * 1.0)
    return np.asarray((flows * grow**ahead).sum(axis=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """What an investor put into a party and what came back to it as revenue over the horizon [USD]."""

    investor: str
    invested_usd: float
    returned_usd: float

    @property
    def share(self) -> float:
        """Revenue that came back over money put in; nan where nothing was put in."""
        return self.returned_usd / self.invested_usd if self.invested_usd else float("nan")


def circularity(book: pd.DataFrame, party: str) -> list[Circle]:
    """Every investor in ``party`` with what it put in as equity and what ``party`` paid it for goods and services.

    Counts first-round flows only: what the investor's revenue does next is not followed.
    """
    into = book[(book["payee"] == party) & book["kind"].isin(["milestone-equity", "equity"])]
    spent = book[(book["payer"] == party) & ~book["kind"].isin(FUNDING_KINDS)]
    back = spent.groupby("payee")["usd"].sum()
    invested = into.groupby("payer")["usd"].sum()
    return [
        Circle(investor=str(name), invested_usd=float(usd), returned_usd=float(back.get(name, 0.0)))
        for name, usd in invested.items()
    ]


def levelised(cost: Floats, work: Floats, discount: Floats) -> float:
    """Present cost over present work: a level price per unit that pays the cost [USD per unit]; nan without work."""
    amount = float((work * discount).sum())
    return float((cost * discount).sum()) / amount if amount > 0 else float("nan")
