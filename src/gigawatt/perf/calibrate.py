"""Repeating the fits: the catalogue's calibrations from a folder of public measurements, or one cluster from its own.

``calibrate_all`` writes ``calibration/{inference,power,dataflow}.yaml`` into a folder, an overlay that replaces the
shipped ones. ``calibrate_bench`` reads results of ``vllm bench serve --save-result`` and adds the offsets of one
cluster's software under a name of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gigawatt.catalog.load import Catalog
from gigawatt.catalog.schema import Calibration, Model, System
from gigawatt.core.errors import CatalogError, shown
from gigawatt.core.reading import json_of, read_text
from gigawatt.core.writing import write_whole
from gigawatt.perf.fit_inference import (
    GROUPS,
    Fitted,
    Measured,
    band_of,
    calibration_of,
    fit,
    four_digits,
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
from gigawatt.perf.rows import MEASURED, Point, clean, point_of, read_rows

if TYPE_CHECKING:
    import pandas as pd

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
    frame = read_rows(data / SILICON)
    _check_measured(data / SILICON, frame)
    rows, dropped = clean(frame, catalog)
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


def _check_measured(path: Path, frame: pd.DataFrame) -> None:
    """Raises CatalogError for a measured time that is none, naming the row."""
    for name in MEASURED:
        if name not in frame:
            raise CatalogError(f"{path}: lacks the column {name}; a fit needs what was measured")
        least, most, unit = BOUNDS[name.removeprefix("silicon_")]
        for row, value in enumerate(frame[name], 1):
            if not isinstance(value, int | float | np.number) or not least <= value <= most:
                raise CatalogError(
                    f"{path}, row {row:,}: {name} is {value}; {least:,g} to {most:,.0f} {unit} are right"
                )


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
        name: one.model_copy(update={end: four_digits(getattr(one, end)) for end in ("value", "low", "high")})
        for name, one in calibration.coefficients.items()
    }
    residuals = {name: round(value, 4) for name, value in calibration.residuals.items()}
    return calibration.model_copy(update={"coefficients": short, "residuals": residuals})


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

BOUNDS = {
    "completed": (1.0, 1e9, "requests"),
    "total_input_tokens": (1.0, 1e7, "tokens a request"),
    "total_output_tokens": (1.0, 1e7, "tokens a request"),
    "tpot_ms": (0.1, 1e4, "ms"),
    "ttft_ms": (0.1, 3.6e6, "ms"),
    "max_concurrency": (1.0, 1e5, "requests in flight"),
    "request_throughput": (1e-6, 1e6, "requests a second"),
}
"""What a measurement can be: least, most, unit. Judgement: 10,000 tokens/s to one in 10 s; an hour in the queue."""
MOST_OFF = 20.0
"""Measured over expected time per token, or the other way, beyond which another cluster or unit is meant. Judgement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One result of ``vllm bench serve``: mean lengths, requests in flight, median times; where it stands."""

    model: str
    concurrency: float
    prompt: float
    output: float
    tpot_s: float
    ttft_s: float
    where: str = field(default="", compare=False)


def read_bench(path: Path) -> list[Bench]:
    """Results in a file: one JSON object, a list of them, or one a line. Raises CatalogError naming file and key."""
    try:
        found = _results(path, read_text(path))
    except OSError as error:
        raise CatalogError(f"{path}: {error.strerror or 'cannot be read'}") from error
    except UnicodeDecodeError as error:
        raise CatalogError(
            f"{path}: is no UTF-8 text; the JSON of 'vllm bench serve --save-result' is right"
        ) from error
    rows = found if isinstance(found, list) else [found]
    return [_bench(row, f"{path.name}, result {at}") for at, row in enumerate(rows, 1)]


def _results(path: Path, text: str) -> Any:
    """The document, or else a list of those of its lines."""
    line = 0
    try:
        try:
            return json_of(text)
        except json.JSONDecodeError:
            found = []
            for one in text.splitlines():
                line += 1
                found += [json_of(one)] if one.strip() else []
            return found
    except json.JSONDecodeError as error:
        raise CatalogError(f"{path}: is not JSON (line {line or error.lineno}: {error.msg})") from error
    except ValueError as error:
        raise CatalogError(f"{path}: {error}") from error


def _bench(row: Any, where: str) -> Bench:
    if not isinstance(row, dict):
        raise CatalogError(f"{where}: must be an object as 'vllm bench serve --save-result' writes it")
    model = row.get("model_id") or ""
    if not isinstance(model, str):
        raise CatalogError(f"{where}: model_id is {str(model)[:60]}; the name of a model is right")
    done = _figure(row, where, "completed", within="completed")
    tokens = [_figure(row, where, f"total_{side}_tokens") for side in ("input", "output")]
    prompt, output = (
        _within(one / done, f"total_{side}_tokens over completed", f"total_{side}_tokens", where)
        for one, side in zip(tokens, ("input", "output"), strict=True)
    )
    tpot, ttft = (
        _figure(row, where, f"median_{key}", f"mean_{key}", within=key) / 1e3 for key in ("tpot_ms", "ttft_ms")
    )
    if row.get("max_concurrency") is not None:
        flight = _figure(row, where, "max_concurrency", within="max_concurrency")
    else:
        rate = _figure(row, where, "request_throughput", within="request_throughput")
        flight = _within(max(1.0, rate * (ttft + output * tpot)), "requests in flight", "max_concurrency", where)
    return Bench(
        model=model, concurrency=flight, prompt=prompt, output=output, tpot_s=tpot, ttft_s=ttft, where=where
    )  # fmt: skip


def _figure(row: Mapping[str, Any], where: str, *names: str, within: str = "") -> float:
    """The first of some fields that says something, within the bounds of a key. Raises CatalogError."""
    name = next((name for name in names if row.get(name) not in (None, 0)), names[0])
    value = row.get(name)
    if value not in (None, 0) and (isinstance(value, bool) or not isinstance(value, int | float) or value < 0):
        raise CatalogError(f"{where}: {name} is {shown(value)}; a number above 0, without quotes, is right")
    if not value:
        raise CatalogError(f"{where}: {name} is missing or not above 0; 'vllm bench serve --save-result' writes it")
    return _within(float(value), name, within, where) if within else float(value)


def _within(value: float, name: str, key: str, where: str) -> float:
    least, most, unit = BOUNDS[key]
    if not least <= value <= most:
        raise CatalogError(f"{where}: {name} is {value:g}; {least:,g} to {most:,.0f} {unit} are right")
    return value


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


def _check_plausible(results: Sequence[Bench], tpot_off: Floats, system: System, model: Model) -> None:
    """Raises CatalogError for lengths beyond the model's context and times far from what is expected.

    ``tpot_off``: (result,) logarithm of expected over measured time per token.
    """
    for one, off in zip(results, np.exp(tpot_off), strict=True):
        longest = model.architecture.max_context
        if longest and one.prompt + one.output > longest:
            raise CatalogError(
                f"{one.where}: {one.prompt + one.output:,.0f} tokens a request are more than the {longest:,} that "
                f"{model.name} takes"
            )
        if not 1.0 / MOST_OFF <= off <= MOST_OFF:
            raise CatalogError(
                f"{one.where}: median_tpot_ms is {1e3 * one.tpot_s:.4g} where {model.name} on {system.name} is "
                f"expected to take {1e3 * one.tpot_s * off:.3g}; more than {MOST_OFF:g} times off, the unit, "
                "--system, --layout or --model is another"
            )


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

    Raises CatalogError for a result that cannot be of this model on this system.
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
    columns = {
        key: np.array([getattr(one, key) for one in results])
        for key in Bench.__slots__
        if key not in ("model", "where")
    }
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
    _check_plausible(results, errors(start)[0], chosen, named)
    found = least_squares(residuals, start).x
    made = {side: round(getattr(base, side) * float(np.exp(found[at])), 4) for at, side in enumerate(SIDES)}
    before, after = np.expm1(errors(start)[0]), np.expm1(errors(found)[0])
    entry = calibration.model_copy(update={"offsets": {**calibration.offsets, name: made}})
    return entry, [(one, float(before[at]), float(after[at])) for at, one in enumerate(results)]
