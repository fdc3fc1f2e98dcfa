"""The page ``docs/validation.md``: predicted against measured, in sample and left out apart.

Pure: results in, text out. Every number is computed. What stands here as words says what a number means and, where a
target is missed, what limits it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gigawatt.catalog.load import Catalog
from gigawatt.perf import fit_dataflow, fit_energy
from gigawatt.perf.calibrate import REPORTED_APART, InferenceFit, covered, fit_silicon, within
from gigawatt.perf.fit_inference import QUIET_CONCURRENCY, QUIET_TTFT_S, band_of
from gigawatt.perf.operators import Floats
from gigawatt.perf.search import basis_of

from .published import Compared, compare
from .score import APART, Duel, Errors, Split, disaggregated, errors_of, groups_of, ranking
from .sections import (
    JOULES,
    NODE_POWER,
    POWER_FIGURE,
    SRAM,
    apart_section,
    left_out_section,
    measured_section,
    power_section,
    published_section,
    sram_section,
)
from .tables import ERROR_HEADS, error_row, pct, system_name, table

TPOT_IN_SAMPLE, TPOT_NEW_CHIP, TPOT_NEW_FAMILY = 0.07, 0.10, 0.12
RANKING, COVERAGE, COVERAGE_SLACK, TTFT = 0.90, 0.80, 0.05, 0.20
FIGURES = {
    "validation-tpot": "Predicted over measured time per output token, in sample and with the chip left out",
    "validation-errors": "Errors by system and by model family",
    "validation-power": POWER_FIGURE,
}
COMMAND = "make validate DATA=../shared/data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """Everything that the page shows."""

    inference: InferenceFit
    duels: tuple[Duel, ...]
    split: Split
    published: tuple[Compared, ...]
    power: tuple[fit_energy.PowerResidual, ...]
    sram: tuple[fit_dataflow.Residual, ...]
    sram_summary: dict[str, float]
    sram_gain: float
    power_summary: dict[str, float]

    @property
    def scored(self) -> npt.NDArray[np.bool_]:
        """Rows of the chips that count in totals."""
        return ~np.isin(self.inference.measured.system, REPORTED_APART)


def validate(data: Path, catalog: Catalog, today: str, say: Callable[[str], None]) -> Validation:
    """All fits and predictions over a data folder; ``today`` is the date the page states.

    Raises CatalogError or FileNotFoundError where a file is missing.
    """
    found = fit_silicon(data, catalog, today, say)
    say("prefill and decode apart")
    split = disaggregated(found.dropped[found.dropped["left_out"] == "disaggregated"], found.fitted, catalog)
    say("node power")
    power = fit_energy.power_residuals(data, catalog)
    more = fit_dataflow.extra_models()
    sram = fit_dataflow.residuals(
        fit_dataflow.PUBLISHED, catalog.system, lambda name: more.get(name) or catalog.model(name),
        catalog.calibration("dataflow-2026"),
    )  # fmt: skip
    return Validation(
        inference=found, duels=ranking(found, found.without_chip, REPORTED_APART), split=split,
        published=compare(data, catalog, basis_of(catalog)), power=power, sram=sram,
        sram_summary=fit_dataflow.summary(sram),
        sram_gain=catalog.calibration("dataflow-2026").coefficients["speculation"].value,
        power_summary=fit_energy.summary(power),
    )  # fmt: skip


# ------------------------------------------------------------------ targets


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A number to reach, the number reached, and in words what limits it where it is missed."""

    name: str
    goal: str
    value: float
    shown: str
    is_reached: bool
    limit: str


