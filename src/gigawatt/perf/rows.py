"""Measured serving points as rows: reading them, leaving out what cannot be meant, and what each says to the model.

The format is that of the public InferenceX points as AIConfigurator bundles them (``silicon_calibration.csv``).
Blanks have defaults: a precision is the narrowest named by the quantisation modes, the ``precision`` column, the
upload's name, else the released weights; attention ranks fill the packages of the experts; expert layout is tensor
parallel; benchmark lengths are drawn between 0.8 and 1 of the nominal ones, so their mean is 0.9 (files of a fixed
length are told by their source column).
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gigawatt.catalog.load import Catalog
from gigawatt.catalog.schema import Model, System
from gigawatt.core.errors import CatalogError
from gigawatt.core.reading import read_bytes
from gigawatt.perf.layout import Layout
from gigawatt.perf.operators import Floats, Work, experts_touched, stacked, work_of
from gigawatt.perf.precision import STORED_BITS, Serving, settle
from gigawatt.perf.shape import n_moe_layers

if TYPE_CHECKING:
    import pandas as pd

MEASURED = ("silicon_ttft_ms", "silicon_tpot_ms")
NEEDED = ("backend", "model_path", "system", "isl", "osl")
LENGTH_RATIO = 0.9  # mean over nominal length of a benchmark that draws from 0.8 to 1
NOW_Y = 2026.3  # software of April 2026 has age 0

# When the first release of a version line came out, in years; a row's own date is used where none is named.
_RELEASED = {
    ("vllm", "0.12"): 2025.95, ("vllm", "0.15"): 2026.1, ("vllm", "0.16"): 2026.15, ("vllm", "0.17"): 2026.2,
    ("vllm", "0.18"): 2026.25, ("vllm", "0.19"): 2026.3, ("sglang", "0.5.1"): 2025.65, ("sglang", "0.5.6"): 2025.95,
    ("sglang", "0.5.8"): 2026.05, ("sglang", "0.5.9"): 2026.15, ("trtllm", "1.0"): 2025.55, ("trtllm", "1.1"): 2025.7,
    ("trtllm", "1.2"): 2025.95, ("trtllm", "1.3"): 2026.2,
}  # fmt: skip
_STORAGE = {
    "nvfp4": "nvfp4", "mxfp4": "mxfp4", "w4a16_mxfp4": "mxfp4", "w4a8_mxfp4_mxfp8": "mxfp4", "int4": "int4",
    "int4_wo": "int4", "w4a16": "int4", "fp8": "fp8", "fp8_static": "fp8", "fp8_block": "fp8_block",
    "bfloat16": "bf16", "bf16": "bf16", "fp16": "fp16", "float16": "fp16", "int8": "int8",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What one row says: who serves what how, in numbers the model takes."""

    system: System
    model: Model
    serving: Serving
    layout: Layout
    prefill_layout: Layout | None
    batch: float
    prompt: float
    output: float
    concurrency: float
    backend: str
    age_y: float
    blank: tuple[str, ...] = ()

    def work(self, layout: Layout | None = None, behind: float = 1.0) -> Work:
        """Scalars of the row."""
        assert self.system.package
        return work_of(self.system, self.system.package, self.model, self.serving, layout or self.layout, behind=behind)


def read_rows(path: Path) -> pd.DataFrame:
    """Rows of a CSV of serving points. Raises CatalogError where ``read_csv`` does, or it lacks a column or any row."""
    frame = read_csv(path)
    missing = [name for name in NEEDED if name not in frame.columns]
    if missing:
        raise CatalogError(
            f"{path}: lacks the column {missing[0]}; needed are {', '.join(NEEDED)} and a layout, comma-separated"
        )
    if not len(frame):
        raise CatalogError(f"{path}: holds a header and no row; a row a serving point is right")
    return frame


def read_csv(path: Path) -> pd.DataFrame:
    """Rows of a CSV, gz or not. Raises CatalogError with a sentence where it is missing or no table."""
    import pandas as pd

    try:
        data = read_bytes(path)
        _check_table(path, data)
        return pd.read_csv(io.BytesIO(data))
    except FileNotFoundError as error:
        raise CatalogError(f"{path}: there is no such file") from error
    except OSError as error:
        raise CatalogError(f"{path}: cannot be read ({error.strerror})") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, csv.Error) as error:
        raise CatalogError(f"{path}: is not a CSV table ({' '.join(str(error).split())})") from error


