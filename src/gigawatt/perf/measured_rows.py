"""Times of rows from measured kernels with their fitted correction, where they serve."""

from __future__ import annotations

from typing import Any

import numpy as np

from gigawatt.catalog.load import Catalog
from gigawatt.catalog.schema import Calibration
from gigawatt.perf.fit_measured import ask, corrections, why_not_ahead
from gigawatt.perf.measured import INSTALL, is_installed
from gigawatt.perf.operators import BACKENDS
from gigawatt.perf.rows import Point

Rows = list[tuple[int, Point]]


def by_kernels(
    out: dict[str, list[Any]], ready: Rows, catalog: Catalog, calibration: Calibration, *, forced: bool
) -> Rows:
    """Rows left for the calibrated model; the others are written into ``out``, none left where kernels are forced."""
    measured = catalog.calibration("measured-2026")
    ahead = {name for name in BACKENDS if not why_not_ahead(measured, calibration, name)}
    if not forced and (not ahead or not is_installed()):
        return ready
    tried = [one for one in ready if forced or one[1].backend in ahead]
    left = [one for one in ready if one not in tried]
    if not is_installed():
        for at, _ in tried:
            out["note"][at] = INSTALL
        return left
    asked = ask([point for _, point in tried])
    for row, (at, point) in enumerate(tried):
        lack = asked.reasons[row]
        if not lack and point.prefill_layout is not None:
            lack = "measured kernels are corrected for replicas that take their prompts themselves"
        if lack:
            if forced:
                out["note"][at] = lack
            else:
                left.append((at, point))
            continue
        decode, prefill = corrections(measured, point.backend)
        step, passing, others = asked.decode_s[row], asked.prefill_s[row], asked.others[row]
        tpot = decode.value * step + prefill.value * others * passing
        ends = np.array([decode.low, decode.value, decode.high]) / decode.value
        for name, end in zip(("tpot_ms_low", "tpot_ms", "tpot_ms_high"), ends, strict=True):
            out[name][at] = 1e3 * float(tpot * end)
        out["ttft_ms"][at] = 1e3 * float(prefill.value * passing + tpot)
        out["maker"][at] = "measured"
        out["note"][at] = f"{point.serving.weights} weights; kernels are measured, corrected for {point.backend}"
    return sorted(left, key=lambda one: one[0])