def targets(v: Validation) -> tuple[Target, ...]:
    """The targets in their order, each as measured."""
    found, tpot, ttft = v.inference, _tpot, _ttft
    inside, setting, chip, family = found.in_sample, found.without_setting, found.without_chip, found.without_family
    at_most = [
        ("TPOT of a chip left out", TPOT_NEW_CHIP, tpot(v, chip).median, _NEW_CHIP),
        ("TPOT of a family left out", TPOT_NEW_FAMILY, tpot(v, family).median, _NEW_FAMILY),
        ("TPOT in sample", TPOT_IN_SAMPLE, tpot(v, inside).median, _IN_SAMPLE),
        ("TPOT of a setting left out", TPOT_IN_SAMPLE, tpot(v, setting).median, _IN_SAMPLE),
        ("TTFT in sample", TTFT, ttft(v, inside).median, _QUEUEING),
        ("TTFT of a setting left out", TTFT, ttft(v, setting).median, _QUEUEING),
        ("TTFT of a chip left out", TTFT, ttft(v, chip).median, _QUEUEING),
        ("TTFT of a family left out", TTFT, ttft(v, family).median, _QUEUEING),
    ]
    for left_out in ("model", "system"):
        node = v.power_summary[f"node power, one {left_out} left out: median |error|"]
        joules = v.power_summary[f"energy per token with predicted speed, one {left_out} left out: median |error|"]
        at_most.append((f"power of a server, one {left_out} left out", NODE_POWER, node, _POWER))
        at_most.append((f"energy a token, one {left_out} left out", JOULES, joules, _JOULES))
    made = [
        Target(
            name=name, goal=f"median error at most {pct(goal, 0)}", value=value, shown=pct(value),
            is_reached=value <= goal, limit=limit,
        )
        for name, goal, value, limit in at_most
    ]  # fmt: skip
    compared, right, *_ = _counts(v.duels)
    made.insert(4, Target(
        name="chips in the right order at equal speed, chip left out", goal=f"at least {pct(RANKING, 0)}",
        value=right / compared, shown=pct(right / compared), is_reached=right / compared >= RANKING, limit=_RANKING,
    ))  # fmt: skip
    folds = (("measured", "setting", setting), ("new_chip", "chip", chip), ("new_family", "family", family))
    for at, (name, words, kind) in enumerate(folds):
        share = covered(found.measured, kind[0], name)
        made.insert(5 + at, Target(
            name=f"rows in the 80 % band, {words} left out",
            goal=f"{pct(COVERAGE, 0)}, give or take {100 * COVERAGE_SLACK:.0f} points",
            value=share, shown=pct(share), is_reached=abs(share - COVERAGE) <= COVERAGE_SLACK, limit=_COVERAGE,
        ))  # fmt: skip
    for words, speculation in (("without speculation", "none"), ("with speculation", "stated")):
        errors = np.abs([one.error for one in v.sram if one.is_scored and one.row.speculation == speculation])
        n, close = len(errors), int((errors <= SRAM).sum())
        made.append(Target(
            name=f"speeds of SRAM machines {words}, not fitted", goal=f"each within {pct(SRAM, 0)}",
            value=close / n, shown=f"{close} of {n}", is_reached=close == n, limit=_SRAM,
        ))  # fmt: skip
    return tuple(made)


_NEW_CHIP = (
    "Software, not physics: what a backend achieves differs between chips of one generation and between releases, and "
    "offsets that a chip's own rows would fix stay at their mean. Rows of the chip, one's own included (`gigawatt "
    "calibrate --bench`), fix them."
)
_NEW_FAMILY = (
    "Kernels of a kind of attention or of expert that no other family has cannot be told from those that are known. "
    "A few rows of the family on any chip tell them."
)
_IN_SAMPLE = (
    "Repeated measurements of one setting differ by several per cent between releases and runs; the rows name no more "
    "than a version. Rows with the server's settings would tell them apart."
)
_QUEUEING = (
    f"Even with at most {QUIET_CONCURRENCY} requests in flight, the median TTFT holds waiting, batching of prompts and "
    "host time that each backend sets by its own defaults (tokens a pass, scheduling interval), and rows name none of "
    "them; with the chip or family left out, the offsets for them are means. Rows of single requests, or with the "
    "scheduler's settings, would separate prefill from waiting."
)
_RANKING = "Curves of the two chips that cross or lie close, and software of different age on the two."
_COVERAGE = (
    "Errors come by setting, not by row: one group off its centre moves many rows. More chips and families help."
)
_POWER = "Measured servers are few. Wall power of more models at known batch would narrow it."
_JOULES = (
    "Not power but speed: under a power cap it is foreseen from one server's capped runs alone. Runs of a second chip "
    "with and without a cap would settle it."
)
_SRAM = (
    "One block time a machine is all that is fitted: published speeds of one machine and model differ between dates by "
    "as much, for software is rewritten, placements change and speculation is seldom stated. Times by layer, or two "
    "dated speeds of one placement, would narrow it."
)

