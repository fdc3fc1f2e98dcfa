"""Repeating the fits: the catalogue's calibrations from a folder of public measurements, or one cluster from its own.

``calibrate_all`` writes ``calibration/{inference,power,dataflow}.yaml`` into a folder, an overlay that replaces the
shipped ones. ``calibrate_bench`` reads results of ``vllm bench serve --save-result`` and adds the offsets of one
cluster's software under a name of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gigawatt.catalog.load import Catalog
from gigawatt.catalog.schema import Calibration, Model
from gigawatt.core.errors import CatalogError
from gigawatt.core.files import write_whole
from gigawatt.perf.fit_inference import (
    GROUPS,
    Fitted,
    Measured,
    band_of,
    calibration_of,
    fit,
    left_out,
    left_out_both,
    measured_of,
)
from gigawatt.perf.fit_measured import fit_measured
from gigawatt.perf.inference import served, software_of
from gigawatt.perf.layout import Layout, why_illegal
from gigawatt.perf.measured import is_installed
from gigawatt.perf.operators import SIDES, Floats, Pass, Software, generation_step, values_of, work_of
from gigawatt.perf.precision import settle
from gigawatt.perf.rows import Point, clean, point_of, read_rows

SILICON = Path("inferencex_silicon") / "silicon_calibration.csv"
SOURCES = ("semianalysis-inferencex", "aiconfigurator-systems")
REPORTED_APART = ("gb200-nvl72",)  # six aggregated rows: too few to count in what is left out
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceFit:
    """A fit with everything that a validation shows: rows used, rows left out by rule, predictions of both kinds."""

    calibration: Calibration
    fitted: Fitted
    measured: Measured
    points: list[Point]
    rows: Any  # pandas frame of the rows used
    dropped: Any  # pandas frame of the rows left out, with the rule
    in_sample: tuple[Floats, Floats]
    without_setting: tuple[Floats, Floats]
    without_chip: tuple[Floats, Floats]
    without_family: tuple[Floats, Floats]
    without_both: tuple[Floats, Floats]


def fit_silicon(data: Path, catalog: Catalog, today: str, say: Say = lambda _: None) -> InferenceFit:
    """Fit of the measured serving points under ``data``, with k-fold predictions by chip and by family.

    Raises CatalogError where the file is missing or lacks a column.
    """
    rows, dropped = clean(read_rows(data / SILICON), catalog)
    points = [point_of(row, catalog) for row in rows.itertuples()]
    measured = measured_of(points, rows["silicon_tpot_ms"].to_numpy(), rows["silicon_ttft_ms"].to_numpy())
    say(f"fit of {len(rows)} rows")
    fitted = fit(measured)
    inside = fitted.predict(measured)
    chip = left_out(measured, "system", say)
    family = left_out(measured, "family", say)
    say("fits without a chip and a family")
    both = left_out_both(measured)
    say("fits without a fifth of the settings")
    setting = left_out(measured, "setting")
    bands, residuals = _bands_and_residuals(measured, inside, setting, chip, family, both)
    unmarked, every = _unmarked(data, catalog, fitted)
    residuals[f"all {every} rows without a mark, those left out by rule included, median |TPOT error|"] = unmarked
    calibration = calibration_of(
        fitted, rows=len(rows), fitted_on=today, source=SOURCES, bands=bands, residuals=residuals
    )
    return InferenceFit(
        calibration=calibration, fitted=fitted, measured=measured, points=points, rows=rows,
        dropped=dropped, in_sample=inside,
        without_setting=setting, without_chip=chip, without_family=family, without_both=both,
    )  # fmt: skip


def _bands_and_residuals(
    measured: Measured,
    inside: tuple[Floats, Floats],
    setting: tuple[Floats, Floats],
    chip: tuple[Floats, Floats],
    family: tuple[Floats, Floats],
    both: tuple[Floats, Floats],
) -> tuple[dict[str, tuple[float, float]], dict[str, float]]:
    scored = ~np.isin(measured.system, REPORTED_APART)
    quiet = scored & (measured.quiet > 0)
    bands, residuals = {}, {}
    made = (
        ("in_sample", "in sample", inside),
        ("measured", "setting left out", setting),
        ("new_chip", "chip left out", chip),
        ("new_family", "family left out", family),
    )
    for name, words, (tpot, ttft) in made:
        if name != "in_sample":
            bands[name] = band_of(tpot[scored], measured.tpot_s[scored])
        residuals[f"{words}, median |TPOT error|"] = _median(tpot[scored], measured.tpot_s[scored])
        residuals[f"{words}, median |TTFT error|"] = _median(ttft[quiet], measured.ttft_s[quiet])
        residuals[f"{words}, share of rows in the 80 % band of the other folds"] = covered(measured, tpot, name)
    ends = np.log([bands["new_chip"], bands["new_family"]])
    wide = np.sign(ends[0]) * np.hypot(ends[0], ends[1])
    bands["both"] = (float(np.exp(wide[0])), float(np.exp(wide[1])))
    residuals["chip and family left out, median |TPOT error|"] = _median(both[0][scored], measured.tpot_s[scored])
    held = within(bands["both"], both[0][scored], measured.tpot_s[scored])
    residuals["chip and family left out, share of rows in the band of both"] = held
    return bands, residuals


def _unmarked(data: Path, catalog: Catalog, fitted: Fitted) -> tuple[float, int]:
    """(median |TPOT error|, rows) of all aggregated rows that the publisher did not mark."""
    frame = read_rows(data / SILICON)
    frame = frame[(frame["suspect"].fillna("") == "") & (frame["mode"] != "disagg")]
    points = [point_of(row, catalog) for row in frame.itertuples()]
    rows = measured_of(points, frame["silicon_tpot_ms"].to_numpy(), frame["silicon_ttft_ms"].to_numpy())
    return _median(fitted.predict(rows)[0], rows.tpot_s), len(frame)


def within(band: tuple[float, float], tpot_s: Floats, measured_s: Floats) -> float:
    """Share of rows whose measured over predicted time lies in a band."""
    ratio = measured_s / tpot_s
    return float(np.mean((ratio >= band[0]) & (ratio <= band[1])))


def covered(measured: Measured, tpot: Floats, name: str) -> float:
    """Share of rows within the band that the other folds' errors give: honest coverage of the stated 80 %."""
    groups = measured.family if name == "new_family" else measured.system
    inside: list[Floats] = []
    for group in np.unique(groups):
        mask = groups == group
        if group in REPORTED_APART:
            continue
        low, high = band_of(tpot[~mask], measured.tpot_s[~mask])
        ratio = measured.tpot_s[mask] / tpot[mask]
        inside.append((ratio >= low) & (ratio <= high))
    return float(np.mean(np.concatenate(inside)))


