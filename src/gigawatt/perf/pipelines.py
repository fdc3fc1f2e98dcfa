"""Configurations of machines with weights in SRAM: replicas of several sizes and the sequences each holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gigawatt.core.errors import CatalogError
from gigawatt.perf.candidates import Candidates
from gigawatt.perf.dataflow import Replica, replica
from gigawatt.perf.draw import usd_per_h
from gigawatt.perf.inference import Speculation
from gigawatt.perf.operators import Floats
from gigawatt.perf.precision import STORED_BITS
from gigawatt.perf.task import Basis, Options, Task

_STAGES_FULL = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # sequences of a pipeline over its stages, SRAM machines


def in_sram(none: Candidates, basis: Basis, options: Options) -> Candidates:
    """Replicas of several sizes and the sequences each holds; prompts pass the pipeline between others' tokens."""
    system, task = none.system, none.task
    stored = options.weights or task.model.weights_precision
    if stored not in STORED_BITS:
        raise CatalogError(f"'{stored}' is no way to store weights; known are {', '.join(STORED_BITS)}")
    stages = task.model.architecture.n_layers
    found: dict[int, tuple[Replica, int]] = {}
    for places in (1, *(max(2, round(share * stages)) for share in _STAGES_FULL)):
        copy = replica(
            system, task.model, basis.dataflow, precision=stored, context=task.prompt + task.output, sequences=places
        )
        if options.pipeline_packages and not copy.reason:
            if copy.n_packages > options.pipeline_packages:
                break
            found[options.pipeline_packages] = replace(copy, n_packages=options.pipeline_packages), places
            continue
        if copy.reason or (options.max_packages and copy.n_packages > options.max_packages):
            limit = (
                f"{task.model.name} takes {copy.n_packages:,} packages of {system.name}; "
                f"{options.max_packages:,} are allowed"
            )
            none = replace(none, reason=none.reason or copy.reason or limit)
            break
        found[copy.n_packages] = copy, places
    if not found:
        return none
    columns = [_pipeline(copy, places, task, options.speculation) for copy, places in found.values()]
    sizes = np.array([len(batch) for batch, *_ in columns])
    layout = np.repeat(np.arange(len(columns)), sizes)
    watts = np.concatenate([one[4] for one in columns])
    copies = [copy for copy, _ in found.values()]
    measured = copies[0].coefficients is not None and copies[0].coefficients.is_measured
    return replace(
        none, reason="", maker="dataflow", precision=f"{stored} weights in SRAM", weights=stored,
        band="published speeds of the machine" if measured else "no published speed of the machine",
        names=tuple(f"{copy.n_stages} stages on {copy.n_packages}" for copy in copies),
        layout=layout, prefill_layout=np.full(len(layout), -1), batch=np.concatenate([one[0] for one in columns]),
        n_packages=np.array([copy.n_packages for copy in copies], dtype=np.float64)[layout],
        prefill_per_decode=np.zeros(len(layout)), tpot_s=np.concatenate([one[1] for one in columns], axis=1),
        ttft_s=np.concatenate([one[2] for one in columns], axis=1),
        tokens_per_s_package=np.concatenate([one[3] for one in columns], axis=1), watts_package=watts,
        usd_per_h_package=usd_per_h(system, watts, basis.costs), n_evaluated=len(layout),
    )  # fmt: skip


def _pipeline(
    copy: Replica, places: int, task: Task, speculation: Speculation
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """(sequences (k,), TPOT (3, k), TTFT (3, k), tokens/s a package (3, k), W a package (k,)) of one replica.

    A prompt keeps the stages for as long as a second prompt behind it would add; with b sequences
    TPOT = step + (b - 1)/o x that.
    """
    b = np.unique(np.round(np.geomspace(1, places, 40)))
    fresh = max(task.prompt - task.cached, 1.0)
    taken = np.maximum(1.0, b / copy.n_stages) * (speculation.tokens + 1)
    step = copy.batch_seconds(taken, np.array([task.prompt + 0.5 * task.output]))[:, :, 0]
    if speculation.tokens:
        step = step * (1.0 + speculation.draft) / speculation.tokens_per_pass
    prompts = copy.prefill_seconds(np.array([fresh, 2.0 * fresh]), np.array([task.cached]))[:, :, 0]
    tpot = step + (b - 1.0) / task.output * np.maximum(prompts[:, 1:] - prompts[:, :1], 0.0)
    ttft = prompts[:, :1] + tpot
    rate = b * task.output / (task.output * tpot + ttft) / copy.n_packages
    load = np.minimum(1.0, b / copy.n_stages)
    return b, tpot, ttft, rate, copy.watts(load)[1] / copy.n_packages
