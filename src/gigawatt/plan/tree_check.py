"""A plan of the tree held against the plan of each case: rows, bounds and cost of its own model, without a solver.

The model of a case is built from its inputs alone, by the code that plans a single case. Nothing of the rows that the
tree merges is read, so a row that merging lost or mixed up shows here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gigawatt.plan.extensive import MISSED_MUSD, Extensive

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Worst of all cases: ``violation`` of a row or bound relative to 1 + the size of that, where, and ``cost_error``.

    ``where`` names the case and the row or decision. ``cost_error`` is by how much the cost of a case is not that of
    its own model, with what it misses at its price, relative to 1 + the cost.
    """

    violation: float
    where: str
    cost_error: float


def check(whole: Extensive, x: Floats) -> Checked:
    """The plan ``x`` of the whole tree (column) in the model of every case.

    A row that may be missed may be so from below, as far as the plan says it misses it.
    """
    worst, where, error, costs = 0.0, "", 0.0, whole.costs(x)
    for i, (leaf, model, misses) in enumerate(zip(whole.leaves, whole.models, whole.misses, strict=True)):
        plan = whole.plan(x, i)
        blocks = list(model.constraints.values())
        value = np.concatenate([rows.matrix @ plan for rows in blocks])
        missed = np.where(misses >= 0, x[np.maximum(misses, 0)], 0.0)
        low, high = (np.concatenate([getattr(rows, key) for rows in blocks]) for key in ("lower", "upper"))
        of_rows = _beyond(value + missed, low, high)
        of_bounds = _beyond(plan, np.concatenate(model.lower), np.concatenate(model.upper))
        for amounts, names in ((of_rows, model.row_names), (of_bounds, model.column_names)):
            if amounts.max(initial=0.0) > worst:
                worst = float(amounts.max())
                where = f"{names()[int(amounts.argmax())]} of '{leaf.name}'"
        on_path = np.unique(misses[misses >= 0])
        own = float(model.cost @ plan) + model.constant + MISSED_MUSD * float(x[on_path].sum())
        error = max(error, abs(own - float(costs[i])) / (1.0 + abs(own)))
    return Checked(violation=worst, where=where, cost_error=error)


def _beyond(value: Floats, low: Floats, high: Floats) -> Floats:
    under = (low - value) / (1.0 + np.abs(np.where(np.isfinite(low), low, 0.0)))
    over = (value - high) / (1.0 + np.abs(np.where(np.isfinite(high), high, 0.0)))
    return np.asarray(np.maximum(np.maximum(under, over), 0.0))
