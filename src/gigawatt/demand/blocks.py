"""Blocks of a day from a year of hours: hours that are alike in demand, and in price where it is given, are one block.

The busiest hours stay a block of their own, so that no average hides the peak that capacity is built for. The others
are clustered by k-means on standardised columns (Lloyd 1982, seeded as by Arthur and Vassilvitskii 2007).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gigawatt.core.errors import TraceError

Floats = npt.NDArray[np.float64]

PEAK_FRAC = 1.0 / 24.0
"""Share of hours that are the peak unless said: an hour a day. Judgement, 0.01 to 0.2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundBlock:
    """A block: hours of a mean day, load over the year's mean, shape as scenarios write it, mean price or nan."""

    name: str
    hours: float
    load: float
    shape: float
    price: float


def blocks_of(
    demand: Floats, n: int, *, price: Floats | None = None, peak_frac: float = PEAK_FRAC, seed: int = 0
) -> tuple[tuple[FoundBlock, ...], float]:
    """(n blocks, the busiest first; peak over mean) that keep the year's mean and its peak hours.

    ``load = 1 + shape (peak_to_mean - 1)``, shape 1 at the peak, and hours x shape sum to 0.

    Args:
        demand: (hour,) in any unit, 0 or more.
        n: blocks, 2 or more.
        price: (hour,) in any unit, or None.
        peak_frac: share of hours that are the peak, above 0 and below 1.
        seed: of the clusters' first centres.

    Raises TraceError where the hours cannot be told apart or a figure cannot stand.
    """
    from scipy.cluster.vq import kmeans2

    columns = [demand] if price is None else [demand, price]
    for name, values in zip(("demand", "price"), columns, strict=False):
        wrong = np.flatnonzero(~np.isfinite(values) | ((values < 0.0) if name == "demand" else False))
        if wrong.size:
            raise TraceError(f"row {wrong[0] + 1:,}: {name} is {values[wrong[0]]:g}; a number of at least 0 is right")
    if len(demand) < 24 or n < 2 or not 0.0 < peak_frac < 1.0:
        raise TraceError(f"{len(demand):,} hours into {n} blocks: at least 24 hours and 2 blocks are right")
    order = np.argsort(-demand, kind="stable")
    n_peak = min(max(round(peak_frac * len(demand)), 1), len(demand) - 1)
    label = np.full(len(demand), -1, dtype=np.int64)
    label[order[:n_peak]] = 0
    rest = order[n_peak:]
    points = np.stack([values[rest] for values in columns], axis=1)
    spread = points.std(axis=0)
    points = points / np.where(spread > 0.0, spread, 1.0)
    if len(np.unique(points, axis=0)) < n - 1:
        raise TraceError(f"the hours beside the peak hold fewer than {n - 1} kinds; ask for fewer blocks")
    if n > 2:
        _, found = kmeans2(points, n - 1, minit="++", seed=seed, iter=100)
        label[rest] = 1 + found
    else:
        label[rest] = 1
    mean = float(demand.mean())
    kept = [k for k in range(n) if (label == k).any()]
    loads = {k: float(demand[label == k].mean()) / mean if mean > 0.0 else 0.0 for k in kept}
    if not mean > 0.0 or loads[0] <= 1.0:
        raise TraceError("demand is the same in every hour; one block of 24 hours says it")
    kept = [0, *sorted(kept[1:], key=lambda k: -loads[k])]
    peak_to_mean = loads[0]
    return tuple(
        FoundBlock(
            name="peak" if k == 0 else f"block-{place + 1}",
            hours=24.0 * float((label == k).mean()), load=loads[k], shape=(loads[k] - 1.0) / (peak_to_mean - 1.0),
            price=float(price[label == k].mean()) if price is not None else float("nan"),
        )
        for place, k in enumerate(kept)
    ), peak_to_mean  # fmt: skip
