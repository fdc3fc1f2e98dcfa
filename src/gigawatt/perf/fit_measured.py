"""Correction of measured kernels by measured serving points, and which maker is nearer to them.

The kernels give one decode step and one prefill pass. With b sequences running a rank and o output tokens

    TPOT = d t_decode(b, i + o/2) + p (b - 1)/o t_prefill(i)

with two factors for each backend: d is what a step costs beside its kernels (host, gaps, what overlaps), p how much of
others' prefill a request feels. Settings of the rows, chips and families are left out in turn as for the calibrated
model. Nothing is fitted where the extra is not installed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gigawatt.catalog.schema import Calibration, Coefficient
from gigawatt.perf.fit_inference import Measured, band_of
from gigawatt.perf.measured import Correction, Kernels, compile_kernels, quiet, why_not
from gigawatt.perf.operators import BACKENDS, Floats
from gigawatt.perf.rows import Point
from gigawatt.perf.table import Refusal

ERROR = "setting left out, median |TPOT error|"
_MEMORY = 0.9  # of a package that a server takes
_WIDTH, _HELD = 0.1, 0.3  # of the log error beyond which rows count less; how far factors are held to 1
APART = ("gb200-nvl72",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What kernels say of rows: step and pass [s], others that prefill for each token, and why a row has none."""

    decode_s: Floats
    prefill_s: Floats
    others: Floats
    reasons: tuple[str, ...]

    @property
    def is_known(self) -> npt.NDArray[np.bool_]:
        """Rows with times."""
        return np.isfinite(self.decode_s)

    def tpot_s(self, decode: Floats, prefill: Floats) -> Floats:
        """Time per output token with both factors [s]; nan where there is none."""
        return np.asarray(decode * self.decode_s + prefill * self.others * self.prefill_s)


def ask(points: Sequence[Point], say: Callable[[str], None] = lambda _: None) -> Asked:
    """Times of the kernels for rows; engines are put together once for each layout."""
    held: dict[object, Kernels | str] = {}
    times = np.full((3, len(points)), np.nan)
    reasons: list[str] = []
    for at, one in enumerate(points):
        key = (one.system.id, one.model.id, one.layout, one.serving.weights, one.backend)
        if key not in held:
            held[key] = _kernels(one)
            if len(held) % 10 == 0:
                say(f"measured kernels: {len(held)} layouts, row {at + 1} of {len(points)}")
        kernels = held[key]
        if isinstance(kernels, str):
            reasons.append(kernels)
            continue
        length = one.prompt + 0.75 * one.output
        most = max(1, int(kernels.kv_capacity_tokens / length))
        running = min(max(1, round(one.batch / one.layout.pp)), most)
        try:
            with quiet():
                step = kernels.engine.predict_decode_latency(running, round(one.prompt + 0.5 * one.output))
                passing = kernels.engine.predict_prefill_latency(1, round(one.prompt), 0)
        except (ValueError, RuntimeError) as error:
            reasons.append(str(error).splitlines()[0] if str(error) else type(error).__name__)
            continue
        times[:, at] = 1e-3 * step, 1e-3 * passing, (running - 1) / one.output
        reasons.append("")
    return Asked(decode_s=times[0], prefill_s=times[1], others=times[2], reasons=tuple(reasons))


def _kernels(one: Point) -> Kernels | str:
    lack = why_not(one.system, one.model, one.serving.weights)
    if lack:
        return lack
    for name in BACKENDS:
        if one.backend == name:
            made = compile_kernels(one.system, one.model, one.layout, one.serving.weights, name, _MEMORY)  # type: ignore[arg-type]
            return made.reason if isinstance(made, Refusal) else made
    return f"no kernels are measured for the backend '{one.backend}'; there are {', '.join(BACKENDS)}"


def factors(asked: Asked, backend: npt.NDArray[np.str_], tpot_s: Floats) -> dict[str, tuple[float, float]]:
    """(d, p) by backend, from rows that have times."""
    from scipy.optimize import least_squares

    found = {}
    for name in BACKENDS:
        some = np.flatnonzero((backend == name) & asked.is_known)
        if not len(some):
            found[name] = (1.0, 1.0)
            continue

        def errors(x: Floats, some: npt.NDArray[np.intp] = some) -> Floats:
            made = asked.tpot_s(np.exp(x[0]), np.exp(x[1]))[some]
            return np.concatenate([np.log(made / tpot_s[some]), _HELD * x])

        x = np.exp(least_squares(errors, np.zeros(2), loss="soft_l1", f_scale=_WIDTH).x)
        found[name] = (float(x[0]), float(x[1]))
    return found


