"""A minimum take that runs beyond the horizon is owed there, less what signed capacity owes already."""

from __future__ import annotations

import numpy as np
import xarray as xr

from gigawatt.plan.algebra import Model
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.metadata import IT, LESS, Family, Words
from gigawatt.plan.signed import kept_until

TAKE_AFTER = Family(
    "take_after", IT, Words("minimum takes after the horizon", LESS, many=True, first=True), of_offers=True
)


def take_after(m: Model, d: PlanInputs, x: Decisions) -> None:
    """beyond[k,a] + sum_{o in k} sum_{u + term[o] >= N + a} (add[o,u] - left[o,u]) >= take[k,a]   [IT MW]

    a = 1, 2 ... counts quarters after the N of the horizon. ``beyond`` is charged the rent of its quarter.
    """
    takes = d.terms.takes
    if takes is None or takes.after_mw is None or takes.after_musd_per_mw is None:
        return
    owed, n = takes.after_mw, len(d.quarters)
    after, term = owed["after"].values.tolist(), d.term_quarters.values.astype(int)
    begun, steps = np.arange(n)[None, :, None], np.arange(1, len(after) + 1)[None, None, :]
    runs = xr.DataArray(
        (begun + term[:, None, None] >= n + steps).astype(float), dims=("offer", "signed", "after"),
        coords={"offer": d.term_quarters["offer"].values, "signed": list(d.quarters), "after": after},
    )  # fmt: skip
    stands = (kept_until(d, x).at("quarter", d.quarters[-1]).along("after", after, 2) * runs).sum("signed")
    asked = (owed > 0) & (takes.after_musd_per_mw > 0)
    m.add_rows(TAKE_AFTER, x.beyond + stands.dot(takes.member, "offer"), ">=", owed, mask=asked)
