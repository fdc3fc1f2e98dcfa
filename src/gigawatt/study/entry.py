"""The price at which something that a plan leaves out would enter it: found by planning again at other prices."""

from __future__ import annotations

import math

import numpy as np

from gigawatt.core.calendar import HOUR_S, YEAR_S
from gigawatt.core.errors import InfeasibleError
from gigawatt.plan.session import PlanSession
from gigawatt.study.change import OfferPrice, apply
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.resolve import Case, OfferCase

A_LITTLE_MW = 0.02
"""IT MW forced in to guess a price: little, as each further MW costs more."""
PRECISION = 2.5e-4
"""Share of a price to which it is found."""
ENOUGH_FRAC = 1e-3
"""Share of all that is accepted above which an offer counts as chosen; 1 kW at the least."""
DIGITS = 4
"""Digits to which a price is said, rounded down: at what is said it enters."""


def enough_mw(accepted_mw: float) -> float:
    """IT MW accepted over the horizon above which an offer counts as chosen, of all that is accepted."""
    return max(1e-3, ENOUGH_FRAC * accepted_mw)


def has_room(session: PlanSession, offers: tuple[OfferCase, ...]) -> bool:
    """Whether a plan exists with a little more of some offers."""
    return _forced_musd(session, offers) is not None


def entering_share(case: Case, session: PlanSession, offers: tuple[OfferCase, ...]) -> float | None:
    """Share of its price or rent at which a plan takes some of an offer; None where it takes none as a gift.

    At a share that is less by ``PRECISION`` it enters, at one that is more by it it does not: both are planned. All
    that a price touches goes with it: network, upkeep, salvage and resale, rents of its term, and the account. A guess
    comes from the cost of plans with a little of it forced in, at its price and as a gift.

    Args:
        case: what is planned.
        session: a plan of the case, solved, that takes none of it.
        offers: one offer of the scenario at its sites, or at some of them.
    """
    if not _enters(case, session, offers, 0.0):
        return None
    low, high, guess = 0.0, 1.0, _guess(case, session, offers)
    probes = [guess * (1.0 - PRECISION), guess * (1.0 + PRECISION)]
    while high - low > 2.001 * PRECISION * high:
        probe = next((each for each in probes if low < each < high), (low + high) / 2.0)
        if _enters(case, session, offers, probe):
            low = probe
        else:
            high = probe
    return low


def price_text(offer: OfferCase, share: float | None = None) -> str:
    """An offer's price or rent in the unit it is written in, or a share of it, rounded down: "$152,600 a server"."""
    row, price = offer.offer, offer.offer.price or offer.system.price
    if row.contract == "own" and price is not None:
        return f"{_usd(_cut(price.value, share))} a {offer.system.unit}"
    if row.terms.saving is not None:
        return f"{1.0 - (1.0 - row.terms.saving.value) * (1.0 if share is None else share):.2%} less than owning"
    if row.rent is not None:
        return f"{_usd(_cut(row.rent.value * YEAR_S, share))} a watt and year"
    assert row.rent_per_package_hour is not None
    return f"{_usd(_cut(row.rent_per_package_hour.value * HOUR_S, share))} a package and hour"


def _usd(value: float) -> str:
    """Dollars with the digits they have, cents in full: $1.60, $1.484, $152,600."""
    text = f"{value:,.10g}"
    return f"${value:,.2f}" if len(text.partition(".")[2]) < 2 and value < 100.0 else f"${text}"


def _cut(value: float, share: float | None) -> float:
    """A figure as it is, or a share of it cut to ``DIGITS`` digits; what is whole to the last of them stays."""
    if share is None or value * share <= 0.0:
        return round(value, 6) if share is None else 0.0
    unit = 10.0 ** (math.floor(math.log10(value * share)) + 1 - DIGITS)
    return round(math.floor(value * share / unit + 1e-6) * unit, 9)


def _at(offers: tuple[OfferCase, ...], share: float) -> list[OfferPrice]:
    """Offers at a share of their price or rent."""
    return [OfferPrice(id=offer.id, share=share) for offer in offers]


def _enters(case: Case, session: PlanSession, offers: tuple[OfferCase, ...], share: float) -> bool:
    """Whether the plan takes some at a share of the price: more than takes the place of what stands under it."""
    ids = [row.id for row in offers]
    stood = float(session.live.value("stock").sel(offer=ids).sum())
    with session.trial():
        session.change(plan_inputs(apply(case, _at(offers, share))))
        plan = session.solve(explain=False)
    accepted, stands = plan.value("add").sum("quarter"), float(plan.value("stock").sel(offer=ids).sum())
    enough = enough_mw(float(accepted.sum()))
    return float(accepted.sel(offer=ids).sum()) > enough and stands - stood > enough


def _guess(case: Case, session: PlanSession, offers: tuple[OfferCase, ...]) -> float:
    """Share of its price at which a little of it costs nothing, on a straight line between its price and a gift."""
    dear = _forced_musd(session, offers)
    with session.trial():
        session.change(plan_inputs(apply(case, _at(offers, 0.0))))
        gift = _forced_musd(session, offers)
    if dear is None or gift is None or dear <= gift:
        return 0.5
    return float(np.clip((session.live.objective_musd - gift) / (dear - gift), 0.0, 1.0))


def _forced_musd(session: PlanSession, offers: tuple[OfferCase, ...]) -> float | None:
    """Cost of the plan with a little of some offers forced in [MUSD]; None where that has no room."""
    model = session.live.model
    add, ids = model.variables["add"], {row.id for row in offers}
    columns = add.columns[np.array([str(name) in ids for name in add.axes["offer"]])]
    row = np.zeros(model.n_columns)
    row[columns[columns >= 0]] = 1.0
    with session.trial():
        session.add_row(row, A_LITTLE_MW, np.inf)
        try:
            return session.solve(explain=False).objective_musd
        except InfeasibleError:
            return None
