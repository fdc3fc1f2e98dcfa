"""Times for rows of a table: the machine interface ``gigawatt perf predict FILE.csv --out FILE.csv``.

Rows have the columns of the public measured points (see ``rows``). Each comes back with

    tpot_ms_low, tpot_ms, tpot_ms_high    time per output token, middle 80 % of what to expect [ms]
    ttft_ms                               time to first token, with others' prompts ahead and no other waiting [ms]
    maker                                 calibrated, measured or dataflow; empty where nothing is predicted
    note                                  what the row's times assume, or why there are none
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gigawatt.catalog.load import Catalog
from gigawatt.catalog.schema import Calibration
from gigawatt.core.errors import CatalogError
from gigawatt.core.units import pretty
from gigawatt.perf.inference import (
    LARGEST_BATCH,
    LONGEST_CONTEXT,
    capacity_sequences,
    served,
    software_of,
    weight_bytes,
)
from gigawatt.perf.layout import why_beyond, why_impossible
from gigawatt.perf.operators import BACKENDS, SIDES, Floats, Pass, Software, generation_step, stacked, values_of
from gigawatt.perf.rows import Point, point_of, read_rows

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("tpot_ms_low", "tpot_ms", "tpot_ms_high", "ttft_ms", "maker", "note")
MEASURED_CHIPS = ("hgx-h100", "hgx-h200", "hgx-b200")  # gb200-nvl72 has six rows, too few to narrow a band
_CHUNK = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """Achieved over what the calibrated software achieves, for vendors whose software lags: low, value, high."""

    low: float = 1.0
    value: float = 1.0
    high: float = 1.0


def behind_of(catalog: Catalog, vendor: str, efficiency: str = "efficiency-2026") -> Behind:
    """How far a vendor's serving software is behind; 1 for the vendor that the rows were measured on."""
    fact = catalog.efficiency(efficiency).software_by_vendor.get(vendor)
    if fact is None:
        return Behind()
    low, value, high = fact.range
    return Behind(low=low, value=value, high=high)


def band_for(calibration: Calibration, system: str, family: str) -> tuple[float, float, str]:
    """(low, high) over central time that hold 80 %, and in words what was measured."""
    families = {key.split("/", 1)[1].split("@")[0] for key in calibration.offsets if "/" in key}
    chip, known = system in MEASURED_CHIPS, family in families
    name, words = {
        (True, True): ("measured", "chip and family measured"),
        (False, True): ("new_chip", "no or few rows of this chip"),
        (True, False): ("new_family", "no rows of this family"),
        (False, False): ("both", "no or few rows of this chip, none of this family"),
    }[chip, known]
    found = calibration.coefficients.get(f"band_{name}")
    return (found.low, found.high, words) if found else (0.7, 1.4, words)


def predict_file(
    path: Path, catalog: Catalog, progress: Callable[[int, int], None] | None = None, maker: str = "auto"
) -> pd.DataFrame:
    """Rows of a CSV with the columns above added. Raises CatalogError where the file cannot be read."""
    return predict_rows(read_rows(path), catalog, progress, maker)


def predict_rows(
    frame: pd.DataFrame, catalog: Catalog, progress: Callable[[int, int], None] | None = None, maker: str = "auto"
) -> pd.DataFrame:
    """A table of rows with the columns above added; the order of rows is kept.

    ``maker`` is "auto" (measured kernels for rows of a backend on which they are as near to measured rows as the
    calibrated model), "measured" (nothing where they lack a row, and the note says what) or "calibrated".
    """
    calibration = catalog.calibration("inference-2026")
    out: dict[str, list[Any]] = {name: [np.nan] * len(frame) for name in COLUMNS[:4]}
    out |= {"maker": [""] * len(frame), "note": [""] * len(frame)}
    ready: list[tuple[int, Point]] = []
    for at, row in enumerate(frame.itertuples()):
        try:
            point = point_of(row, catalog)
            if point.system.kind == "sram" and maker == "measured":
                out["note"][at] = f"no kernels are measured on {point.system.name}"
                continue
            if point.system.kind == "sram":
                _dataflow_row(out, at, point, catalog)
                continue
            reason = _why_not(point)
            if reason:
                out["note"][at] = reason
                continue
            ready.append((at, point))
        except CatalogError as error:
            out["note"][at] = str(error)
    if maker != "calibrated":
        from gigawatt.perf.measured_rows import by_kernels

        ready = by_kernels(out, ready, catalog, calibration, forced=maker == "measured")
    for start in range(0, len(ready), _CHUNK):
        _calibrated(out, ready[start : start + _CHUNK], catalog, calibration)
        if progress is not None:
            progress(min(start + _CHUNK, len(ready)), len(frame))
    return frame.assign(**out)