def _median(predicted: Floats, measured: Floats) -> float:
    return float(np.median(np.abs(predicted / measured - 1.0)))


def calibrate_all(data: Path, out: Path, catalog: Catalog, today: str, say: Say) -> list[Path]:
    """Fit everything that ``data`` holds and write the entries under ``out/calibration``. Returns the files."""
    from gigawatt.perf.fit_dataflow import PUBLISHED, extra_models, fit_dataflow, residuals, summary
    from gigawatt.perf.fit_energy import fit_power

    if not data.is_dir():
        raise CatalogError(f"{data} is not a folder; give the one that holds {SILICON}")
    silicon = fit_silicon(data, catalog, today, say)
    written = [write(silicon.calibration, out, "inference")]
    shipped = catalog.calibration("power-2026")
    say("fit of node power")
    power = fit_power(data, catalog)
    written.append(write(_rounded(power.model_copy(update={"note": shipped.note, "fitted": today})), out, "power"))
    if is_installed():
        say("fit of measured kernels")
        written.append(write(fit_measured(silicon.points, silicon.measured, today, say), out, "measured"))
    say("fit of SRAM machines")
    prior = catalog.calibration("dataflow-2026")
    more = extra_models()

    def model(name: str) -> Model:
        return more.get(name) or catalog.model(name)

    fitted = fit_dataflow(PUBLISHED, catalog.system, model, prior)
    fresh = prior.model_copy(update={"fitted": today, "coefficients": {**prior.coefficients, **fitted}})
    errors = summary(residuals(PUBLISHED, catalog.system, model, fresh))
    written.append(write(_rounded(fresh.model_copy(update={"residuals": errors})), out, "dataflow"))
    return written


def _rounded(calibration: Calibration) -> Calibration:
    """The same with four digits of every coefficient and residuals to 1 in 10,000."""
    short = {
        name: one.model_copy(update={end: _digits(getattr(one, end)) for end in ("value", "low", "high")})
        for name, one in calibration.coefficients.items()
    }
    residuals = {name: round(value, 4) for name, value in calibration.residuals.items()}
    return calibration.model_copy(update={"coefficients": short, "residuals": residuals})


def _digits(value: float) -> float:
    return float(f"{value:.4g}")


def write(calibration: Calibration, out: Path, name: str) -> Path:
    """One calibration as a catalogue file."""
    import yaml

    folder = out / "calibration"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    entry = calibration.model_dump(mode="json", exclude_defaults=True)
    text = yaml.safe_dump(entry, sort_keys=False, width=120, allow_unicode=True)
    write_whole(path, f"# Fitted {calibration.fitted} on {calibration.rows} rows.\n{text}")
    return path


# ------------------------------------------------------------------ one's own cluster