def _check_table(path: Path, data: bytes) -> None:
    """Raises CatalogError for an archive, a column named twice and a row that is wider than the header."""
    if data.startswith(b"PK") or path.suffix.lower() == ".zip":
        raise CatalogError(f"{path}: is {'' if data.startswith(b'PK') else 'named as '}a zip archive; unpack it to CSV")
    rows = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    header = next(rows, [])
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice is not None:
        raise CatalogError(f"{path}: names the column {twice} twice; each name once is right")
    for line, row in enumerate((row for row in rows if row), start=1):
        if len(row) > len(header):
            raise CatalogError(f"{path}: row {line:,} has {len(row)} fields where the header names {len(header)}")


_NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*|\s*|nan|[+-]?inf", re.IGNORECASE)


def _number(row: Any, name: str, default: float, *, whole: bool = False, zero: bool = False) -> float:
    """A number above 0; ``default`` where the cell is blank, or holds 0 where ``zero`` allows it for a blank."""
    value = getattr(row, name, None)
    if isinstance(value, bool | np.bool_) or (isinstance(value, str) and not _NUMBER.fullmatch(value)):
        raise CatalogError(f"{name} is '{value}'; it must be a number")
    number = float(value) if value is not None and str(value).strip() else float("nan")
    if np.isnan(number) or (zero and number == 0.0):
        return default
    if number <= 0.0 or not np.isfinite(number) or (whole and number != round(number)) or number > 1e9:
        raise CatalogError(f"{name} is {number:g}; it must be a {'whole ' if whole else ''}number above 0")
    return number


def _text(row: Any, name: str) -> str:
    value = getattr(row, name, "")
    return value.strip() if isinstance(value, str) else ""


def storage_of(row: Any, model: Model) -> str:
    """How the weights of a row are stored; rules in the docstring of this file."""
    released = model.weights_precision
    if released == "mxfp4":
        return released
    moe = n_moe_layers(model.architecture) > 0
    for name in ("moe_quant_mode", "gemm_quant_mode") if moe else ("gemm_quant_mode",):
        mode = _text(row, name).lower()
        if mode in _STORAGE:
            return _STORAGE[mode]
    upload = _text(row, "model_path").lower()
    for part in ("nvfp4", "mxfp4", "int4", "fp8"):
        if part in upload:
            return part
    said = _text(row, "precision").lower()
    if said == "fp4":
        return "nvfp4"
    if said == "fp8":
        return released if STORED_BITS[released] < 9.0 and released.startswith("fp8") else "fp8"
    return _STORAGE.get(said, "bf16" if released in ("fp16", "bf16") else released)


def age_of(row: Any) -> float:
    """Years by which the row's software lags April 2026, at least 0."""
    version, backend = _text(row, "backend_version"), _text(row, "backend")
    for (name, line), year in _RELEASED.items():
        if backend == name and (version == line or version.startswith(line + ".")):
            return max(0.0, NOW_Y - year)
    source = _text(row, "silicon_data_source")
    if "measured=" in source:
        date = source.split("measured=", 1)[1][:10].split("-")
        if len(date) == 3 and all(part.isascii() and part.isdigit() for part in date):
            return max(0.0, NOW_Y - (int(date[0]) + (int(date[1]) - 1) / 12.0 + int(date[2]) / 365.0))
    return max(0.0, NOW_Y - 2026.0)


def length_ratio(row: Any) -> float:
    """Mean over nominal length: 1 where the file says that lengths were fixed, else LENGTH_RATIO."""
    return 1.0 if "source_file=/" in _text(row, "silicon_data_source") else LENGTH_RATIO


def _layout(row: Any, model: Model, prefix: str = "") -> Layout:
    tp = _number(row, f"{prefix}tp_size", 1.0, whole=True)
    pp = _number(row, f"{prefix}pp_size", 1.0, whole=True, zero=True)
    dp = _number(row, f"{prefix}attention_dp_size", 0.0, whole=True, zero=True)
    if not n_moe_layers(model.architecture):
        return Layout(tp=int(tp), pp=int(pp), dp=int(max(dp, 1.0)))
    moe_tp = _number(row, f"{prefix}moe_tp_size", 1.0, whole=True, zero=True)
    ep = _number(row, f"{prefix}moe_ep_size", 1.0, whole=True, zero=True)
    if not dp:
        dp = max(1.0, np.floor(moe_tp * ep / tp))
    world = tp * dp
    ep = min(ep, world) if world % min(ep, world) == 0 else 1.0
    return Layout(tp=int(tp), pp=int(pp), dp=int(dp), moe_tp=int(world / ep), moe_ep=int(ep))


