"""Blocks of a day from a year of hours: hours that are alike in demand, and in price where it is given, are one block.

The busiest hours stay a block of their own, so that no average hides the peak that capacity is built for. The others
are clustered by k-means on standardised columns (Lloyd 1982, seeded as by Arthur and Vassilvitskii 2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gigawatt.core.calendar import DAY_H
from gigawatt.core.errors import TraceError

Floats = npt.NDArray[np.float64]

PEAK_FRAC = 1.0 / 24.0
"""Share of hours that are the peak unless said: an hour a day. Judgement, 0.01 to 0.2."""
MOST_PEAK_FRAC = 0.5
"""More of the year is no peak; up to here the rest in one block lies no further below the mean than the peak above."""
LEAST_SHAPE = -1.0
"""A scenario's blocks lie at most as far below the mean as their peak lies above it."""
STARTS = 20
"""Searches for clusters of which the tightest is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundBlock:
    """A block: hours of a mean day, load over the year's mean, shape as scenarios write it, mean price or nan.

    ``clock_h`` is the mean time of day of its hours, around the clock.
    """

    name: str
    hours: float
    load: float
    shape: float
    price: float
    clock_h: float


def blocks_of(
    demand: Floats,
    n: int,
    *,
    price: Floats | None = None,
    peak_frac: float = PEAK_FRAC,
    seed: int = 0,
    clock_h: Floats | None = None,
) -> tuple[tuple[FoundBlock, ...], float]:
    """(up to n blocks in the order of the clock; peak over mean) that keep the year's mean and its peak hours.

    ``load = 1 + shape (peak_to_mean - 1)``, shape 1 at the peak, and hours x shape sum to 0. Where the quietest block
    lies further below the mean than the peak above it, which a scenario does not take, it is joined with the next.

    Args:
        demand: (hour,) in any unit, 0 or more.
        n: blocks, 2 or more.
        price: (hour,) in any unit, or None.
        peak_frac: share of hours that are the peak, above 0 and up to ``MOST_PEAK_FRAC``.
        seed: of the clusters' first centres.
        clock_h: (hour,) time of day at which each begins; without, the first is that from 0:00.

    Raises TraceError where the hours cannot be told apart or a figure cannot stand.
    """
    _stand(demand, n, price, peak_frac)
    label = _labels(demand, n, price, peak_frac, seed)
    mean = float(demand.mean())
    if not mean > 0.0 or float(demand[label == 0].mean()) <= mean:
        raise TraceError("demand is the same in every hour; one block of 24 hours says it")
    peak_to_mean = float(demand[label == 0].mean()) / mean
    while True:
        kept = [k for k in range(n) if (label == k).any()]
        loads = {k: float(demand[label == k].mean()) / mean for k in kept}
        quiet = sorted(kept[1:], key=lambda k: loads[k])
        if (loads[quiet[0]] - 1.0) / (peak_to_mean - 1.0) >= LEAST_SHAPE - 1e-9 or len(quiet) == 1:
            break
        label[label == quiet[0]] = quiet[1]
    begins = np.arange(len(demand)) if clock_h is None else clock_h
    clock = {k: _clock(begins[label == k]) for k in kept}
    ordered = sorted(kept, key=lambda k: clock[k])
    return tuple(
        FoundBlock(
            name="peak" if k == 0 else f"block-{place + 1}", hours=DAY_H * float((label == k).mean()), load=loads[k],
            shape=max(LEAST_SHAPE, (loads[k] - 1.0) / (peak_to_mean - 1.0)), clock_h=clock[k],
            price=float(price[label == k].mean()) if price is not None else float("nan"),
        )
        for place, k in enumerate(ordered)
    ), peak_to_mean  # fmt: skip


def _stand(demand: Floats, n: int, price: Floats | None, peak_frac: float) -> None:
    """Raises TraceError, naming what cannot stand."""
    for name, values in (("demand", demand), ("price", price)):
        if values is None:
            continue
        wrong = np.flatnonzero(~np.isfinite(values) | ((values < 0.0) if name == "demand" else False))
        if wrong.size:
            right = "a number of at least 0" if name == "demand" else "a number"
            raise TraceError(f"row {wrong[0] + 1:,}: {name} is {values[wrong[0]]:g}; {right} is right")
    if not 0.0 < peak_frac <= MOST_PEAK_FRAC:
        raise TraceError(
            f"the peak is {peak_frac:g} of the hours; a share above 0 and up to {MOST_PEAK_FRAC:g} is right, "
            "0.04 for an hour a day"
        )
    if len(demand) < DAY_H or n < 2:
        raise TraceError(f"{len(demand):,} hours into {n} blocks: at least 24 hours and 2 blocks are right")


def _labels(demand: Floats, n: int, price: Floats | None, peak_frac: float, seed: int) -> npt.NDArray[np.int64]:
    """(hour) block of each: 0 the busiest hours, 1 to n - 1 clusters of the others."""
    columns = [demand] if price is None else [demand, price]
    order = np.argsort(-demand, kind="stable")
    n_peak = min(max(round(peak_frac * len(demand)), 1), len(demand) // 2)
    label = np.zeros(len(demand), dtype=np.int64)
    rest = order[n_peak:]
    points = np.stack([values[rest] for values in columns], axis=1)
    spread = points.std(axis=0)
    points = points / np.where(spread > 0.0, spread, 1.0)
    if len(np.unique(points, axis=0)) < n - 1:
        raise TraceError(f"the hours beside the peak hold fewer than {n - 1} kinds; ask for fewer blocks")
    label[rest] = 1
    if n > 2:
        label[rest] = 1 + _clusters(points, n - 1, seed)
    return label


def _clusters(points: Floats, n: int, seed: int) -> npt.NDArray[np.int64]:
    """(hour,) cluster of each, the tightest of ``STARTS`` searches: one alone ends near where it began.

    A search that leaves a cluster empty does not count; the first one does where all do.
    """
    from scipy.cluster.vq import ClusterError, kmeans2

    best, least = None, np.inf
    for start in range(STARTS):
        try:
            centre, label = kmeans2(points, n, minit="++", seed=seed + start, iter=100, missing="raise")
        except ClusterError:
            continue
        spread = float(((points - centre[label]) ** 2).sum())
        if spread < least * (1.0 - 1e-9):
            best, least = label, spread
    if best is None:
        best = kmeans2(points, n, minit="++", seed=seed, iter=100)[1]
    return np.asarray(best, dtype=np.int64)


def _clock(hours: npt.NDArray[Any]) -> float:
    """Mean time of day of hours by their beginnings, around the clock [h].

    >>> round(_clock(np.array([23, 24])), 6)  # from 23:00 to 1:00
    0.0
    """
    turn = np.exp(2j * np.pi * (hours % DAY_H + 0.5) / DAY_H).mean()
    return round(float(np.angle(turn)) * DAY_H / (2.0 * np.pi), 9) % DAY_H