# ------------------------------------------------------------------ page


def page(v: Validation, catalog: Catalog) -> str:
    """The whole page."""
    parts = [
        _head(v),
        _targets(v),
        _calibration(v, catalog),
        _test(v, catalog),
        _apart(v, catalog),
        _ranking(v, catalog),
        _coverage(v, catalog),
        apart_section(v, catalog),
        published_section(v, catalog),
        measured_section(v, catalog),
        power_section(v, catalog),
        sram_section(v, catalog),
        left_out_section(v),
    ]
    return "\n\n".join(parts) + "\n"


def left_out_csv(v: Validation) -> str:
    """Rows that were not used, by id, with the rule that left each out."""
    dropped = v.inference.dropped[["id", "left_out"]].sort_values(["left_out", "id"], kind="stable")
    rows = "".join(f"{row.id},{row.left_out}\n" for row in dropped.itertuples(index=False))
    return "id,rule\n" + rows


def _head(v: Validation) -> str:
    found = v.inference
    return (
        "# Predicted against measured\n\n"
        f"`{COMMAND}` fits, predicts and writes this page; no number on it is typed. Fit of "
        f"{found.calibration.fitted} on {len(found.rows):,} measured serving points "
        f"({', '.join(sorted(set(found.measured.system)))}; {len(set(found.measured.family))} model families); "
        f"{len(found.dropped):,} more were left out by [stated rules](#what-was-left-out).\n\n"
        "Two kinds of number stand apart. *Calibration*: rows the fit has seen. *Test*: every row predicted by a fit "
        "that has seen none of its setting (system, model, precision, layout, lengths, backend and age; all batches "
        "of a fifth of the settings at a time), none of its chip, or none of its model family. A chip that "
        "nobody measured has the errors of a chip left out, never those in sample.\n\n"
        "TPOT is time per output token, decode with the prompts of others in between; TTFT time to first token. An "
        "error is predicted over measured less one; its size is without sign. Within: share of rows not further off "
        "than a fifth."
    )


def _targets(v: Validation) -> str:
    every = targets(v)
    rows = [(one.name, one.goal, one.shown, "reached" if one.is_reached else "**missed**") for one in every]
    text = "## Targets\n\n" + table(("target", "goal", "measured", ""), rows)
    missed: dict[str, list[str]] = {}
    for one in every:
        if not one.is_reached:
            missed.setdefault(one.limit, []).append(f"{one.name} ({one.shown})")
    if missed:
        text += "\n\nWhat limits those missed, and what would get there:\n\n"
        text += "\n".join(f"- {_sentence('; '.join(names))}: {limit}" for limit, names in missed.items())
    return text


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _tpot(v: Validation, kind: tuple[Floats, Floats], mask: Any = True) -> Errors:
    chosen = v.scored & mask
    return errors_of(kind[0][chosen], v.inference.measured.tpot_s[chosen])


def _ttft(v: Validation, kind: tuple[Floats, Floats], mask: Any = True) -> Errors:
    chosen = v.scored & mask & (v.inference.measured.quiet > 0)
    return errors_of(kind[1][chosen], v.inference.measured.ttft_s[chosen])


def _by(
    v: Validation, kind: tuple[Floats, Floats], groupings: dict[str, Any], catalog: Catalog, tolerance: float,
    errors: Callable[[Validation, tuple[Floats, Floats], Any], Errors] = _tpot,
) -> str:  # fmt: skip
    rows = [error_row("**all**", errors(v, kind, True), tolerance)]
    allowed = v.scored & ((v.inference.measured.quiet > 0) if errors is _ttft else True)
    for what, names in groupings.items():
        for name, mask in groups_of(names):
            if (mask & allowed).any():
                label = system_name(catalog, name) if what == "system" else name
                rows.append(error_row(f"{what}: {label}", errors(v, kind, mask), tolerance))
    return table(("", *ERROR_HEADS, "tolerance", "kept"), rows)