def predicted(asked: Asked, backend: npt.NDArray[np.str_], made: dict[str, tuple[float, float]]) -> Floats:
    """Time per output token of rows [s]; nan where there is none."""
    each = np.array([made.get(str(name), (1.0, 1.0)) for name in backend])
    return asked.tpot_s(each[:, 0], each[:, 1])


def fit_measured(
    points: Sequence[Point], rows: Measured, fitted_on: str, say: Callable[[str], None] = lambda _: None
) -> Calibration:
    """Calibration of purpose "measured": both factors by backend, the band, and errors with rows left out."""
    asked = ask(points, say)
    backend = np.array([one.backend for one in points])
    scored = asked.is_known & ~np.isin(rows.system, APART)
    best = factors(asked, backend, rows.tpot_s)
    residuals = {
        "rows covered": float(np.mean(asked.is_known)),
        "in sample, median |TPOT error|": _error(predicted(asked, backend, best), rows.tpot_s, scored),
    }
    setting = np.full(len(points), np.nan)
    folds = _fifths(rows.setting)
    for words, groups in (("setting", folds), ("chip", rows.system), ("family", rows.family)):
        made = np.full(len(points), np.nan)
        for name in np.unique(groups):
            mask = groups == name
            kept = np.where(mask, "", backend)
            made[mask] = predicted(asked, backend, factors(asked, kept, rows.tpot_s))[mask]
        residuals[f"{words} left out, median |TPOT error|"] = _error(made, rows.tpot_s, scored)
        if words == "setting":
            setting = made
    for name in BACKENDS:
        residuals[f"{name}: {ERROR}"] = _error(setting, rows.tpot_s, scored & (backend == name))
    low, high = band_of(setting[scored], rows.tpot_s[scored])
    coefficients = {
        "band": _coefficient(1.0, "measured over predicted time, middle 80 % of rows left out", low, high),
    }
    for name, (decode, prefill) in best.items():
        coefficients[f"decode.{name}"] = _coefficient(decode, f"decode step over its kernels, {name}")
        coefficients[f"prefill.{name}"] = _coefficient(prefill, f"prefill felt over its kernels, {name}")
    return Calibration(
        id="measured-2026", name="Measured kernels, 2026", aliases=("measured",), purpose="measured",
        source=("semianalysis-inferencex", "aiconfigurator-systems"), fitted=fitted_on, rows=int(asked.is_known.sum()),
        coefficients=coefficients, residuals={name: round(value, 4) for name, value in residuals.items()},
        note="Fitted by 'gigawatt calibrate --data DIR' where the extra gigawatt[measured] is installed.",
    )  # fmt: skip


def _coefficient(value: float, meaning: str, low: float | None = None, high: float | None = None) -> Coefficient:
    ends = [float(f"{one:.4g}") for one in (value, low or value, high or value)]
    return Coefficient(value=ends[0], low=ends[1], high=ends[2], unit="1", meaning=meaning)


def _fifths(settings: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
    """The same fifths of the settings as the calibrated model's."""
    names, index = np.unique(settings, return_inverse=True)
    return np.asarray((np.random.default_rng(0).permutation(len(names))[index] % 5).astype(str))


def _error(made: Floats, tpot_s: Floats, mask: npt.NDArray[np.bool_]) -> float:
    return float(np.median(np.abs(made[mask] / tpot_s[mask] - 1.0)))


def corrections(calibration: Calibration, backend: str) -> tuple[Correction, Correction]:
    """(of a decode step, of a prefill pass) of a backend, with the band of the rows left out."""
    c = calibration.coefficients
    band = c["band"]

    def one(side: str) -> Correction:
        value = c[f"{side}.{backend}"].value
        return Correction(value=value, low=value * min(band.low, 1.0), high=value * max(band.high, 1.0), source="own")

    return one("decode"), one("prefill")


def why_not_ahead(measured: Calibration, calibrated: Calibration, backend: str) -> str:
    """Why the calibrated model serves though kernels are measured, as a sentence; empty where kernels are as near."""
    ours = calibrated.residuals.get(ERROR, float("inf"))
    theirs = measured.residuals.get(f"{backend}: {ERROR}", float("inf"))
    if theirs <= ours:
        return ""
    return (
        f"on the rows of the fit with their setting left out, measured kernels are {100 * theirs:.1f} % off with "
        f"{backend} and the calibrated model {100 * ours:.1f} %"
    )
