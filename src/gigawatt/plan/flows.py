"""Money, declared once: prices on amounts of the plan, who pays whom for them, and what is worth something at the end.

Cash row, objective, books, and the money of replays and of leaves of a tree are sums of price times amount. What an
amount is says ``amounts.AMOUNTS``; what it costs say ``Rate`` and ``EndValue`` rows of the inputs, and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from gigawatt.plan.algebra import Expression

Numbers = Mapping[str, Sequence[xr.DataArray]]
"""Amounts as numbers by name: each the sum of arrays over some of its axes, and over ``draw`` where there are draws."""
What = Literal["salvage", "owed", "charged", "vested"]
ENDS: dict[What, str] = {
    "salvage": "worth of what stands, and deposits that come back",
    "owed": "what contracts ask for after the horizon",
    "charged": "of what is owed all but what its use is worth then",
    "vested": "worth of shares, which is never cash",
}
"""What is worth or owed something at the end of the horizon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A price: what a unit of an amount costs the buyer in a quarter, and for what.

    kind: of ``finance.ledger.ACCOUNTS``. on: name of the amount. musd: MUSD a unit, over axes of the amount and the
    quarter; inf where the amount cannot be decided. party: who is paid, or who pays where ``received``. memo: what for.
    Both are one text, or labels along an axis of the amount or the price.
    """

    kind: str
    on: str
    musd: xr.DataArray
    party: str | xr.DataArray = ""
    memo: str | xr.DataArray = ""
    received: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EndValue:
    """What a unit of an amount leaves at the end of the horizon, discounted to the start: ``musd`` over its axes."""

    what: What
    on: str
    musd: xr.DataArray


Priced = Rate | EndValue
MINIMISED: dict[What, float] = {"salvage": -1.0, "charged": 1.0, "vested": -1.0}
"""Values at the end that are part of what the plan minimises, and their sign in it."""
SALES = "sales"
"""What work is sold for: cash, and no part of what is minimised, where the value of work not served stands instead."""


def finite(price: xr.DataArray) -> xr.DataArray:
    """Prices with 0 where there is no right: nothing can be decided there."""
    return price.where(price < np.inf, 0.0) if np.isinf(price.values).any() else price


def _signed(row: Priced) -> xr.DataArray:
    return -row.musd if isinstance(row, Rate) and row.received else row.musd


def price_on(rows: Iterable[Priced], on: str, axes: Collection[Hashable] | None = None) -> xr.DataArray | None:
    """What a unit of an amount costs by all rows together, less what is received for it; None where none is on it.

    Where ``axes`` are given, prices of a row along other ones are added up: the buyer pays every one of them.
    """
    whole: xr.DataArray | None = None
    for row in rows:
        if row.on == on:
            price = _signed(row)
            if axes is not None:
                price = price.sum([dim for dim in price.dims if dim not in axes])
            whole = price if whole is None else whole + price
    return whole


def ending(ends: Iterable[EndValue], *kinds: What) -> list[EndValue]:
    """Values at the end of some kinds."""
    return [end for end in ends if end.what in kinds]


def costs(rates: Iterable[Rate]) -> tuple[Rate, ...]:
    """Rates that are part of what the plan minimises: all but sales."""
    return tuple(rate for rate in rates if rate.kind != SALES)


def priced(amount: Expression, price: xr.DataArray, *keep: str) -> Expression:
    """Price times amount, summed over all axes but those kept; an axis of the price alone spreads the amount."""
    for dim in price.dims:
        if dim not in amount.axes:
            amount = amount.along(str(dim), price[dim].values.tolist(), len(amount.axes))
    return amount.sum(*(dim for dim in amount.axes if dim not in keep), weight=finite(price))


def money(rows: Sequence[Priced], amounts: Numbers, *keep: str) -> xr.DataArray:
    """The same of numbers: MUSD over the axes kept, as far as any amount has them."""
    total = xr.DataArray(0.0)
    for on in dict.fromkeys(row.on for row in rows):
        for part in amounts.get(on, ()):
            price = price_on(rows, on, (*part.dims, *keep))
            assert price is not None
            total = total + dot(part, finite(price), *keep)
    return total


def dot(part: xr.DataArray, price: xr.DataArray, *keep: str) -> xr.DataArray:
    """Product of two arrays summed over all axes but those kept."""
    over = [dim for dim in dict.fromkeys((*part.dims, *price.dims)) if dim not in keep]
    product: xr.DataArray = xr.dot(part, price, dim=over)
    return product


def booked(rates: Iterable[Rate], amounts: Numbers) -> Iterator[tuple[Rate, str, str, xr.DataArray]]:
    """(rate, party, memo, MUSD by quarter) of every label of every rate whose amount is there."""
    for rate in rates:
        labels = [text for text in (rate.memo, rate.party) if isinstance(text, xr.DataArray)]
        axis = [str(dim) for dim in labels[0].dims] if labels else []
        for part in amounts.get(rate.on, ()):
            musd = dot(part, finite(rate.musd), *axis, "quarter")
            if not axis or axis[0] not in musd.dims:  # of all labels together
                party, memo = ("" if isinstance(text, xr.DataArray) else text for text in (rate.party, rate.memo))
                yield rate, party, memo, musd
                continue
            for label in labels[0][axis[0]].values.tolist():
                party, memo = (
                    str(text.sel({axis[0]: label}).item()) if isinstance(text, xr.DataArray) else text
                    for text in (rate.party, rate.memo)
                )
                yield rate, party, memo, musd.sel({axis[0]: label})
