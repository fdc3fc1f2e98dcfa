"""ServeGen's clients as loads: rates in windows, burstiness and lengths of each."""

from __future__ import annotations

import csv
import errno
import io
import os
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from gigawatt.core.errors import TraceError
from gigawatt.core.reading import MOST_BYTES, json_of, opened, read_text
from gigawatt.demand.lengths import Lengths, empirical, lognormal
from gigawatt.demand.requests import Stream
from gigawatt.demand.synthetic import Load

MOST = 1e12
"""Seconds, requests a second and their spread end here."""
_PROMPT = ("input_tokens",), ("text_tokens", "image_tokens", "audio_tokens", "video_tokens")
FALLBACK = lognormal(1000.0, 1.5), lognormal(300.0, 1.5)
"""Prompt and answer where no client says any. Judgement: the order of ServeGen's language models, within a factor 3."""


def read_loads(path: str | Path, *, pool: str = "") -> tuple[Load, ...]:
    """One load a client of a pool, or one for a CSV of summed rates (window_start_s, requests_per_s).

    A client's gaps have the mean cv of its windows, by requests, and the family most of those have; a cv below 0.05 or
    above 50 counts as that. Lengths are the tables of its windows put together; a client without takes all others'.
    Windows repeat after the last.

    Args:
        path: folder or tar.gz of chunk-*-trace.csv and chunk-*-dataset.json, or the CSV.
        pool: name of the model's folder where there are several.

    Raises:
        TraceError: nothing of the kind there, several pools and none named, or a row that does not parse.

    Source: Xiang et al. 2025, arXiv:2505.09999.
    """
    path = Path(path)
    if path.is_file() and path.suffix == ".csv":
        return (_summed(path),)
    files = dict(_files(path))
    pools = sorted({PurePosixPath(name).parent.name for name in files})
    if pool and pool not in pools:
        raise TraceError(f"{path} has no pool '{pool}'; it has {', '.join(pools) or 'none'}")
    if not pool and len(pools) != 1:
        raise TraceError(
            f"{path} holds the pools {', '.join(pools)}; name one" if pools
            else f"{path} holds no chunk-*-trace.csv; a folder or tar.gz of ServeGen's data is right"
        )  # fmt: skip
    chosen = {name: text for name, text in files.items() if PurePosixPath(name).parent.name == (pool or pools[0])}
    loads = [
        _client(name, text, chosen.get(name.replace("-trace.csv", "-dataset.json")), pool or pools[0])
        for name, text in sorted(chosen.items())
        if name.endswith("-trace.csv")
    ]
    found = [one for one in loads if one is not None]
    if not found:
        raise TraceError(f"{path}: no client of '{pool or pools[0]}' sends anything")
    told = [one for one in found if one.input is not FALLBACK[0]]
    if not told:
        return tuple(found)
    shares = [float(one.rate_per_s.mean()) for one in told]
    prompt = _joined([(one.input, share) for one, share in zip(told, shares, strict=True)])
    answer = _joined([(one.output, share) for one, share in zip(told, shares, strict=True)])
    return tuple(replace(one, input=prompt, output=answer) if one.input is FALLBACK[0] else one for one in found)


