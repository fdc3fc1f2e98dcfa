"""Fit of the power model on measured power, and what it predicts of rows left out.

Read from a data folder: ``splitwise/perf_model.csv`` (power of A100 by phase, over TDP), ``acme/*.csv`` (power of A100
at rest), ``mlperf_inference/mlperf_inference_{power,perf}.csv`` (wall power of 8x H200 and 8x B200 servers).

Rules, made for all rows alike:

- Splitwise: a decode row is its average power, where the prompt takes under a tenth of the time; a prompt row is its
  peak power, where the prompt lasts longer than a sample (0.1 s) and fits one iteration (2,048 tokens).
- MLPerf: language models that have a decoder, one accuracy level each (the other repeats the run). Shares are those at
  full clock: of the same submitter's run without a cap where there is one (speed without cap), else of the run itself.
- Left out: bert, dlrm, resnet, retinanet, 3d-unet, stable diffusion, whisper: no public count of their arithmetic and
  traffic that a model of tokens can use; Untether's cards: other machines.
- Caps of the MaxQ runs are not in the logs ("TGP 700W"). They stand as ``power_limit`` in the submission's code.
- Power and speed are fitted together: what a cap costs also tells what the package would have drawn without it.
- A range is the spread over fits that leave out one model, one system or one Splitwise layout at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from gigawatt.catalog.load import Catalog, load_catalog
from gigawatt.catalog.schema import Calibration, Coefficient, System
from gigawatt.perf.energy import (
    Power,
    busy_watts,
    capped_speed,
    idle_watts,
    joules_per_token,
    package_watts,
    unit_watts,
)
from gigawatt.perf.point import require_figures
from gigawatt.perf.rows import read_csv

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Kind = Literal["package", "run", "idle", "speed", "check"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """TDP [W], dense peak [FLOP/s] and memory bandwidth [byte/s] of a package."""

    tdp_w: float
    peak_flops: float
    bandwidth: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A benchmarked model: what a token costs, and how long its requests are.

    ``beams`` tokens are decoded for each that is returned. ``input_tokens`` is the mean prompt of the benchmark's data
    set: a judgement, the logs only have outputs. ``batch`` is sequences a package, of the submission's code where it
    could be read (H200), else the judgement 2,048; it moves the memory share by a few hundredths.
    """

    total: float
    active: float
    cache_values: float  # a token, all layers
    input_tokens: float
    batch: float
    beams: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measurement: power over TDP ("package"), wall power [W] ("run", "idle") or speed with cap over without.

    ``system`` is the catalogue's, ``place`` the measured machine; shares are at full clock; ``tokens_per_s`` is the
    rate of the run, ``free_tokens_per_s`` that of the same submitter without cap (0: none published).
    """

    kind: Kind
    place: str
    model: str
    scenario: str
    measured: float
    compute: float
    memory: float
    tdp_w: float
    cap_w: float
    system: str = ""
    tokens_per_s: float = 0.0
    free_tokens_per_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerResidual:
    """A measurement beside its prediction: in the unit of ``kind`` (W, share of TDP, ratio of speeds).

    ``left_out`` names what the fit had not seen: "" (all seen), "model", "system", "layout" or "never fitted".
    ``joules``, ``joules_predicted`` are energy of an output token [J/token], 0 where there is none. The prediction
    takes the speed without cap and slows it by the model where that run exists, so both errors are in it; with the
    measured speed the error is that of the power.
    """

    row: Row
    left_out: str
    predicted: float
    error: float
    joules: float = 0.0
    joules_predicted: float = 0.0
    joules_error: float = 0.0


# NVIDIA A100 80 GB SXM data sheet: 400 W, 312 TFLOP/s dense bf16, 2,039 GB/s.
A100 = Chip(tdp_w=400.0, peak_flops=312e12, bandwidth=2.039e12)

# Parameters and cache of the models' cards; GPT-J 6B decodes four beams (MLPerf rules). Mean prompts: OpenOrca 294,
# CNN/DailyMail 778 (870 in GPT-J's tokens), Mixtral's mix of OpenOrca, GSM8K and MBXP 240.
SERVED = {
    "llama2-70b": Served(total=69e9, active=69e9, cache_values=163_840, input_tokens=294, batch=806),
    "mixtral-8x7b": Served(total=46.7e9, active=12.9e9, cache_values=65_536, input_tokens=240, batch=3072),
    "gptj": Served(total=6.05e9, active=6.05e9, cache_values=229_376, input_tokens=870, batch=192, beams=4.0),
    "llama3.1-8b": Served(total=8.03e9, active=8.03e9, cache_values=65_536, input_tokens=778, batch=2048),
}
_BATCH_BLACKWELL = 2048.0

# (system directory) -> catalogue entry, precision of weights and arithmetic, bytes a weight.
PLACES = {
    "H200-SXM-141GBx8_TRT_MaxQ": ("hgx-h200", "fp8", 1.0),
    "SR680a_V3_B200SXMx8_TRT": ("hgx-b200", "fp4", 0.5),
    "SR780a_V3_B200SXMx8_TRT": ("hgx-b200", "fp4", 0.5),
}
_FREE_OF = {"H200-SXM-141GBx8_TRT_MaxQ": "H200-SXM-141GBx8_TRT"}  # the same server without cap
_CACHE_BYTES = 1.0  # fp8 cache in all of them

# power_limit [W] in closed/NVIDIA/configs/<model>/<scenario> of github.com/mlcommons/inference_results_v4.1.
CAPS = {"llama2-70b": 500.0, "mixtral-8x7b": 500.0, "gptj": 350.0}
_WIDE, _WIDE_TDP = "H200-SXM-141GB-CTSx8_TRT", 1000.0  # "H200 TGP 1000W" in the hardware notes of the same round

# Splitwise: parameters by model. Rows of H100 at half power in data/perf_model.csv of Mutinifni/splitwise-sim
# (@378088013a; the copy in the data folder ends before them) are no measurements: prompt times are 1.3 times those
# without cap, token times the same to the last digit. They count as the two statements they were made from, at the
# largest prompt of one iteration and at one sequence. Half of TDP is the paper's cap, as recalled.
_SPLITWISE = {"llama2-70b": 69e9, "bloom-176b": 176.2e9}
_HALF_ROWS = (("prompt", 1.0 / 1.3), ("token", 1.0))
_HALF, _HALF_MODEL, _HALF_PACKAGES = 0.5, "llama2-70b", 2

_SAMPLE_S, _ITERATION_TOKENS, _PROMPT_SHARE = 0.1, 2048, 0.1  # rules for Splitwise rows, see above
_IDLE_QUANTILES = (1.0, 10.0, 30.0)  # per cent of Acme's packages taken as at rest: low, central, high
_CHECK_H100_W = 8400.0  # arXiv:2412.08602: highest power of 8x H100 in training, of 10.2 kW rated

_ENDS = ("idle low", "idle high")  # ends of a range, not fitted

_MEANINGS = {
    "idle_fraction": "power of a waiting package over TDP; range includes the 1 and 30 % quantiles of the A100 of Acme",
    "compute_weight": "power of all dense arithmetic of a package over TDP; the limit is reached long before the peak",
    "compute_exponent": "exponent of the compute share",
    "memory_weight": "power of all memory bandwidth of a package over TDP",
    "host_w_per_package": "host, memory, cards, switches and fans at rest, a package; three 8-package servers",
    "host_share": "further power of fans, supplies and regulators for each watt of the packages",
    "cap_exponent": "power above idle goes as clock to this; smaller at deep caps, larger near TDP",
    "cap_memory_weight": "weight of the memory share in what sets the time under a cap",
}
_UNITS = {"host_w_per_package": "W"}
_START = (0.15, 1.0, 0.5, 0.6, 150.0, 0.2, 2.5, 0.1)
_LOWER = (0.0, 0.0, 0.05, 0.0, 0.0, 0.0, 1.0, 0.0)  # a clock costs at least its own share of power
_UPPER = (0.5, 6.0, 1.0, 3.0, 1000.0, 1.0, 6.0, 2.0)


def read_rows(data: Path, catalog: Catalog | None = None) -> tuple[Row, ...]:
    """All rows of the fit, and the ones that only check it (kind "check"), from a data folder.

    Raises:
        CatalogError: the folder lacks one of the files, or it is no table.
    """
    book = catalog or load_catalog()
    splitwise = read_csv(data / "splitwise" / "perf_model.csv")
    power = read_csv(data / "mlperf_inference" / "mlperf_inference_power.csv")
    perf = read_csv(data / "mlperf_inference" / "mlperf_inference_perf.csv")
    acme = {name: read_csv(data / "acme" / f"{name}.csv") for name in ("gpu_power_kalos", "gpu_power_seren")}
    server = read_csv(data / "acme" / "server_power.csv")
    rows = _splitwise_rows(splitwise) + _idle_rows(acme) + _mlperf_rows(power, perf, book)
    rows += _half_rows(splitwise, _chip(book.system("hgx-h100"), "bf16")) + _cap_rows(rows, perf, book)
    return tuple(rows + _check_rows(acme, server, book))


def fit_power(data: Path, catalog: Catalog | None = None) -> Calibration:
    """Calibration of the power model fitted on a data folder; ranges and residuals are of fits that leave rows out.

    Raises:
        CatalogError: the folder lacks one of the files, or it is no table.
    """
    book = catalog or load_catalog()
    rows = read_rows(data, book)
    best = fit_rows(rows, book)
    others = [fit_rows(kept, book, best) for _, _, kept in _folds(rows)]
    quantiles = [row.measured for row in rows if row.kind == "package" and row.scenario.startswith("idle")]
    coefficients = {}
    for name, meaning in _MEANINGS.items():
        values = [float(getattr(one, name)) for one in (best, *others)]
        values += quantiles if name == "idle_fraction" else []
        coefficients[name] = Coefficient(
            value=float(getattr(best, name)),
            low=min(values),
            high=max(values),
            unit=_UNITS.get(name, ""),
            meaning=meaning,
        )
    return Calibration(
        id="power-2026", name="Power of packages and servers, 2026", aliases=("power",), purpose="power",
        source=("mlperf-power", "own"), fitted="2026-11", rows=sum(row.kind != "check" for row in rows),
        coefficients=coefficients, residuals=summary(power_residuals(data, book)),
    )  # fmt: skip


def fit_rows(rows: Sequence[Row], catalog: Catalog, start: Power | None = None) -> Power:
    """Coefficients fitted on ``rows``, all at once; kind "check" is passed over.

    Minimises the sum over groups (packages under load; servers and the package at rest; speeds) of the mean squared
    relative error.
    """
    from scipy.optimize import least_squares

    packages = [row for row in rows if row.kind == "package" and row.scenario not in _ENDS]
    active = [row for row in packages if row.scenario != "idle"]
    servers = [row for row in rows if row.kind in ("run", "idle")] + [row for row in packages if row.scenario == "idle"]
    speeds = [row for row in rows if row.kind == "speed"]
    names = tuple(_MEANINGS)

    def errors(x: Floats) -> Floats:
        guess = Power(**dict(zip(names, x.tolist(), strict=True)))
        groups = [_errors(group, guess, catalog) / np.sqrt(len(group)) for group in (active, servers, speeds) if group]
        return np.concatenate(groups)

    first = [getattr(start, name) for name in names] if start else list(_START)
    return Power(
        **dict(zip(names, least_squares(errors, first, bounds=(_LOWER, _UPPER), x_scale=_START).x, strict=True))
    )


def power_residuals(data: Path, catalog: Catalog | None = None) -> tuple[PowerResidual, ...]:
    """Every row beside its prediction: once of the fit on all rows, once of each fit that had not seen it.

    Raises:
        CatalogError: the folder lacks one of the files, or it is no table.
    """
    book = catalog or load_catalog()
    rows = read_rows(data, book)
    best = fit_rows(rows, book)
    found = [_residual(row, best, book, "never fitted" if row.kind == "check" else "") for row in rows]
    for what, hidden, kept in _folds(rows):
        fitted = fit_rows(kept, book, best)
        found += [_residual(row, fitted, book, what) for row in hidden]
    return tuple(found)


def summary(rows: Sequence[PowerResidual]) -> dict[str, float]:
    """Median and largest relative error by kind of row and by what was left out, as they stand in the catalogue."""
    names = {
        "run": "node power", "idle": "idle node power", "package": "package power", "speed": "speed under a cap",
        "check": "node power",
    }  # fmt: skip
    found: dict[str, float] = {}
    scored = [one for one in rows if one.row.scenario not in _ENDS]
    for what in dict.fromkeys(one.left_out for one in scored):
        for kind, name in names.items():
            errors = [abs(one.error) for one in scored if one.left_out == what and one.row.kind == kind]
            label = {"": "in sample", "never fitted": "never fitted"}.get(what, f"one {what} left out")
            if errors:
                found |= _two(f"{name}, {label}", errors)
            joules = [abs(one.joules_error) for one in scored if one.left_out == what and one.row.kind == kind]
            if kind == "run" and joules:
                found |= _two(f"energy per token with predicted speed, {label}", joules)
    return found


def _two(name: str, errors: Sequence[float]) -> dict[str, float]:
    return {
        f"{name}: rows": float(len(errors)),
        f"{name}: median |error|": float(np.median(errors)),
        f"{name}: largest |error|": float(np.max(errors)),
    }


def _folds(rows: Sequence[Row]) -> list[tuple[str, list[Row], list[Row]]]:
    """(what is left out, rows left out, rows kept): each model and each system of MLPerf, each layout of Splitwise."""
    measured = [row for row in rows if row.kind != "check"]
    mlperf = [row for row in measured if row.kind in ("run", "idle", "speed") and row.system]
    runs = [row for row in mlperf if row.kind == "run"]
    layouts = [row for row in measured if not row.system and not row.scenario.startswith("idle")]
    hidden = [("model", [row for row in mlperf if row.model == name]) for name in dict.fromkeys(r.model for r in runs)]
    hidden += [
        ("system", [row for row in mlperf if _home(row) == name]) for name in dict.fromkeys(r.place for r in runs)
    ]
    hidden += [
        ("layout", [row for row in layouts if row.place == name]) for name in dict.fromkeys(r.place for r in layouts)
    ]
    return [(what, gone, _without(measured, gone)) for what, gone in hidden]


def _home(row: Row) -> str:
    return next(iter(_FREE_OF)) if row.place == _WIDE else row.place  # both are the same server


def _without(rows: Sequence[Row], hidden: Sequence[Row]) -> list[Row]:
    gone = {id(row) for row in hidden}
    return [row for row in rows if id(row) not in gone]


def _errors(rows: Sequence[Row], power: Power, catalog: Catalog) -> Floats:
    return np.array([_predicted(row, power, catalog) / row.measured - 1.0 for row in rows])


def _predicted(row: Row, power: Power, catalog: Catalog) -> float:
    if row.kind == "package":
        return float(package_watts(1.0, row.compute, row.memory, power))
    if row.kind == "speed":
        return float(capped_speed(row.compute, row.memory, row.tdp_w, row.cap_w, power))
    system = catalog.system(row.system) if row.system else _acme_server(catalog)
    if row.kind == "idle":
        return idle_watts(system, power)
    if row.kind == "run":
        return float(busy_watts(system, row.compute, row.memory, power, row.cap_w))
    return float(unit_watts(system, row.cap_w, power))  # a check: the power of its packages is known


def _residual(row: Row, power: Power, catalog: Catalog, left_out: str) -> PowerResidual:
    predicted = _predicted(row, power, catalog)
    one = PowerResidual(row=row, left_out=left_out, predicted=predicted, error=predicted / row.measured - 1.0)
    if row.kind != "run":
        return one
    rate = row.tokens_per_s
    if row.free_tokens_per_s:
        rate = row.free_tokens_per_s * float(capped_speed(row.compute, row.memory, row.tdp_w, row.cap_w, power))
    joules = float(joules_per_token(row.measured, row.tokens_per_s))
    foreseen = float(joules_per_token(predicted, rate))
    return replace(one, joules=joules, joules_predicted=foreseen, joules_error=foreseen / joules - 1.0)


def _chip(system: System, precision: Literal["bf16", "fp8", "fp4"]) -> Chip:
    package = require_figures(system)
    assert package.power and package.memory_bandwidth
    return Chip(
        tdp_w=package.power.value, peak_flops=package.peak.dense[precision].value,
        bandwidth=package.memory_bandwidth.value,
    )  # fmt: skip


def _phase(params: float, tokens: float, packages: int, seconds: float, chip: Chip) -> tuple[float, float]:
    """(compute, memory) share of a dense 16-bit model that runs ``tokens`` tokens a pass over ``packages``."""
    flop = moved = 2.0 * params / packages / seconds  # two FLOP and two bytes a parameter
    return flop * tokens / chip.peak_flops, moved / chip.bandwidth


def _splitwise_rows(frame: pd.DataFrame) -> list[Row]:
    keys = ["model", "tensor_parallel", "prompt_size", "batch_size", "token_size"]
    known = frame[(frame["average_power"] > 0.0) & (frame["hardware"] == "a100-80gb")]
    rows: list[Row] = []
    for one in known.groupby(keys).median(numeric_only=True).reset_index().to_dict("records"):
        packages, prompt_s, token_s = int(one["tensor_parallel"]), one["prompt_time"] / 1e3, one["token_time"] / 1e3
        params, tokens = _SPLITWISE[one["model"]], one["prompt_size"] * one["batch_size"]
        place = f"A100 x{packages}, {one['model']}"
        if prompt_s < _PROMPT_SHARE * one["e2e_time"] / 1e3:
            compute, memory = _phase(params, one["batch_size"], packages, token_s, A100)
            rows.append(_package_row(place, one["model"], "decode", one["average_power"], compute, memory))
        if prompt_s >= _SAMPLE_S and tokens <= _ITERATION_TOKENS:
            compute, memory = _phase(params, tokens, packages, prompt_s, A100)
            rows.append(_package_row(place, one["model"], "prompt", min(one["peak_power"], 1.0), compute, memory))
    return rows


def _package_row(place: str, model: str, scenario: str, power: float, compute: float, memory: float) -> Row:
    return Row(
        kind="package", place=place, model=model, scenario=scenario, measured=float(power), compute=float(compute),
        memory=float(memory), tdp_w=A100.tdp_w, cap_w=A100.tdp_w,
    )  # fmt: skip


def _idle_rows(acme: dict[str, pd.DataFrame]) -> list[Row]:
    watts = np.mean([np.quantile(frame["col0"], np.array(_IDLE_QUANTILES) / 100.0) for frame in acme.values()], axis=0)
    names = ("idle low", "idle", "idle high")
    return [
        _package_row("A100, Acme", "", name, one / A100.tdp_w, 0.0, 0.0) for name, one in zip(names, watts, strict=True)
    ]


def _decoder_shares(model: Served, tokens_per_s: float, output: float, chip: Chip, width: float) -> tuple[float, float]:
    """(compute, memory) share of a package that returns ``tokens_per_s`` tokens, prompts between the decode steps."""
    batch = _BATCH_BLACKWELL if width < 1.0 else model.batch
    flop = 2.0 * model.active * (model.input_tokens / output + model.beams)
    cache = model.beams * model.cache_values * _CACHE_BYTES * (model.input_tokens + output / 2.0)
    moved = model.total * width / batch + cache
    return flop * tokens_per_s / chip.peak_flops, moved * tokens_per_s / chip.bandwidth


def _plain(model: str) -> str:
    return model.removesuffix(".9").removesuffix("-99")


def _mlperf_rows(power: pd.DataFrame, perf: pd.DataFrame, catalog: Catalog) -> list[Row]:
    rows: list[Row] = []
    for place, (name, precision, width) in PLACES.items():
        system = catalog.system(name)
        chip = _chip(system, precision)  # type: ignore[arg-type]
        here = power[power["system_dir"] == place].copy()
        here["plain"] = here["model"].map(_plain)
        here = here.drop_duplicates(["plain", "scenario"])
        rest = Row(
            kind="idle", place=place, model="", scenario="idle", measured=float(here["idle_before_w"].median()),
            compute=0.0, memory=0.0, tdp_w=chip.tdp_w, cap_w=chip.tdp_w, system=name,
        )  # fmt: skip
        rows.append(rest)
        for one in here[here["plain"].isin(list(SERVED))].to_dict("records"):
            model, n = one["plain"], float(one["accelerators"])
            free = _rate(perf, _FREE_OF.get(place, ""), one["model"], one["scenario"])
            output = one["tokens_per_s"] / one["samples_per_s"]
            rate = (free or one["tokens_per_s"]) / n
            compute, memory = _decoder_shares(SERVED[model], rate, output, chip, width)
            rows.append(
                replace(
                    rest, kind="run", model=model, scenario=one["scenario"], measured=float(one["avg_system_watts"]),
                    compute=compute, memory=memory, cap_w=CAPS[model] if free else chip.tdp_w,
                    tokens_per_s=float(one["tokens_per_s"]), free_tokens_per_s=free,
                )
            )  # fmt: skip
    return rows


def _rate(perf: pd.DataFrame, place: str, model: str, scenario: str) -> float:
    """Output tokens a second of a published run [token/s]; 0 if there is none."""
    same = (perf["system_dir"] == place) & (perf["model"] == model) & (perf["scenario"] == scenario)
    found = perf[same & (perf["submitter"] == "NVIDIA") & (perf["version"] == "v4.1")]["tokens_per_s"]
    return float(found.iloc[0]) if len(found) else 0.0


def _cap_rows(rows: Sequence[Row], perf: pd.DataFrame, catalog: Catalog) -> list[Row]:
    """Speed with a cap over speed without: MaxQ against the same server uncapped, and 700 W against 1,000 W parts."""
    capped = [row for row in rows if row.free_tokens_per_s]
    found = [replace(row, kind="speed", measured=row.tokens_per_s / row.free_tokens_per_s) for row in capped]
    for row in capped:
        wide = _rate(perf, _WIDE, f"{row.model}-99", row.scenario)
        if wide:
            scale = wide / row.free_tokens_per_s
            found.append(
                replace(
                    row, kind="speed", place=_WIDE, measured=1.0 / scale, compute=row.compute * scale,
                    memory=row.memory * scale, tdp_w=_WIDE_TDP, cap_w=row.tdp_w,
                )
            )  # fmt: skip
    return found


def _half_rows(frame: pd.DataFrame, chip: Chip) -> list[Row]:
    same = (frame["hardware"] == "h100-80gb") & (frame["tensor_parallel"] == _HALF_PACKAGES)
    here = frame[same & (frame["model"] == _HALF_MODEL) & (frame["prompt_size"] == _ITERATION_TOKENS)]
    rows: list[Row] = []
    for name, ratio in _HALF_ROWS:
        tokens = _ITERATION_TOKENS if name == "prompt" else 1
        seconds = float(here[f"{name}_time"].median()) / 1e3
        compute, memory = _phase(_SPLITWISE[_HALF_MODEL], tokens, _HALF_PACKAGES, seconds, chip)
        rows.append(
            Row(
                kind="speed", place=f"H100 x{_HALF_PACKAGES}, {_HALF_MODEL}", model=_HALF_MODEL, scenario=name,
                measured=ratio, compute=compute, memory=memory, tdp_w=chip.tdp_w, cap_w=_HALF * chip.tdp_w,
            )
        )  # fmt: skip
    return rows


def _check_rows(acme: dict[str, pd.DataFrame], server: pd.DataFrame, catalog: Catalog) -> list[Row]:
    """Rows no coefficient was fitted on: an H100 server in training, and the mean A100 server of Acme."""
    h100 = _chip(catalog.system("hgx-h100"), "bf16")
    mean = float(np.mean([frame["col0"].mean() for name, frame in acme.items() if name.endswith("seren")]))
    training = Row(
        kind="check", place="8x H100", model="", scenario="training, highest", measured=_CHECK_H100_W, compute=1.0,
        memory=1.0, tdp_w=h100.tdp_w, cap_w=h100.tdp_w, system="hgx-h100",
    )  # fmt: skip
    return [
        training,
        replace(training, place="8x A100, Acme", scenario="mean of a cluster", measured=float(server["col0"].mean()),
                tdp_w=A100.tdp_w, cap_w=mean, system=""),
    ]  # fmt: skip


def _acme_server(catalog: Catalog) -> System:
    """An 8x A100 server: 6.5 kW at most (NVIDIA DGX A100 data sheet); all else is not read."""
    h100 = catalog.system("hgx-h100")
    assert h100.package and h100.package.power and h100.it_power
    package = h100.package.model_copy(update={"power": replace(h100.package.power, value=A100.tdp_w)})
    return h100.model_copy(update={"package": package, "it_power": replace(h100.it_power, value=6500.0)})