def _groupings(v: Validation) -> dict[str, Any]:
    found = v.inference
    return {
        "system": found.measured.system,
        "family": found.measured.family,
        "backend": found.rows["backend"].to_numpy().astype(str),
    }


def _calibration(v: Validation, catalog: Catalog) -> str:
    groups, kind = _groupings(v), v.inference.in_sample
    return (
        "## Calibration: rows the fit has seen\n\n"
        "### Decode: TPOT\n\n" + _by(v, kind, groups, catalog, TPOT_IN_SAMPLE) + "\n\n"
        f"### Prefill: TTFT\n\nWhere little queues: at most {QUIET_CONCURRENCY} requests in flight and under "
        f"{QUIET_TTFT_S:g} s. The other rows' TTFT is waiting, which depends on how a client offers its load; "
        "it is not scored.\n\n" + _by(v, kind, groups, catalog, TTFT, _ttft)
    )


def _test(v: Validation, catalog: Catalog) -> str:
    groups, found = _groupings(v), v.inference
    return (
        "## Test: rows the fit has not seen\n\n"
        f"![{FIGURES['validation-tpot']}](figures/validation-tpot.png)\n\n"
        f"![{FIGURES['validation-errors']}](figures/validation-errors.png)\n\n"
        "### A setting left out: TPOT\n\nWhat to expect of a chip and a family that were measured, in a setting that "
        "was not.\n\n"
        + _by(v, found.without_setting, groups, catalog, TPOT_IN_SAMPLE)
        + "\n\n### A chip left out: TPOT\n\nOne fit for each chip, without any of its rows; the rows of the other "
        "chips stay, those reported apart included.\n\n"
        + _by(v, found.without_chip, groups, catalog, TPOT_NEW_CHIP)
        + "\n\n### A family left out: TPOT\n\nOne fit for each family, without any of its rows on any chip.\n\n"
        + _by(v, found.without_family, groups, catalog, TPOT_NEW_FAMILY)
        + "\n\n### A setting left out: TTFT\n\n"
        + _by(v, found.without_setting, groups, catalog, TTFT, _ttft)
        + "\n\n### A chip left out: TTFT\n\n"
        + _by(v, found.without_chip, groups, catalog, TTFT, _ttft)
        + "\n\n### A family left out: TTFT\n\n"
        + _by(v, found.without_family, groups, catalog, TTFT, _ttft)
    )


def _apart(v: Validation, catalog: Catalog) -> str:
    found = v.inference
    rows = []
    for name in REPORTED_APART:
        mask = found.measured.system == name
        if mask.any():
            for words, kind in (("in sample", found.in_sample), ("chip left out", found.without_chip)):
                one = errors_of(kind[0][mask], found.measured.tpot_s[mask])
                rows.append(error_row(f"{system_name(catalog, name)}, TPOT, {words}", one))
    return (
        "### Reported apart\n\nToo few rows served by one kind of replica to count in the totals above; its "
        "[disaggregated rows](#prefill-and-decode-on-replicas-of-their-own) are the better test.\n\n"
        + table(("", *ERROR_HEADS), rows)
    )


def _counts(duels: Sequence[Duel]) -> tuple[int, int, int, int, int]:
    return (
        sum(one.compared for one in duels), sum(one.right for one in duels), sum(one.apart for one in duels),
        sum(one.right_apart for one in duels), sum(one.naive for one in duels),
    )  # fmt: skip


def _both(catalog: Catalog, pair: tuple[str, str]) -> str:
    return " and ".join(system_name(catalog, name) for name in pair)