def _why_not(point: Point) -> str:
    for layout in (point.layout, *((point.prefill_layout,) if point.prefill_layout else ())):
        reason = why_impossible(layout, point.model)
        if reason:
            return reason
        work = point.work(layout)
        short = float(weight_bytes(work)) - float(np.asarray(work.memory))  # measured rows do without a reserve
        if short > 0.0:
            return (
                f"{point.model.name} in {point.serving.weights} does not fit {layout.name}: {pretty(short, 'byte')} "
                f"too large for each of {layout.n_packages} packages"
            )
    return ""


def _calibrated(
    out: dict[str, list[Any]], ready: list[tuple[int, Point]], catalog: Catalog, calibration: Calibration
) -> None:
    points = [point for _, point in ready]
    lags = [behind_of(catalog, one.system.vendor) for one in points]
    c = values_of(calibration)
    sides: dict[str, Floats] = {side: np.ones(len(points)) for side in SIDES}
    for at, one in enumerate(points):
        known = software_of(
            calibration, one.backend, one.model.family, one.serving,
            generation_step(one.system),
        )  # fmt: skip
        for side in SIDES:
            sides[side][at] = float(np.asarray(getattr(known, side)))
    own = set(calibration.offsets) - set(BACKENDS)  # a cluster's own offsets hold its software's age
    software = Software(age_y=np.array([0.0 if one.backend in own else one.age_y for one in points]), **sides)
    run = Pass(stacked([one.work(behind=lag.value) for one, lag in zip(points, lags, strict=True)]), c, software)
    batch, prompt, output = (np.array([getattr(one, name) for one in points]) for name in ("batch", "prompt", "output"))
    together = served(run, batch, prompt, output)
    tpot, ttft = together.tpot_s.copy(), together.ttft_s.copy()
    split = np.array([one.prefill_layout is not None for one in points])
    if split.any():
        layouts = [one.prefill_layout or one.layout for one in points]
        works = [one.work(layout, lag.value) for one, layout, lag in zip(points, layouts, lags, strict=True)]
        apart = served(run, batch, prompt, output, prefill=Pass(stacked(works), c, software))
        tpot[split], ttft[split] = apart.tpot_s[split], apart.ttft_s[split]
    room = capacity_sequences(run.w, prompt + 0.75 * output, c["memory_share"])
    for at, (index, one) in enumerate(ready):
        low, high, words = band_for(calibration, one.system.id, one.model.family)
        lag = lags[at]
        out["tpot_ms_low"][index] = 1e3 * tpot[at] * low * lag.value / lag.high
        out["tpot_ms"][index] = 1e3 * tpot[at]
        out["tpot_ms_high"][index] = 1e3 * tpot[at] * high * lag.value / lag.low
        out["ttft_ms"][index] = 1e3 * ttft[at]
        out["maker"][index] = "calibrated"
        notes = [one.serving.name, words]
        if one.backend not in (*BACKENDS, *calibration.offsets):
            notes.append(f"backend '{one.backend}' was not measured: mean of {', '.join(BACKENDS)}")
        beyond = why_beyond(one.layout, one.system)
        if beyond:
            notes.append(f"{beyond}: collectives at the rate of the network")
        if one.blank:
            notes.append(f"blank and taken as stated defaults: {', '.join(one.blank)}")
        if lag.value != 1.0:
            notes.append(f"{one.system.vendor}'s software counts {lag.value:g} of the calibrated (judgement)")
        if one.batch > LARGEST_BATCH or one.prompt + one.output > LONGEST_CONTEXT:
            notes.append(
                f"extrapolated: rows of the fit have up to {LARGEST_BATCH:,} sequences a rank and {LONGEST_CONTEXT:,} "
                "tokens of context"
            )
        if room[at] < one.batch:
            notes.append(f"the cache holds {room[at]:,.0f} of {one.batch:,.0f} sequences a rank; the rest queue")
        out["note"][index] = "; ".join(notes)


def _dataflow_row(out: dict[str, list[Any]], at: int, point: Point, catalog: Catalog) -> None:
    from gigawatt.perf.dataflow import replica

    calibration = catalog.calibration("dataflow-2026")
    context, flight = point.prompt + point.output, point.batch * point.layout.dp
    made = replica(
        point.system, point.model, calibration, precision=point.serving.weights, context=context,
        sequences=max(1, round(flight)),
    )  # fmt: skip
    if made.reason:
        out["note"][at] = made.reason
        return
    decode = made.decode_seconds(np.array([flight]), np.array([point.prompt + 0.5 * point.output]))[:, 0, 0]
    prefill = made.prefill_seconds(np.array([point.prompt]), np.array([0.0]))[1, 0, 0]
    for name, value in zip(COLUMNS[:3], np.sort(decode), strict=True):
        out[name][at] = 1e3 * float(value)
    out["ttft_ms"][at] = 1e3 * float(prefill + decode[1])
    out["maker"][at] = "dataflow"
    out["note"][at] = (
        f"{point.serving.weights} weights; {made.n_packages} packages hold them and the cache; without speculation"
    )