def lacking(system: System) -> str:
    """What a system's entry lacks to be timed, as a sentence; empty where nothing is missing."""
    if system.kind == "sram" or system.package is None:
        return ""
    figures = {
        "memory": system.package.memory, "memory_bandwidth": system.package.memory_bandwidth,
        "n_packages": system.n_packages, "it_power": system.it_power, "scale_up_packages": system.scale_up_packages,
    }  # fmt: skip
    missing = [name for name, fact in figures.items() if fact is None]
    return f"{system.name} has no {' and no '.join(missing)} in the catalogue; add it to the entry" if missing else ""


def point_of(row: Any, catalog: Catalog) -> Point:
    """What a row says. Raises CatalogError with the sentence that belongs into its note."""
    system, model = catalog.system(_text(row, "system")), catalog.model(_text(row, "model_path"))
    if system.package is None or system.status == "undisclosed":
        raise CatalogError(f"{system.id} cannot be planned: {system.refusal}")
    lack = lacking(system)
    if lack:
        raise CatalogError(lack)
    backend = _text(row, "backend").lower()
    ratio = length_ratio(row)
    serving = settle(system, model, storage_of(row, model))
    mode = _text(row, "mode")
    if mode not in ("", "agg", "disagg"):
        raise CatalogError(f"mode is '{mode}'; known are agg and disagg")
    split = mode == "disagg"
    side = "decode_" if split else ""
    layout = _layout(row, model, side)
    prompt, output = _number(row, "isl", 0.0) * ratio, _number(row, "osl", 0.0) * ratio
    if not prompt or not output:
        raise CatalogError("isl and osl are needed; write the mean tokens of prompt and answer")
    longest = model.architecture.max_context
    if longest and prompt + output > longest:
        raise CatalogError(f"{model.name} takes {longest:,} tokens of context at most, not {prompt + output:,.0f}")
    batch = _number(row, f"{side}batch_size", 1.0)
    blank: tuple[str, ...] = () if _number(row, f"{side}batch_size", 0.0) else (f"{side}batch_size (1)",)
    blank += () if _number(row, f"{side}tp_size", 0.0, whole=True) else (f"{side}tp_size (1)",)
    source = _text(row, "silicon_data_source")
    said = source.split("silicon_concurrency=", 1)[1].split(";")[0] if "silicon_concurrency=" in source else ""
    return Point(
        system=system, model=model, serving=serving, layout=layout,
        prefill_layout=_layout(row, model, "prefill_") if split else None,
        batch=batch, prompt=prompt, output=output,
        concurrency=float(said) if said.isascii() and said.isdigit() else batch * layout.dp,
        backend=backend, age_y=age_of(row), blank=blank,
    )  # fmt: skip


# ------------------------------------------------------------------ what is left out, by stated rule

RULES = {
    "suspect": "the published row is marked suspect",
    "disaggregated": "prefill and decode on packages of their own: scored apart",
    "two layouts": "the same measurement is filed under two layouts",
    "repeat": "the same measurement stands twice (same times, lengths, system, backend)",
    "development image": "an image of a backend frozen during development (tag ends in -dev, nightly builds apart)",
    "speculation": "below 0.75 of its slower twin (same settings, interpolated over batch) on a model with draft "
    "layers, or from an image of which half of the rows are",
    "not monotone": "a run in which a larger batch is a quarter faster",
    "below the bound": "faster than reading its weights and cache once at full bandwidth",
}
_TWIN = 0.75


