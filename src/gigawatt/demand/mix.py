"""Users and tiers to output tokens a second, and a day's mean to its blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from gigawatt.core.calendar import DAY_S

Floats = npt.NDArray[np.float64]


def tokens_per_s(
    weekly_users: Floats,
    tier_share: Mapping[str, float],
    requests_per_user_day: Mapping[str, float],
    output_tokens: float,
) -> dict[str, Floats]:
    """Mean output tokens a second by tier.

        users x share x requests a day x tokens / 86,400

    Args:
        weekly_users: (quarter).
        tier_share: share of weekly users in each tier.
        requests_per_user_day: requests per weekly user of the tier and day.
        output_tokens: mean generated tokens of a request.
    """
    return {
        tier: weekly_users * tier_share[tier] * rate * output_tokens / DAY_S
        for tier, rate in requests_per_user_day.items()
    }


def block_load(peak_to_mean: float, shapes: Sequence[float]) -> Floats:
    """Load of each block over the daily mean, 1 + shape (peak_to_mean - 1); never below zero.

    >>> [float(v) for v in block_load(2.0, [1.0, 0.1, -0.5])]
    [2.0, 1.1, 0.5]
    """
    load: Floats = 1.0 + np.asarray(shapes, dtype=np.float64) * (peak_to_mean - 1.0)
    return np.maximum(load, 0.0)
