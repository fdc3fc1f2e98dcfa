"""When requests come: burstiness of gaps, and the shape of a day by region."""

from __future__ import annotations

from math import gamma, sqrt
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from gigawatt.core.errors import TraceError

Floats = npt.NDArray[np.float64]
Family = Literal["poisson", "gamma", "weibull"]
FAMILIES: tuple[Family, ...] = ("poisson", "gamma", "weibull")

DAY: tuple[float, ...] = (
    0.994, 1.002, 0.986, 0.936, 0.908, 0.883, 0.854, 0.817, 0.788, 0.868, 1.046, 1.106,
    0.971, 0.981, 1.047, 1.047, 1.109, 1.078, 1.04, 1.143, 1.133, 1.074, 1.103, 1.086,
)  # fmt: skip
"""Load of each local hour over the day's mean: means over 14 days of ServeGen's largest language model, Xiang et al.
2025, arXiv:2505.09999 (hours there count from local midnight). Judgement that other regions' days have this shape."""


def shape_of(family: Family, cv: float) -> float:
    """Shape k of gaps of mean 1 with a coefficient of variation.

        gamma: cv^2 = 1 / k        weibull: cv^2 = G(1 + 2/k) / G(1 + 1/k)^2 - 1

    Raises:
        TraceError: an unknown family, or a cv outside (0, 50]; Poisson gaps have 1.

    >>> shape_of("gamma", 2.0)
    0.25
    >>> round(shape_of("weibull", 1.0), 9)
    1.0
    """
    if family not in FAMILIES:
        raise TraceError(f"no family of gaps is called '{family}'; known are {', '.join(FAMILIES)}")
    if family == "poisson":
        if cv != 1.0:
            raise TraceError(f"Poisson gaps have a cv of 1, not {cv:g}; name gamma or weibull for others")
        return 1.0
    if not 0.0 < cv <= 50.0:
        raise TraceError(f"a cv of gaps of {cv:g}; above 0 and up to 50 is right")
    if family == "gamma":
        return 1.0 / cv**2

    def excess(k: float) -> float:
        return sqrt(gamma(1.0 + 2.0 / k) / gamma(1.0 + 1.0 / k) ** 2 - 1.0) - cv

    if cv < 0.02:
        raise TraceError(f"Weibull gaps with a cv of {cv:g} are as good as even; name gamma")
    return float(brentq(excess, 0.08, 80.0))


def first_gap(family: Family, shape: float, rng: np.random.Generator) -> float:
    """Time to the first arrival of a stream that has run for ever, mean gap 1: a drawn share of a length-biased gap.

    Source: Cox 1962, Renewal Theory, section 5.4.
    """
    share = rng.random()
    if family == "poisson":
        return float(rng.standard_exponential())
    if family == "gamma":
        return float(share * rng.standard_gamma(shape + 1.0) / shape)
    biased = rng.standard_gamma(1.0 + 1.0 / shape) ** (1.0 / shape)
    return float(share * biased / gamma(1.0 + 1.0 / shape))


def diurnal(mean_rate_per_s: float, *, utc_offset_h: float = 0.0, profile: npt.ArrayLike = DAY) -> Floats:
    """Rate in each part of a UTC day whose local shape is ``profile``, shifted by the time zone.

    Args:
        mean_rate_per_s: mean over the day.
        utc_offset_h: local time minus UTC; a fraction of a part is interpolated.
        profile: (k,) load in equal parts of the local day, any scale.

    >>> diurnal(10.0, utc_offset_h=12.0, profile=[1.0, 3.0]).tolist()
    [15.0, 5.0]
    """
    shape = np.asarray(profile, dtype=np.float64)
    if not len(shape) or not (shape >= 0.0).all() or not shape.sum() > 0.0:
        raise TraceError("a day's profile needs parts that are not negative and not all 0")
    local = np.arange(len(shape)) + utc_offset_h * len(shape) / 24.0
    low = np.floor(local).astype(np.int64)
    part = local - low
    moved = (1.0 - part) * shape[low % len(shape)] + part * shape[(low + 1) % len(shape)]
    return np.asarray(moved * (mean_rate_per_s / moved.mean()), dtype=np.float64)