def clean(frame: pd.DataFrame, catalog: Catalog) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(rows to use, rows left out with the rule that did it in ``left_out``) of aggregated measurements."""
    import pandas as pd

    rows = frame.copy()
    left: list[pd.DataFrame] = []

    def drop(mask: Any, rule: str) -> None:
        nonlocal rows
        chosen = np.asarray(mask, dtype=bool)
        left.append(rows[chosen].assign(left_out=rule))
        rows = rows[~chosen].reset_index(drop=True)

    drop(rows["suspect"].fillna("") != "" if "suspect" in rows else np.zeros(len(rows)), "suspect")
    drop(rows["mode"] == "disagg" if "mode" in rows else np.zeros(len(rows)), "disaggregated")
    rows["model_id"] = [catalog.model(name).id for name in rows["model_path"]]
    twins = {one.id: _twin_name(one) for one in catalog.all(Model)}
    rows["shape"] = [twins[name] for name in rows["model_id"]]
    rows["dp"] = [_layout(row, catalog.model(str(row.model_path))).dp for row in rows.itertuples()]
    same = ["system", "backend", "isl", "osl", "_ttft", "_tpot"]
    rows["_ttft"], rows["_tpot"] = rows[MEASURED[0]].round(3), rows[MEASURED[1]].round(4)
    settings = ["tp_size", "dp", "batch_size", "shape", "precision"]
    filed = ["/".join(map(str, row)) for row in rows[settings].itertuples(index=False)]
    drop(rows.assign(filed=filed).groupby(same, dropna=False)["filed"].transform("nunique") > 1, "two layouts")
    drop(rows.duplicated(same), "repeat")
    drop(_frozen(rows), "development image")
    drop(_speculating(rows, catalog), "speculation")
    drop(_not_monotone(rows), "not monotone")
    points = [point_of(row, catalog) for row in rows.itertuples()]
    drop(rows[MEASURED[1]].to_numpy() / 1e3 < lower_bound_s(points), "below the bound")
    return rows.drop(columns=["_ttft", "_tpot"]), pd.concat(left, ignore_index=True)


def _twin_name(model: Model) -> str:
    shape = model.architecture
    return f"{shape.n_layers}x{shape.hidden}x{shape.n_experts}"


def _frozen(rows: pd.DataFrame) -> Floats:
    version = rows["backend_version"].fillna("").astype(str)
    frozen = version.str.endswith("-dev") & ~version.str.startswith("nightly")
    key = ["system", "backend", "shape"]
    images = rows.assign(frozen=frozen).groupby(key)["frozen"].transform("any")
    return np.asarray(frozen | (images & (version == "")))


def _speculating(rows: pd.DataFrame, catalog: Catalog) -> Floats:
    drafts = np.array([catalog.model(name).architecture.n_mtp_layers > 0 for name in rows["model_id"]])
    found = np.zeros(len(rows), dtype=bool)
    settings = ["shape", "system", "backend", "precision", "isl", "osl", "tp_size", "dp"]
    for _, twins in rows[drafts].groupby(settings, dropna=False):
        slowest = twins.groupby("batch_size")[MEASURED[1]].max()
        slowest = slowest[slowest >= slowest.cummax() * 0.999]
        expected = np.exp(np.interp(np.log(twins["batch_size"]), np.log(slowest.index), np.log(slowest.to_numpy())))
        found[twins.index[twins[MEASURED[1]].to_numpy() < _TWIN * expected]] = True
    image = ["shape", "system", "backend", "backend_version", "precision"]
    named = rows.assign(found=found)[drafts & rows["backend_version"].notna()]
    for _, same in named.groupby(image, dropna=False):
        if same["found"].mean() >= 0.5:
            found[same.index] = True
    return found


def _not_monotone(rows: pd.DataFrame) -> Floats:
    found = np.zeros(len(rows), dtype=bool)
    run = ["shape", "system", "backend", "backend_version", "precision", "isl", "osl", "tp_size", "dp", "moe_ep_size"]
    source = rows["silicon_data_source"].fillna("").str.contains("source_file=/", regex=False)
    for _, same in rows.assign(fixed=source).groupby([*run, "fixed"], dropna=False):
        times = same.sort_values("batch_size")[MEASURED[1]].to_numpy()
        if (times < _TWIN * np.maximum.accumulate(times)).any():
            found[same.index] = True
    return found


def lower_bound_s(points: list[Point]) -> Floats:
    """Reading weights and cache once at full bandwidth, lengths at the short end of their range [s]."""
    from gigawatt.perf.inference import cache_bytes_per_token, capacity_sequences

    w = stacked([one.work() for one in points])
    batch, prompt, output = (np.array([getattr(one, name) for one in points]) for name in ("batch", "prompt", "output"))
    experts = experts_touched(w, batch * w.dp, 0.5)
    weights = (w.attention * w.attention_bytes + w.dense * w.dense_bytes + 2.0 * w.head) / w.tp
    weights = weights + experts * w.expert * w.expert_bytes / (np.asarray(w.moe_tp) * w.moe_ep)
    running = np.minimum(batch, np.maximum(capacity_sequences(w, prompt + output), 1.0))
    narrow = cache_bytes_per_token(w) / np.asarray(w.kv_bytes)
    seen = np.minimum(0.88 * (prompt + 0.5 * output), w.top_k)
    return np.asarray((weights + running * seen * narrow) / w.bandwidth)