_BENCH_KEYS = ("completed", "total_input_tokens", "total_output_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One result of ``vllm bench serve``: mean lengths, requests in flight, median times."""

    model: str
    concurrency: float
    prompt: float
    output: float
    tpot_s: float
    ttft_s: float


def read_bench(path: Path) -> list[Bench]:
    """Results in a file: one JSON object, a list of them, or one a line. Raises CatalogError naming file and key."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CatalogError(f"{path}: {error.strerror or 'cannot be read'}") from error
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        try:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
        except json.JSONDecodeError as error:
            raise CatalogError(f"{path}: is not JSON (line {error.lineno}: {error.msg})") from error
    rows = found if isinstance(found, list) else [found]
    return [_bench(row, f"{path.name}, result {at}") for at, row in enumerate(rows, 1)]


def _bench(row: Any, where: str) -> Bench:
    if not isinstance(row, dict):
        raise CatalogError(f"{where}: must be an object as 'vllm bench serve --save-result' writes it")

    def number(*names: str) -> float:
        for name in names:
            value = row.get(name)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
                return float(value)
        raise CatalogError(f"{where}: {names[0]} is missing or not above 0; 'vllm bench serve --save-result' writes it")

    done = number("completed")
    output = number("total_output_tokens") / done
    tpot = number("median_tpot_ms", "mean_tpot_ms") / 1e3
    ttft = number("median_ttft_ms", "mean_ttft_ms") / 1e3
    flight = row.get("max_concurrency")
    if not isinstance(flight, (int, float)) or flight <= 0:
        flight = max(1.0, number("request_throughput") * (ttft + output * tpot))
    return Bench(
        model=str(row.get("model_id", "")), concurrency=float(flight), prompt=number("total_input_tokens") / done,
        output=output, tpot_s=tpot, ttft_s=ttft,
    )  # fmt: skip


def named_model(results: Sequence[Bench]) -> str:
    """The one model that results name. Raises CatalogError where there are no results, no name or several."""
    names = sorted({one.model for one in results})
    if not names:
        raise CatalogError("there is no result to calibrate with")
    if names == [""]:
        raise CatalogError("the results do not name their model; give --model")
    if len(names) > 1:
        shown = ", ".join(one or "no name" for one in names)
        raise CatalogError(
            f"the results name several models ({shown}); calibrate with the files of one, or give --model"
        )
    return names[0]


def calibrate_bench(
    files: Sequence[Path],
    *,
    name: str,
    system: str,
    layout: Layout,
    catalog: Catalog,
    calibration: Calibration,
    model: str = "",
    weights: str = "",
    backend: str = "vllm",
) -> tuple[Calibration, list[tuple[Bench, float, float]]]:
    """The calibration with offsets ``name`` for one cluster, and (result, error before, error after) of TPOT.

    Few results move the offsets little: each is held to 1 by the same deviation as those of a backend.
    """
    from scipy.optimize import least_squares

    results = [one for path in files for one in read_bench(path)]
    if not results:
        raise CatalogError(f"{', '.join(map(str, files))}: no result stands in it")
    chosen = catalog.system(system)
    named = catalog.model(model or named_model(results))
    illegal = why_illegal(layout, chosen, named)
    if illegal:
        raise CatalogError(illegal)
    assert chosen.package
    serving = settle(chosen, named, weights)
    work = work_of(chosen, chosen.package, named, serving, layout)
    c, base = values_of(calibration), software_of(calibration, backend, named.family, serving, generation_step(chosen))
    columns = {key: np.array([getattr(one, key) for one in results]) for key in Bench.__slots__ if key != "model"}
    shrink = np.array(GROUPS["backend"])

    def errors(x: Floats) -> Floats:
        sides = {side: getattr(base, side) * float(np.exp(x[at])) for at, side in enumerate(SIDES)}
        out = served(
            Pass(work, c, Software(**sides)), columns["concurrency"] / layout.dp, columns["prompt"], columns["output"]
        )
        return np.stack([np.log(out.tpot_s / columns["tpot_s"]), np.log(out.ttft_s / columns["ttft_s"])])

    def residuals(x: Floats) -> Floats:
        e = errors(x)
        return np.concatenate([e[0] / 0.05, e[1] / 0.3, x / shrink])

    start = np.zeros(len(SIDES))
    found = least_squares(residuals, start).x
    made = {side: round(getattr(base, side) * float(np.exp(found[at])), 4) for at, side in enumerate(SIDES)}
    before, after = np.expm1(errors(start)[0]), np.expm1(errors(found)[0])
    entry = calibration.model_copy(update={"offsets": {**calibration.offsets, name: made}})
    return entry, [(one, float(before[at]), float(after[at])) for at, one in enumerate(results)]
