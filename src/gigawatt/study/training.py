"""Training of a case: rates of compute, and blocks of work that are due by a deadline."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from gigawatt.core.calendar import QUARTER_S
from gigawatt.core.errors import ScenarioError
from gigawatt.demand.growth import series
from gigawatt.plan.pace import Pace
from gigawatt.study.resolve import Case, ClassCase, dated
from gigawatt.study.scenario import Trained

Floats = npt.NDArray[np.float64]


def training_rate(case: Case, row: Trained) -> Floats:
    """FLOP/s that a training class asks for, an amount at an even rate over its window (quarter)."""
    if row.rate:
        return series(dated(row.rate), case.quarters)
    assert row.amount and row.start and row.deadline
    quarters = np.asarray(case.quarters)
    running = (quarters >= row.start.value) & (quarters <= row.deadline.value)
    length = row.deadline.value - row.start.value + 1
    return np.where(running, row.amount.value / (length * QUARTER_S), 0.0)


def is_steady(item: ClassCase) -> bool:
    """Whether a class is a block of work that keeps one rate from its start to its deadline."""
    return isinstance(item.row, Trained) and item.row.amount is not None and item.row.spread == "even"


def asked_rate(case: Case, item: ClassCase) -> Floats:
    """FLOP/s of demand: the even rate, or for a block that may be spread freely the earliest its pace allows (quarter).

    Of a window that reaches beyond the horizon, the even share of the quarters within it.
    """
    assert isinstance(item.row, Trained)
    even = training_rate(case, item.row)
    if item.row.spread == "even":
        return even
    done = np.minimum(np.cumsum(_most(case, item)), even.sum())
    return np.diff(done, prepend=0.0)


def _most(case: Case, item: ClassCase) -> Floats:
    """FLOP/s that a block of free spread can do at most (quarter); 0 outside its window."""
    row = item.row
    assert isinstance(row, Trained)
    even = training_rate(case, row)
    if row.most is not None:
        most = row.most.value
    elif row.gang is not None:
        points = [case.training[offer.system.id, item.id] for offer in case.offers]
        most = row.gang.value * max(
            (point.effective_flops / point.it_power_w for point in points if point.is_served), default=0.0
        )
    else:
        most = float(even.sum())
    return np.where(even > 0.0, most, 0.0)


def pace_of(case: Case) -> Pace | None:
    """Blocks of free spread as the planner reads them [EFLOP/s]; None where there is none.

    Raises ScenarioError where a block cannot be done by its deadline at its most.
    """
    jobs = [item for item in case.classes if isinstance(item.row, Trained) and item.row.spread == "free"]
    if not jobs:
        return None
    most, carry = [], []
    for item in jobs:
        assert isinstance(item.row, Trained)
        due, able = float(training_rate(case, item.row).sum()), _most(case, item)
        if due > able.sum() * (1 + 1e-9):
            what = f"most of {item.row.most.text}" if item.row.most else f"gang of {item.row.gang.text}"  # type: ignore[union-attr]
            raise ScenarioError(
                f"{case.scenario.where}: demand.training: '{item.id}' needs {due * QUARTER_S:.3g} FLOP by its "
                f"deadline, but its {what} does {able.sum() * QUARTER_S:.3g} FLOP in its window; write a larger one, "
                "or a later deadline"
            )
        before = able > 0.0
        before[np.flatnonzero(before).max(initial=0) :] = False
        most.append(able / 1e18)
        carry.append(np.where(before, np.inf, 0.0))
    axes = {"job": [item.id for item in jobs], "quarter": list(case.labels)}
    return Pace(
        most=xr.DataArray(np.array(most), dims=("job", "quarter"), coords=axes),
        carry=xr.DataArray(np.array(carry), dims=("job", "quarter"), coords=axes),
    )
