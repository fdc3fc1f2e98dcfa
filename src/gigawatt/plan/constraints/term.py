"""Capacity is held for its term: the contract's, or the economic life of what is owned."""

from __future__ import annotations

import xarray as xr

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import IT, Family, Words
from gigawatt.plan.signed import freed

TERM = Family("term", IT, Words("contract terms", "one {one} let go sooner", many=True))


def term(m: Model, d: PlanInputs, x: Decisions) -> None:
    """sum_{u<=q} retire[o,u] <= initial[o] + sum_{u<=q-term} add[o,u] + left early   [IT MW]

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
