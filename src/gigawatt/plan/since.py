"""Capacity that is new since a date, counted once: what rights are shares of, milestones of a later signing count, and
an event delays.

What was bought counts for good. Of what is rented, giving up and renting again is nothing new: whoever must reach
something counts at most what was accepted since, and of that what stands; whoever is held back counts at least what
stands beyond what stood before the date.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.plan.algebra import Expression, Model, axes_of
from gigawatt.plan.decisions import Decisions
from gigawatt.plan.metadata import IT, Family

if TYPE_CHECKING:
    from gigawatt.plan.inputs import PlanInputs, RightRow

Floats = npt.NDArray[np.float64]
COUNTED = Family("counted", IT, "what counts was bought or stands")
MILESTONES, DELIVERY = "milestones", "delivery"
"""Labels of what milestones count, and of what a delay holds back: no right is written so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dated:
    """Whose capacity counts from the quarter at place ``start`` on: (offer) True where it must reach something
    (``reaches``), and where it is held back (``held_back``).
    """

    label: str
    start: int
    reaches: xr.DataArray
    held_back: xr.DataArray


def label_of(right: RightRow) -> str:
    """Label of a right."""
    return f"right {right.id}"


def dated(d: PlanInputs) -> Iterator[Dated]:
    """Everything that counts rented capacity from a date on; milestones from the start count like commitments."""
    rented = d.offer_contract != "own"
    for row in d.rights:
        yield Dated(
            label=label_of(row), start=d.quarters.index(row.quarters[0]), reaches=rented & (row.held > 0),
            held_back=rented & (row.held == 0) & (row.base > 0),
        )  # fmt: skip
    if d.terms.late is not None:
        waits = rented & (d.commitment_weight > 0).any("commitment")
        yield Dated(label=DELIVERY, start=d.terms.late.start, reaches=rented & False, held_back=waits)
    terms = d.milestones
    if terms is not None and (start := d.quarters.index(terms.from_quarter)) > 0:
        yield Dated(label=MILESTONES, start=start, reaches=rented & (terms.counts > 0), held_back=rented & False)


def add_since(m: Model, d: PlanInputs) -> None:
    """Rented IT MW that count since a date (since, offer, quarter), where any do."""
    rows = list(dated(d))
    if not rows:
        return
    places = xr.DataArray(np.arange(len(d.quarters)), dims="quarter", coords={"quarter": list(d.quarters)})
    comes = d.add_max_mw.cumsum("quarter") > 0
    masks = [(row.reaches | row.held_back) & (places >= row.start) & comes for row in rows]
    labels = tuple(row.label for row in rows)
    mask = xr.concat(masks, dim="since").assign_coords(since=list(labels)).transpose("since", "offer", "quarter")
    m.add_variable(Decisions.since, {"since": labels, **axes_of(d.add_max_mw)}, mask=mask)


def count_since(m: Model, d: PlanInputs, x: Decisions) -> None:
    """new[q] <= sum_{start<=u<=q} add[u] and new[q] <= stock[q]   [IT MW]

    Of who is held back: new[q] >= stock[q] - stock[start-1].
    """
    for row in dated(d):
        new = x.since.at("since", row.label)
        places = xr.DataArray(
            np.arange(len(d.quarters)) >= row.start, dims="quarter", coords={"quarter": list(d.quarters)}
        )
        m.add_rows(
            COUNTED.of("added", part=row.label),
            new - _after(x.accepted, d, row.start),
            "<=",
            0.0,
            mask=row.reaches & places,
        )
        m.add_rows(COUNTED.of("stands", part=row.label), new - x.stock, "<=", 0.0, mask=row.reaches & places)
        stood = (d.initial_mw if row.start == 0 else d.initial_mw * 0.0).expand_dims(quarter=list(d.quarters), axis=1)
        grown = new - _after(x.stock, d, row.start)
        m.add_rows(COUNTED.of("grown", part=row.label), grown, ">=", -stood, mask=row.held_back & places)


def new_since(d: PlanInputs, x: Decisions, label: str, start: int) -> Expression:
    """IT MW by offer and quarter that count since a date; of quarters before it nothing is meant."""
    bought = _after(x.accepted, d, start) * (d.offer_contract == "own").astype(float)
    return bought + x.since.at("since", label)


def counted_mw(owned: npt.NDArray[np.bool_], accepted: Floats, stock: Floats, start: int = 0) -> Floats:
    """IT MW that count from the quarter at place ``start`` on, 0 before: the solved twin of what must reach something.

    Args:
        owned: (offer)
        accepted: (..., offer, quarter) since the start of the horizon, and ``stock`` what stands.
        stock: see above.
        start: place of the first quarter that counts.
    """
    before = accepted[..., start - 1 : start] if start else 0.0
    new = accepted - before
    found = np.where(owned[:, None], new, np.minimum(new, stock))
    found[..., :start] = 0.0
    return np.asarray(found)


def _after(values: Expression, d: PlanInputs, start: int) -> Expression:
    """Cells less those of the quarter before ``start``."""
    if start == 0:
        return values
    return values - values.at("quarter", d.quarters[start - 1]).along("quarter", d.quarters, 1)
