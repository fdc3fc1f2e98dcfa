"""Contracts of capacity: terms, minimum takes, early exits and options."""

from __future__ import annotations

import numpy as np
import xarray as xr

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import IT, LESS, Family, Words
from gigawatt.plan.signed import freed, kept_until, owed_beyond

TERM = Family("term", IT, Words("contract terms", "one {one} let go sooner", many=True))
MINIMUM_TAKE = Family(
    "minimum_take", IT, Words("a contract's minimum take", LESS, first=True), missed="minimum takes", of_offers=True
)
TAKE_AFTER = Family(
    "take_after", IT, Words("minimum takes after the horizon", LESS, many=True, first=True), of_offers=True
)
EARLY_EXIT = Family("early_exit", IT, "what is given up was accepted, and goes once")
OPTION_SIZE = Family("option_size", IT, Words("the size of options"))
OPTION = Family("option", IT, Words("what stands under options without exercise"), of_offers=True)


def term(m: Model, d: PlanInputs, x: Decisions) -> None:
    """Capacity is held for its term: the contract's, or the economic life of what is owned.

    sum_{u<=q} retire[o,u] <= initial[o] + sum_{u<=q-term} add[o,u] + left early   [IT MW]

    Where a provider has failed there is no term left to keep.
    """
    retired = x.retire.cumsum("quarter")
    if (early := freed(d, x)) is not None:
        retired = retired - early
    stands = xr.ones_like(d.add_max_mw, dtype=bool) if d.terms.failed is None else ~d.terms.failed
    for length in sorted({int(n) for n in d.term_quarters.values}):
        has = (d.term_quarters == length) & (d.add_max_mw.max("quarter") > 0)
        m.add_rows(
            TERM.of(part=length), retired - x.accepted.shift("quarter", length), "<=", d.initial_mw, mask=has & stands
        )


def minimum_take(m: Model, d: PlanInputs, x: Decisions) -> None:
    """Capacity a contract makes the buyer hold, used or not: at one site, or in sum over the sites of an offer.

    stock[o,q] >= held[o,q] and sum_{o in k} stock[o,q] + short[k,q] >= take[k,q]   [IT MW]

    ``short`` exists where the contract is take-or-pay: its rent is owed all the same.
    """
    m.add_rows(MINIMUM_TAKE, x.stock, ">=", d.stock_min_mw, mask=d.stock_min_mw > 0)
    takes = d.terms.takes
    if takes is not None:
        held = x.stock.dot(takes.member, "offer") + x.short
        m.add_rows(MINIMUM_TAKE.of(part="sites"), held, ">=", takes.mw, mask=takes.mw > 0)


def take_after(m: Model, d: PlanInputs, x: Decisions) -> None:
    """A minimum take that runs beyond the horizon is owed there, less what signed capacity owes already.

    beyond[k,a] + sum_{o in k} sum_{u + term[o] >= N + a} (add[o,u] - left[o,u]) >= take[k,a]   [IT MW]

    a = 1, 2 ... counts quarters after the N of the horizon. ``beyond`` is charged the rent of its quarter.
    """
    takes = d.terms.takes
    if takes is None or takes.after_mw is None or (asked := owed_beyond(d)) is None:
        return
    owed, n = takes.after_mw, len(d.quarters)
    after, term = owed["after"].values.tolist(), d.term_quarters.values.astype(int)
    begun, steps = np.arange(n)[None, :, None], np.arange(1, len(after) + 1)[None, None, :]
    runs = xr.DataArray(
        (begun + term[:, None, None] >= n + steps).astype(float), dims=("offer", "signed", "after"),
        coords={"offer": d.term_quarters["offer"].values, "signed": list(d.quarters), "after": after},
    )  # fmt: skip
    stands = (kept_until(d, x).at("quarter", d.quarters[-1]).along("after", after, 2) * runs).sum("signed")
    m.add_rows(TAKE_AFTER, x.beyond + stands.dot(takes.member, "offer"), ">=", owed, mask=asked)


def early_exit(m: Model, d: PlanInputs, x: Decisions) -> None:
    """What is given up before its term ends was accepted, goes once, and goes for good: a fee alone changes no rent.

    sum_q left[o,u,q] <= add[o,u]   and   sum_u left[o,u,q] <= retire[o,q]   [IT MW]
    """
    if Decisions.left not in m:
        return
    offers = x.left.axes["offer"]
    held = kept_until(d, x).at("quarter", d.quarters[-1]).pick("offer", offers)
    m.add_rows(EARLY_EXIT, held, ">=", 0.0)
    m.add_rows(EARLY_EXIT.of(part="retired"), x.left.sum("signed") - x.retire.pick("offer", offers), "<=", 0.0)


def option(m: Model, d: PlanInputs, x: Decisions) -> None:
    """Capacity under option stands only once it has been exercised, with notice, against a premium.

    sum_{o in k} stock[o,q] <= firm[k] + sum_{u<=q-notice} exercised[k,u], and the sum <= most[k]   [IT MW]
    """
    terms = d.terms.options
    if terms is None:
        return
    taken = x.exercised.cumsum("quarter")
    m.add_rows(OPTION_SIZE, x.exercised.sum("quarter"), "<=", terms.most_mw)
    stands = x.stock.dot(terms.member, "offer")
    for steps in sorted({int(value) for value in terms.notice.values}):
        over = stands - taken.shift("quarter", steps)
        m.add_rows(OPTION.of(part=steps), over, "<=", terms.firm_mw, mask=terms.notice == steps)
