"""How right predictions are: errors of groups of rows, which chip is ahead, and rows served on two kinds of replica.

Ranking. For one model, class of stored weights (16, 8, 4 bits), backend and pair of lengths, each chip has a curve of
throughput a package over speed a user, over all its layouts and versions::

    speed = 1 / TPOT        rate = n o / (TTFT + o TPOT) / packages        n requests in flight, o output tokens

Only points with no other both faster and higher stay; between them log rate is linear in log speed. Two chips are
compared at speeds a quarter of an octave apart, wherever all four curves (two measured, two predicted) exist. A
comparison is right where the prediction puts the same chip ahead as the measurement does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gigawatt.catalog.load import Catalog
from gigawatt.perf.fit_inference import Fitted, measured_of
from gigawatt.perf.inference import served
from gigawatt.perf.operators import Floats, Pass, stacked
from gigawatt.perf.rows import MEASURED, point_of

if TYPE_CHECKING:
    import pandas as pd

    from gigawatt.perf.calibrate import InferenceFit

_STEPS_AN_OCTAVE = 4
APART = 1.1  # chips whose measured rates differ by more than a tenth are clearly apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Of a group of rows: medians of measured and predicted, and of predicted over measured less one."""

    rows: int
    measured: float
    predicted: float
    bias: float
    median: float
    p80: float
    within: float  # share of rows within a fifth


def errors_of(predicted: Floats, measured: Floats) -> Errors:
    """Errors of a group of at least one row."""
    error = predicted / measured - 1.0
    size = np.abs(error)
    return Errors(
        rows=len(error), measured=float(np.median(measured)), predicted=float(np.median(predicted)),
        bias=float(np.median(error)), median=float(np.median(size)), p80=float(np.quantile(size, 0.8)),
        within=float(np.mean(size <= 0.2)),
    )  # fmt: skip


# ------------------------------------------------------------------ ranking


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """Two chips at equal setting: how often compared, how often rightly, and the same where they are clearly apart.

    ``naive`` is how often the chip with more memory bandwidth a package is measured ahead: what no model is needed for.
    ``advantage`` is, for each comparison, the predicted over the measured ratio of the two rates.
    """

    pair: tuple[str, str]
    setting: str
    compared: int
    right: int
    apart: int
    right_apart: int
    naive: int
    advantage: tuple[float, ...]


Curve = tuple[Floats, Floats]  # log speed, rising, and log rate, falling


def frontier(speed: Floats, rate: Floats) -> Curve:
    """Points that no other beats in both, as logarithms, by speed."""
    order = np.lexsort((-rate, -speed))
    rising = np.maximum.accumulate(rate[order])
    kept = order[np.concatenate([[True], rising[1:] > rising[:-1]])][::-1]
    return np.log(speed[kept]), np.log(rate[kept])


def rate_per_package(in_flight: Floats, output: Floats, tpot_s: Floats, ttft_s: Floats, packages: Floats) -> Floats:
    """Output tokens a second of one package under a steady load (Little's law)."""
    return np.asarray(in_flight * output / (ttft_s + output * tpot_s) / packages)


def ranking(found: InferenceFit, predicted: tuple[Floats, Floats], without: tuple[str, ...] = ()) -> tuple[Duel, ...]:
    """Every pair of chips in every setting that has both, measured against ``predicted`` (TPOT, TTFT) [s]."""
    rows, measured = found.rows, found.measured
    work = measured.work
    tp, pp, dp = (np.asarray(value, dtype=np.float64) for value in (work.tp, work.pp, work.dp))

    def points(tpot: Floats, ttft: Floats) -> tuple[Floats, Floats]:
        return 1.0 / tpot, rate_per_package(measured.batch * dp, measured.output, tpot, ttft, tp * pp * dp)

    seen, told = points(measured.tpot_s, measured.ttft_s), points(*predicted)
    width = np.asarray(work.expert_bytes)
    bits = np.where(width < 0.7, "4 bit", np.where(width < 1.9, "8 bit", "16 bit"))
    columns = (rows["model_id"], bits, rows["backend"], rows["isl"], rows["osl"])
    settings = np.array([", ".join(map(str, row)) for row in zip(*columns, strict=True)])
    bandwidth = np.broadcast_to(np.asarray(work.bandwidth, dtype=np.float64), measured.system.shape)
    widths = {str(name): float(bandwidth[measured.system == name][0]) for name in np.unique(measured.system)}
    duels: list[Duel] = []
    for setting in np.unique(settings):
        here = settings == setting
        chips = [str(name) for name in np.unique(measured.system[here]) if name not in without]
        curves = {
            name: [frontier(*(axis[here & (measured.system == name)] for axis in pair)) for pair in (seen, told)]
            for name in chips
        }
        for one, other in combinations(chips, 2):
            counted = _compared(*curves[one], *curves[other], wider=widths[one] >= widths[other])
            if counted is not None:
                duels.append(Duel(pair=(one, other), setting=str(setting), **counted))
    return tuple(duels)


def _compared(seen: Curve, told: Curve, other_seen: Curve, other_told: Curve, *, wider: bool) -> dict[str, Any] | None:
    curves = (seen, told, other_seen, other_told)
    step = np.log(2.0) / _STEPS_AN_OCTAVE
    low, high = max(curve[0][0] for curve in curves), min(curve[0][-1] for curve in curves)
    at = step * np.arange(np.ceil(low / step), np.floor(high / step) + 1.0)
    if not len(at):
        return None
    mine, told_mine, its, told_its = (np.interp(at, *curve) for curve in curves)
    right = (mine > its) == (told_mine > told_its)
    apart = np.abs(mine - its) > np.log(APART)
    naive = (mine > its) == wider
    return {
        "compared": len(at), "right": int(right.sum()), "apart": int(apart.sum()),
        "right_apart": int((right & apart).sum()), "naive": int(naive.sum()),
        "advantage": tuple(float(one) for one in np.exp(told_mine - told_its - mine + its)),
    }  # fmt: skip


# ------------------------------------------------------------------ prefill and decode on replicas of their own


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Disaggregated rows: names and (n,) times [s], none of which any fit has seen."""

    system: npt.NDArray[np.str_]
    backend: npt.NDArray[np.str_]
    family: npt.NDArray[np.str_]
    tpot_s: Floats
    ttft_s: Floats
    measured_tpot_s: Floats
    measured_ttft_s: Floats


def disaggregated(rows: pd.DataFrame, fitted: Fitted, catalog: Catalog) -> Split:
    """Rows with prefill and decode workers, predicted with coefficients of colocated rows."""
    points = [point_of(row, catalog) for row in rows.itertuples()]
    measured = measured_of(points, rows[MEASURED[1]].to_numpy(), rows[MEASURED[0]].to_numpy())
    software = fitted.software(measured)
    prompts = stacked([one.work(one.prefill_layout) for one in points])
    out = served(
        Pass(measured.work, fitted.coefficients, software), measured.batch, measured.prompt, measured.output,
        prefill=Pass(prompts, fitted.coefficients, software),
    )  # fmt: skip
    return Split(
        system=measured.system, backend=np.array([one.backend for one in points]), family=measured.family,
        tpot_s=out.tpot_s, ttft_s=out.ttft_s, measured_tpot_s=measured.tpot_s, measured_ttft_s=measured.ttft_s,
    )  # fmt: skip


def groups_of(names: npt.NDArray[np.str_]) -> Iterator[tuple[str, Any]]:
    """(name, mask) of each group, by name."""
    for name in np.unique(names):
        yield str(name), names == name