def _files(path: Path) -> Iterator[tuple[str, str]]:
    """(name, text) of trace and dataset files."""
    wanted = ("-trace.csv", "-dataset.json")
    try:
        if os.path.isdir(path):
            for one in sorted(path.rglob("chunk-*")):
                if one.name.endswith(wanted):
                    yield one.resolve().as_posix(), read_text(one)
            return
        with opened(path) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as archive:
            n_bytes = 0
            for member in archive:
                n_bytes += member.size
                if n_bytes > MOST_BYTES:
                    raise OSError(errno.EFBIG, f"it unpacks to more than {MOST_BYTES >> 20:,} MiB")
                if member.isfile() and member.name.endswith(wanted):
                    file = archive.extractfile(member)
                    assert file is not None
                    yield member.name, file.read().decode()
    except (OSError, tarfile.TarError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TraceError(f"{path} cannot be read: {reason}; a folder or tar.gz of ServeGen's data is right") from error


def _summed(path: Path) -> Load:
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TraceError(f"{path} cannot be read: {reason}; name a file that exists") from error
    rows = _rows(path.name, text, 2, header=True)
    start, rate = np.array([[float(cell or 0.0) for cell in row[:2]] for row in rows]).T
    return Load(
        stream=Stream(name=path.stem.removeprefix("aggregate_rate_")), rate_per_s=rate, bin_s=_width(path.name, start),
        input=FALLBACK[0], output=FALLBACK[1],
    )  # fmt: skip


def _rows(name: str, text: str, fields: int, *, header: bool) -> list[list[str]]:
    rows = [row for row in csv.reader(io.StringIO(text)) if row][1 if header else 0 :]
    for line, row in enumerate(rows, start=1):
        try:
            told = [float(cell) for at, cell in enumerate(row[: min(fields, 3)]) if cell or at < 1]
            bad = len(row) < fields or not all(0.0 <= value <= MOST for value in told)
        except ValueError:
            bad = True
        if bad:
            raise TraceError(
                f"{name}, row {line}: {','.join(row)} does not parse; window start and rate first are right"
            )
    if not rows:
        raise TraceError(f"{name} is empty; a window start and a rate in each row are right")
    return rows


def _width(name: str, start: Any) -> float:
    steps = np.unique(np.diff(start))
    if len(steps) > 1 or (len(steps) and steps[0] <= 0.0):
        raise TraceError(f"{name}: windows must be equally long and rise")
    return float(steps[0]) if len(steps) else 600.0


def _client(name: str, text: str, dataset: str | None, pool: str) -> Load | None:
    """A client's load; none where it never sends."""
    rows = _rows(name, text, 4, header=False)
    start = np.array([float(row[0]) for row in rows])
    rate = np.array([float(row[1] or 0.0) for row in rows])
    cv = np.array([float(row[2] or np.nan) for row in rows])
    known = np.isfinite(cv) & (cv > 0.0) & (rate > 0.0)
    if not rate.any():
        return None
    families = [row[3].lower() for row in rows]
    mean = float(np.clip(np.average(cv[known], weights=rate[known]), 0.05, 50.0)) if known.any() else 1.0
    weibull = sum(rate[i] for i in np.flatnonzero(known) if families[i] == "weibull")
    both = _lengths(dataset) if dataset else FALLBACK
    return Load(
        stream=Stream(name=pool), rate_per_s=rate, bin_s=_width(name, start), input=both[0], output=both[1],
        family="weibull" if 2.0 * weibull > rate[known].sum() else "gamma", cv=mean,
    )  # fmt: skip


def _lengths(text: str) -> tuple[Lengths, Lengths]:
    """Prompt and answer over all windows; several kinds of input are drawn apart, so their means are added on."""
    try:
        found = json_of(text)
    except ValueError as error:
        raise TraceError(f"a dataset of lengths is no JSON that can be read: {error}") from error
    windows = list(found.values()) if isinstance(found, dict) else [found]
    if not all(isinstance(one, dict) for one in windows):
        raise TraceError("a dataset of lengths is no object of windows; {window: {input_tokens: ...}} is right")
    parts = [_table(windows, key) for key in _PROMPT[0]]
    if parts[0] is None:
        kinds = [one for key in _PROMPT[1] if (one := _table(windows, key)) is not None]
        if kinds:
            largest = max(kinds, key=lambda one: one.mean)
            rest = round(sum(one.mean for one in kinds) - largest.mean)
            parts = [empirical(largest.values + rest, largest.weights)]
    answer = _table(windows, "output_tokens")
    return (parts[0], answer) if parts[0] is not None and answer is not None else FALLBACK


def _table(windows: list[dict[str, Any]], key: str) -> Lengths | None:
    """Lengths of all windows that name any; none where none does."""
    pairs = [_pairs(window.get(key, "{}")) for window in windows]
    lengths = np.concatenate([np.zeros(0), *(one[0] for one in pairs)])
    weights = np.concatenate([np.zeros(0), *(one[1] for one in pairs)])
    if not weights.sum() > 0.0:
        return None
    distinct, place = np.unique(np.maximum(lengths.astype(np.int64), 1), return_inverse=True)
    return empirical(distinct, np.bincount(place, weights=weights))


def _pairs(text: str) -> tuple[Any, Any]:
    """(lengths, weights) of a table written as {length: weight, ...}."""
    if not isinstance(text, str):
        raise TraceError(f"'{str(text)[:40]}' is no table of lengths; the text {{length: weight, ...}} is right")
    inside = text.strip().strip("{}").replace(":", ",")
    try:
        cells = np.array([float(cell) for cell in inside.split(",") if cell.strip()])
        lengths, weights = cells.reshape(-1, 2).T
    except ValueError as error:
        raise TraceError(f"'{text[:40]}' is no table of lengths; {{length: weight, ...}} is right") from error
    return lengths, weights


def _joined(parts: list[tuple[Lengths, float]]) -> Lengths:
    values = np.concatenate([one.values for one, _ in parts])
    weights = np.concatenate([share * one.weights / one.weights.sum() for one, share in parts])
    distinct, place = np.unique(values, return_inverse=True)
    return empirical(distinct, np.bincount(place, weights=weights))