def _ranking(v: Validation, catalog: Catalog) -> str:
    def row(name: str, duels: Sequence[Duel]) -> tuple[str, ...]:
        compared, right, apart, right_apart, naive = _counts(duels)
        clear = pct(right_apart / apart) if apart else "-"
        off = np.abs(np.concatenate([one.advantage for one in duels]) - 1.0)
        counts = (name, str(len(duels)), str(compared), pct(right / compared), str(apart), clear)
        return (*counts, pct(naive / compared), pct(float(np.median(off))))

    pairs = list(dict.fromkeys(one.pair for one in v.duels))
    rows = [row("**all**", v.duels)]
    rows += [row(_both(catalog, pair), [one for one in v.duels if one.pair == pair]) for pair in sorted(pairs)]
    wrong = sorted((one for one in v.duels if one.right < one.compared), key=lambda one: one.right - one.compared)
    text = (
        "### Which chip is ahead\n\n"
        "For one model, bits of a stored weight, backend and pair of lengths, each chip has a curve of output tokens a "
        "second a package over speed a user (1 / TPOT), over all its measured layouts: requests in flight x output "
        "tokens / (TTFT + output tokens x TPOT) / packages. Points that another beats in both are left out; between "
        "the others log throughput is linear in log speed. Two chips are compared at speeds a quarter of an octave "
        "apart, wherever both measured and both predicted curves exist. It is right where the prediction, of fits that "
        "have not seen the chip in question (each chip by the fit without it), puts the same chip ahead. Clearly "
        f"apart: measured throughputs differ by more than {pct(APART - 1, 0)}. Bandwidth alone: how "
        "often the chip with more memory bandwidth is measured ahead, a rule that needs no model; where it is as often "
        "right, order says little of a model and the next column more. Advantage off by: median size of the error of "
        "the ratio of the two throughputs.\n\n"
        + table(
            (
                "pair",
                "settings",
                "comparisons",
                "right",
                "clearly apart",
                "of these right",
                "bandwidth alone",
                "advantage off by",
            ),
            rows,
        )
    )
    if wrong:
        text += "\n\nWhere it is wrong: " + "; ".join(
            f"{_both(catalog, one.pair)}, {one.setting} ({one.compared - one.right} of {one.compared})" for one in wrong
        )
        text += "."
    return text


def both_held(v: Validation) -> float:
    """Share of rows in the shipped band of a new chip and a new family, predicted without either."""
    band, found = v.inference.calibration.coefficients["band_both"], v.inference
    return within((band.low, band.high), found.without_both[0][v.scored], found.measured.tpot_s[v.scored])


def _coverage(v: Validation, catalog: Catalog) -> str:
    found = v.inference
    kinds = (
        ("setting left out", "measured", found.without_setting, found.measured.system),
        ("chip left out", "new_chip", found.without_chip, found.measured.system),
        ("family left out", "new_family", found.without_family, found.measured.family),
        ("chip and family left out", "both", found.without_both, found.measured.system),
    )
    rows = []
    for words, name, kind, groups in kinds:
        band = found.calibration.coefficients[f"band_{name}"]
        share = both_held(v) if name == "both" else covered(found.measured, kind[0], name)
        rows.append((f"**{words}**", f"{band.low:.2f} to {band.high:.2f}", pct(share, 0)))
        for group, mask in groups_of(groups):
            inside = mask & v.scored
            if inside.any():
                low, high = band_of(kind[0][~mask], found.measured.tpot_s[~mask])
                ratio = found.measured.tpot_s[inside] / kind[0][inside]
                share = float(np.mean((ratio >= low) & (ratio <= high)))
                label = system_name(catalog, group) if groups is found.measured.system else group
                rows.append((f"{words}: {label}", f"{low:.2f} to {high:.2f}", pct(share, 0)))
    return (
        "### Coverage of the 80 % band\n\nThe band holds the middle 80 % of measured over predicted TPOT. Each group "
        "is held against the band that the other groups' errors give; the bold lines are the shipped band and the "
        "mean over all rows; that of chip and family together is put together from the two, and its bold line is the "
        "share of rows that it holds: above 80 % where errors of both kinds seldom add up.\n\n"
        + table(("", "band", "rows inside"), rows)
    )
