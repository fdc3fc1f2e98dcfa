"""An interrupted simulation of a fleet as a file: cells that are finished, to go on with the others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gigawatt.core.errors import ScenarioError
from gigawatt.serving import memory as c
from gigawatt.serving.metrics import LINE_UNITS, Counts, Line, Metrics
from gigawatt.study.fleet import LOOKS, Part, Run, Sample, bins_of
from gigawatt.study.resume import Arrays, Like, UnusableError, check_like, read_state, write_state


def run_key(run: Run, more: str = "") -> str:
    """What a file to resume must match: fleets, loads, samples, seed, and what the caller adds."""
    told: list[object] = [run.seed, more]
    for one in run.samples:
        cells = one.cells
        told += [
            cells.name, cells.block, one.n, one.horizon_s, cells.rate_per_s, cells.cell_rate_per_s, cells.warm_s,
            [(pool.name, pool.n_replicas, pool.max_sequences, pool.kv_blocks) for pool in cells.fleet.pools],
            [float(pool.table.decode_s.sum() + pool.table.prefill_s.sum()) for pool in cells.fleet.pools],
            [(load.stream.name, float(load.rate_per_s[0]), load.cv) for load in cells.loads],
        ]  # fmt: skip
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def save_run(run: Run, path: Path, key: str) -> None:
    """Writes what is finished. Raises ScenarioError where it cannot."""
    arrays: dict[str, np.ndarray] = {}
    for (sample, cell), part in run.done.items():
        at, metrics = f"{sample}.{cell}", part.metrics
        arrays[f"{at}.counts"] = np.array([[one.n[name] for name in c.COUNTS] for one in metrics.streams])
        arrays[f"{at}.sketches"] = np.stack([one.sketches for one in metrics.streams])
        arrays[f"{at}.lines"] = np.stack(
            [np.stack([line.start_s, line.width_s, *(line.values[k] for k in LINE_UNITS)]) for line in metrics.lines]
        )
        arrays[f"{at}.in_flight"] = part.in_flight
        arrays[f"{at}.times"] = np.array([metrics.end_s, part.kernel_s])
    try:
        write_state(path, "simulation", key, arrays)
    except OSError as error:
        raise ScenarioError(f"cannot write {path}: {error.strerror}; choose another file") from error


def resume_run(run: Run, path: Path, key: str) -> None:
    """Puts the finished cells of a file into a run. Raises ScenarioError where it is none or of another simulation."""
    if not path.is_file():
        raise ScenarioError(f"{path} is not there; an interrupted simulation says which file it wrote")
    try:
        found, held = read_state(path, "simulation")
        done = {
            (sample, cell): _part(
                run.samples[sample], {name.rpartition(".")[2]: held[name] for name in held
                                      if name.startswith(f"{sample}.{cell}.")}
            )
            for sample, cell in (_cells_of(run, held) if found == key else ())
        }  # fmt: skip
    except UnusableError as error:
        raise ScenarioError(
            f"{path} is no interrupted simulation; it cannot be resumed: {error}; start without --resume"
        ) from error
    if found != key:
        raise ScenarioError(
            f"{path} is of another simulation; resume it with the same scenario, quarter, size and seed"
        )
    run.done.update(done)


def _cells_of(run: Run, held: Arrays) -> Iterator[tuple[int, int]]:
    """(sample, cell) of what a file holds. Raises UnusableError for one that the run does not have."""
    for at in sorted({name.rpartition(".")[0] for name in held}):
        sample, _, cell = at.partition(".")
        if not (sample.isdecimal() and cell.isdecimal() and int(sample) < len(run.samples)) or (
            int(cell) >= run.samples[int(sample)].n
        ):
            raise UnusableError(f"it holds a cell '{at}' that this run does not have")
        yield int(sample), int(cell)


def _likes(sample: Sample, n_bins: int) -> dict[str, Like]:
    """What a finished cell of a sample is, with ``n_bins`` of its time lines."""
    n_streams, n_pools = len(sample.cells.loads), len(sample.cells.fleet.pools)
    return {
        "counts": Like((n_streams, len(c.COUNTS)), np.int64),
        "sketches": Like((n_streams, len(c.METRICS), c.BUCKETS), np.int64),
        "lines": Like((n_pools, 2 + len(LINE_UNITS), n_bins), np.float64),
        "in_flight": Like((LOOKS,), np.int64),
        "times": Like((2,), np.float64),
    }


def _part(sample: Sample, read: Arrays) -> Part:
    """A finished cell. Raises UnusableError where the arrays are not those of one of the sample."""
    bins = bins_of(sample.horizon_s)  # fewer where the last request ended before
    n_bins = min(np.shape(read.get("lines", ()))[-1:] or (bins,))
    check_like(read, _likes(sample, min(n_bins, bins)))
    streams = tuple(
        Counts(name=traffic.name, n=dict(zip(c.COUNTS, counts.tolist(), strict=True)), sketches=sketches)
        for traffic, counts, sketches in zip(
            sample.cells.fleet.traffic[: len(sample.cells.loads)], read["counts"], read["sketches"], strict=True
        )
    )
    lines = tuple(
        Line(name=pool.name, start_s=line[0], width_s=line[1], values=dict(zip(LINE_UNITS, line[2:], strict=True)))
        for pool, line in zip(sample.cells.fleet.pools, read["lines"], strict=True)
    )
    end_s, kernel_s = read["times"].tolist()
    if end_s != sample.horizon_s:
        raise UnusableError(f"its cells count {end_s:g} s, not {sample.horizon_s:g} s as this run")
    metrics = Metrics(streams=streams, lines=lines, end_s=end_s)
    return Part(metrics=metrics, in_flight=read["in_flight"], kernel_s=kernel_s)
