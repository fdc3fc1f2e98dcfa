"""Sections of the validation page beside colocated serving: power, SRAM, published points, rows left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gigawatt.catalog.load import Catalog
from gigawatt.perf.fit_measured import ERROR
from gigawatt.perf.operators import BACKENDS
from gigawatt.perf.rows import RULES

from .score import errors_of, groups_of
from .tables import ERROR_HEADS, error_row, pct, signed, system_name, table

if TYPE_CHECKING:
    from .page import Validation

POWER_FIGURE = "Power of a server, predicted and measured"
TPOT_APART, NODE_POWER, JOULES, SRAM = 0.10, 0.10, 0.15, 0.20


def apart_section(v: Validation, catalog: Catalog) -> str:
    """Rows served by replicas that prefill and replicas that decode."""
    one = v.split
    rows = [error_row("**all**", errors_of(one.tpot_s, one.measured_tpot_s), TPOT_APART)]
    first = [error_row("**all**", errors_of(one.ttft_s, one.measured_ttft_s))]
    both = np.array([f"{system_name(catalog, s)}, {b}" for s, b in zip(one.system, one.backend, strict=True)])
    families = np.array([f"family: {name}" for name in one.family])
    for names in (both, families):
        for name, mask in groups_of(names):
            rows.append(error_row(name, errors_of(one.tpot_s[mask], one.measured_tpot_s[mask]), TPOT_APART))
    for name, mask in groups_of(both):
        first.append(error_row(name, errors_of(one.ttft_s[mask], one.measured_ttft_s[mask])))
    return (
        "## Prefill and decode on replicas of their own\n\n"
        f"{len(one.tpot_s)} disaggregated rows that state their workers. No coefficient was fitted on any of them: "
        "they are the coefficients of colocated rows, with the decode workers' layout and batch and the prefill "
        "workers' layout. Speculative decoding is not flagged in these rows; a row predicted much too slow may have "
        "it.\n\n### TPOT\n\n"
        + table(("", *ERROR_HEADS, "tolerance", "kept"), rows)
        + "\n\n### TTFT\n\nShown, not scored: the prediction is handling, one prompt's prefill, the transfer of its "
        "cache and one step; the measured times are of loads under which prompts queue before the prefill workers.\n\n"
        + table(("", *ERROR_HEADS), first)
    )


def power_section(v: Validation, catalog: Catalog) -> str:
    """Wall power of servers and energy of a token."""
    left = {"": "all rows seen", "model": "model left out", "system": "system left out"}
    rows = [
        (
            system_name(catalog, one.row.system), one.row.model, one.row.scenario, left[one.left_out],
            f"{one.row.measured:,.0f}", f"{one.predicted:,.0f}", signed(one.error), f"{one.joules:.3f}",
            f"{one.joules_predicted:.3f}", signed(one.joules_error),
        )
        for one in v.power
        if one.row.kind == "run" and one.left_out in left
    ]  # fmt: skip
    rows.sort(key=lambda row: (*row[:3], list(left.values()).index(row[3])))
    names = [key.rsplit(":", 1)[0] for key in v.power_summary if key.endswith(": rows")]
    short = []
    for name in names:
        tolerance = {"node power": NODE_POWER, "energy per token": JOULES}
        allowed = next((value for start, value in tolerance.items() if name.startswith(start)), None)
        median = v.power_summary[f"{name}: median |error|"]
        short.append((
            name, f"{v.power_summary[f'{name}: rows']:.0f}", pct(median),
            pct(v.power_summary[f"{name}: largest |error|"]), pct(allowed, 0) if allowed else "-",
            ("yes" if median <= allowed else "**no**") if allowed else "",
        ))  # fmt: skip
    return (
        "## Power and energy\n\n"
        f"![{POWER_FIGURE}](figures/validation-power.png)\n\n"
        "Wall power of whole servers running language models (MLPerf inference), each predicted with its rows seen, "
        "with its model left out, and with its system left out. Energy a token takes the predicted speed where the "
        "run is capped and the same server's uncapped run is published, else the measured speed.\n\n"
        + table(
            ("system", "model", "scenario", "fit", "W measured", "W predicted", "error", "J/token measured",
             "J/token predicted", "error"),
            rows,
        )
        + "\n\n"
        + table(("", "rows", "median size", "largest", "tolerance", "kept"), short)
    )  # fmt: skip


_SPECULATION = {"none": "none", "stated": "yes", "unstated": "not stated"}


def sram_section(v: Validation, catalog: Catalog) -> str:
    """Published speeds of machines with weights in SRAM."""
    rows = []
    for one in v.sram:
        row = one.row
        role = "fitted" if row.role == "fit" else "predicted" if one.is_scored else "predicted, not scored"
        kept = ("yes" if abs(one.error) <= SRAM else "**no**") if one.is_scored else ""
        rows.append((
            system_name(catalog, row.system), row.model, row.as_of, row.by, row.source,
            _SPECULATION[row.speculation], role,
            f"{one.n_packages:,}", f"{row.speed:,.0f}", f"{one.predicted:,.0f}", signed(one.error), kept,
        ))  # fmt: skip
    names = [key.rsplit(":", 1)[0] for key in v.sram_summary if key.endswith(": rows")]
    short = [
        (
            name, f"{v.sram_summary[f'{name}: rows']:.0f}", pct(v.sram_summary[f"{name}: median |error|"]),
            pct(v.sram_summary[f"{name}: largest |error|"]), pct(v.sram_summary[f"{name}: share within 20 %"], 0),
        )
        for name in names
    ]  # fmt: skip
    return (
        "## SRAM machines\n\nPublished output speeds of one user [token/s]. One block time a machine and one multiple "
        f"for speculation ({v.sram_gain:.2f}) are fitted, each on one row; all else is predicted. Rows that do not "
        "state whether they speculate, and figures recalled and not read, are shown and not scored. Tolerance "
        f"{pct(SRAM, 0)}.\n\n"
        + table(
            ("machine", "model", "as of", "measured by", "source", "speculation", "role", "packages", "published",
             "predicted", "error", "kept"),
            rows,
        )
        + "\n\n"
        + table(("", "rows", "median size", "largest", "within 20 %"), short)
    )  # fmt: skip


def published_section(v: Validation, catalog: Catalog) -> str:
    """Published points of whole comparisons, which no fit has seen."""
    known = [one for one in v.published if not one.reason]
    rows = [
        (
            one.model, one.chip, one.lengths, one.precision, f"{one.speed:.0f}", f"{one.published:,.0f}",
            f"{one.plain:,.0f}", signed(one.plain / one.published - 1.0), f"{one.speculating:,.0f}",
            signed(one.speculating / one.published - 1.0),
        )
        for one in known
    ]  # fmt: skip
    off = [abs(one.plain / one.published - 1.0) for one in known]
    with_it = [abs(one.speculating / one.published - 1.0) for one in known]
    between = [0.8 * one.plain <= one.published <= 1.2 * one.speculating for one in known]
    other: dict[str, list[str]] = {}
    for one in v.published:
        if one.reason:
            other.setdefault(one.reason, []).append(f"{one.model} on {one.chip}")
    text = (
        "## Published comparisons of whole systems\n\nPoints of InferenceX comparison pages, none used in a fit: "
        "tokens a second a package, prompts and answers together, at a speed of one user [token/s]. Predicted is the "
        "best layout and batch of the search at that speed (median, mean of the backends), without and with "
        "speculation as planning takes it; the points do not say whether they speculate. So no error here is scored: "
        f"of {len(known)} points {sum(between)} lie between the two or within a fifth of them; the median "
        f"size of the error is {pct(float(np.median(off)), 0)} without and {pct(float(np.median(with_it)), 0)} with "
        "speculation.\n\n"
        + table(
            ("model", "chip", "lengths", "precision", "speed", "published", "predicted, plain", "error",
             "predicted, speculating", "error"),
            rows,
        )
    )  # fmt: skip
    if other:
        text += "\n\nNot predicted: " + "; ".join(
            f"{', '.join(dict.fromkeys(names))}: {reason}" for reason, names in other.items()
        )
        text += "."
    return text


def measured_section(v: Validation, catalog: Catalog) -> str:
    """Measured kernels with their correction beside the calibrated model."""
    theirs, ours = catalog.calibration("measured-2026").residuals, v.inference.calibration.residuals
    rows = []
    for words in ("in sample", "setting left out", "chip left out", "family left out"):
        name = f"{words}, median |TPOT error|"
        rows.append((words, pct(theirs[name]), pct(ours[name])))
    rows += [(f"setting left out, {name}", pct(theirs[f"{name}: {ERROR}"]), "") for name in BACKENDS]
    return (
        "## Measured kernels beside the calibrated model\n\nThe extra `gigawatt[measured]` brings kernels timed on the "
        f"chip. They cover {pct(theirs['rows covered'], 0)} of the rows. Two factors a backend, for a step and for the "
        "prefill that others feel, were fitted to those rows; median size of the TPOT error:\n\n"
        + table(("", "measured kernels, corrected", "calibrated"), rows)
        + "\n\n`--maker auto` takes measured kernels for a backend only where, with the setting left out, they are at "
        "least as near as the calibrated model"
        + (
            "; today that is nowhere, so it takes the calibrated model and says so."
            if all(theirs[f"{name}: {ERROR}"] > ours[ERROR] for name in BACKENDS)
            else "."
        )
    )


def left_out_section(v: Validation) -> str:
    """Rules and the rows that each left out."""
    counts = v.inference.dropped["left_out"].value_counts()
    rows = [(rule, why, f"{int(counts.get(rule, 0)):,}") for rule, why in RULES.items()]
    rows.append(("**all**", "", f"{len(v.inference.dropped):,}"))
    every = next(name for name in v.inference.calibration.residuals if name.startswith("all "))
    words = every.removesuffix(", median |TPOT error|")
    return (
        "## What was left out\n\nBy rules that look at no prediction of the fitted model. Each row by "
        "its published id: [validation-left-out.csv](validation-left-out.csv).\n\n"
        + table(("rule", "what it says", "rows"), rows)
        + f"\n\nOver {words}, the median TPOT error of the fit is "
        f"{pct(v.inference.calibration.residuals[every])}."
    )
