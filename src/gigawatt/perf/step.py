"""Step tables of a chosen way to serve: of the replica that decodes, and of the one that takes prompts apart from it.

A step without speculation is one token of every sequence. With it, a step verifies all drafted tokens of every sequence
and drafts the next ones; ``Speculation.tokens_per_pass`` of them are kept on average.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gigawatt.catalog.schema import Model, System
from gigawatt.core.errors import CatalogError
from gigawatt.perf.candidates import Candidates, Operating
from gigawatt.perf.dataflow import feed_forward
from gigawatt.perf.dataflow import replica as pipeline_of
from gigawatt.perf.dataflow import table_of as pipeline_table
from gigawatt.perf.draw import PREFILL_LOAD, effort_by_times, effort_of, prefilling_watts, watts_of_load
from gigawatt.perf.energy import idle_watts, unit_watts
from gigawatt.perf.fit_measured import corrections, why_not_ahead
from gigawatt.perf.hybrids import joined, without_feed_forward
from gigawatt.perf.inference import (
    BATCHES,
    NEW_TOKENS,
    Speculation,
    cache_bytes_per_sequence,
    cache_bytes_per_token,
    contexts,
    free_bytes,
    software_of,
    table_of,
)
from gigawatt.perf.layout import Layout
from gigawatt.perf.measured import Terms, choose_maker, measured_table
from gigawatt.perf.operators import BACKENDS as SERVERS
from gigawatt.perf.operators import Floats, Pass, generation_step, values_of, work_of
from gigawatt.perf.precision import settle
from gigawatt.perf.predict import Behind, band_for
from gigawatt.perf.table import EXTRAPOLATED, Refusal, StepTable
from gigawatt.perf.task import Basis, Options, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Step tables of both sides, and how the cache of a prompt goes from one to the other.

        t = latency + tokens x bytes per token / bandwidth        0 where one side does both

    Attributes:
        decode: of the replica that decodes; with the prompts, where it takes them itself.
        prefill: of the replica that takes prompts; None where they are not apart.
        note: why the maker of the tables is the one it is.
        transfer_bytes_per_token: cache of a token that is sent [byte].
        transfer_bytes_per_s: links of a replica that decodes, all its packages together [byte/s].
        transfer_latency_s: fixed time of a transfer [s]; the search counts none.
    """

    decode: StepTable
    prefill: StepTable | None = None
    note: str = ""
    transfer_bytes_per_token: float = 0.0
    transfer_bytes_per_s: float = float("inf")
    transfer_latency_s: float = 0.0


def step_tables(found: Candidates, chosen: Operating, basis: Basis, options: Options = Options()) -> Tables:
    """Step times of both sides of an operating point. Raises CatalogError where there is none."""
    if not chosen.is_served:
        raise CatalogError(chosen.reason)
    if options.maker == "measured" and found.maker == "dataflow":
        raise CatalogError(f"no kernels are measured on {found.system.name}; leave out --maker measured")
    if found.parts:
        return _hybrid_tables(found, chosen, basis, options)
    if found.maker == "dataflow":
        return Tables(decode=_pipeline_table(found, chosen, basis, options))
    return _memory_tables(found, chosen, basis, options)


def _pipeline_table(found: Candidates, chosen: Operating, basis: Basis, options: Options) -> StepTable:
    system, task, guess = found.system, found.task, options.speculation
    copy = pipeline_of(system, task.model, basis.dataflow, precision=options.weights, context=task.prompt + task.output)
    copy = replace(copy, n_packages=round(chosen.n_packages))
    table = pipeline_table(
        copy, np.unique([*BATCHES, float(copy.n_stages)]), contexts(task.model), new_tokens=NEW_TOKENS,
        cached=contexts(task.model, first=0.0), calibration=basis.dataflow, drafted=guess.tokens,
        drafting=1.0 + guess.draft if guess.tokens else 1.0, software=guess.words,
    )  # fmt: skip
    return replace(table, effort=effort_by_times(table))


def _ends(system: System, model: Model, basis: Basis) -> tuple[Behind, tuple[float, float]]:
    """How far the vendor's software is behind, and (low, high) of the band over central time."""
    lag = basis.behind.get(system.vendor, Behind())
    low, high, _ = band_for(basis.inference, system.id, model.family)
    return lag, (low * lag.value / lag.high, high * lag.value / lag.low)


def _line(system: System, basis: Basis, n_packages: float, working_w: float) -> Floats:
    """IT power over load 0 and 1 (3, 2) of packages that draw ``working_w`` each with their share of the unit [W]."""
    units = system.n_packages.value if system.n_packages else 1.0
    idle = idle_watts(system, basis.power) / units if system.package and system.package.power else 0.0
    return np.tile(np.array([idle, max(working_w, idle)]) * n_packages, (3, 1))


def _one_side(system: System, task: Task, layout: Layout, basis: Basis, options: Options) -> StepTable:
    lag, spread = _ends(system, task.model, basis)
    return table_of(
        system, task.model, layout, settle(system, task.model, options.weights, "", options.cache), basis.inference,
        software=options.backend, behind=lag.value, spread=spread, speculation=options.speculation,
    )  # fmt: skip


def _made(system: System, task: Task, layout: Layout, basis: Basis, options: Options) -> tuple[StepTable, str]:
    """Table of one side by the maker that is asked for, and why it is that one."""
    table, note = _timed(system, task, layout, basis, options)
    return _with_power(table, system, task, layout, basis, options), note


def _with_power(
    table: StepTable, system: System, task: Task, layout: Layout, basis: Basis, options: Options
) -> StepTable:
    """The table with watts by what its packages do; rated power whenever busy where the catalogue has none of them."""
    assert system.package and system.it_power and system.n_packages
    n = float(layout.n_packages)
    if system.package.power is None:
        rated = system.it_power.value / system.n_packages.value * n
        return replace(table, load=np.array([0.0, 1.0]), watts=np.tile([0.0, rated], (3, 1)))
    serving = settle(system, task.model, options.weights, "", options.cache)
    work = work_of(system, system.package, task.model, serving, layout)
    effort = effort_of(
        work, values_of(basis.inference), basis.power, contexts(task.model), options.speculation.tokens + 1.0
    )
    load, watts = watts_of_load(system, basis.power, n)
    return replace(table, load=load, watts=watts, effort=effort)


def _timed(system: System, task: Task, layout: Layout, basis: Basis, options: Options) -> tuple[StepTable, str]:
    if options.maker == "calibrated":
        return _one_side(system, task, layout, basis, options), "the calibrated model is asked for"
    lack = why_calibrated(system, task, basis, options)
    if not lack:
        made = _by_kernels(system, task, layout, basis, options)
        if isinstance(made, StepTable):
            return made, "kernels are measured"
        lack = made.reason
    if options.maker == "measured":
        raise CatalogError(lack)
    return _one_side(system, task, layout, basis, options), lack


def why_calibrated(system: System, task: Task, basis: Basis, options: Options) -> str:
    """Why measured kernels do not serve, as a sentence; empty where they do."""
    backend = options.backend or SERVERS[0]
    if basis.measured is None:
        return "the catalogue holds no correction of measured kernels"
    if backend not in SERVERS:
        return f"no kernels are measured for the backend '{backend}'; there are {', '.join(SERVERS)}"
    if options.speculation.tokens:
        return "measured kernels hold no step that verifies drafted tokens"
    if options.cache and options.cache != task.model.kv_precision:
        return f"measured kernels take a cache in {task.model.kv_precision}, as the model states it"
    choice = choose_maker(system, task.model, options.weights or task.model.weights_precision)
    if isinstance(choice, Refusal) or choice.maker != "measured":
        return choice.reason
    return "" if options.maker == "measured" else why_not_ahead(basis.measured, basis.inference, backend)


def _by_kernels(system: System, task: Task, layout: Layout, basis: Basis, options: Options) -> StepTable | Refusal:
    assert basis.measured is not None
    backend: Any = options.backend or SERVERS[0]
    decode, prefill = corrections(basis.measured, backend)
    stored = options.weights or task.model.weights_precision
    terms = Terms(costs=basis.costs, correction=decode, prefill=prefill)
    made = measured_table(system, task.model, layout, stored, backend, terms)
    if isinstance(made, Refusal):
        return made
    named = settle(system, task.model, options.weights, "", options.cache).name
    return replace(made, layout=layout.name, precision=named)


def _memory_tables(found: Candidates, chosen: Operating, basis: Basis, options: Options) -> Tables:
    system, task = found.system, found.task
    assert system.package and system.n_packages
    layout, before = found.layouts[found.layout[chosen.at]], int(found.prefill_layout[chosen.at])
    if before < 0:
        table, note = _made(system, task, layout, basis, options)
        return Tables(decode=table, note=note)
    prefilling = found.layouts[before]
    lag, _ = _ends(system, task.model, basis)
    serving = settle(system, task.model, options.weights, "", options.cache)
    plain = work_of(system, system.package, task.model, serving, layout, behind=lag.value)
    ranks = layout.tp * layout.pp
    decode, note = _made(system, task, layout, basis, options)
    plainly = replace(options, speculation=Speculation())
    return Tables(
        decode=decode,
        prefill=_made(system, task, prefilling, basis, plainly)[0],
        note=note,
        transfer_bytes_per_token=float(cache_bytes_per_token(plain)) * ranks,
        transfer_bytes_per_s=float(np.asarray(plain.transfer)) * ranks,
    )


def _hybrid_tables(found: Candidates, chosen: Operating, basis: Basis, options: Options) -> Tables:
    """Sides of a hybrid: prompts never run where it decodes, so both tables hold the prompts of the other packages."""
    (system, partner), task, side = found.parts, found.task, found.sides[found.layout[chosen.at]]
    assert system.package and system.n_packages and system.package.scale_out_bandwidth and partner.it_power
    assert system.package.power
    prefilling = found.layouts[int(found.prefill_layout[chosen.at]) - len(found.sides)]
    plainly = replace(options, speculation=Speculation())
    serving = settle(system, task.model, options.weights, "", options.cache)
    lag, (low, high) = _ends(system, task.model, basis)
    out = system.package.scale_out_bandwidth.value
    plain = work_of(system, system.package, task.model, serving, Layout(), behind=lag.value)
    c = values_of(basis.inference)
    software = software_of(basis.inference, options.backend, task.model.family, serving, generation_step(system))
    run = Pass(without_feed_forward(plain).with_layouts([Layout(tp=side.tp)]), c, software)
    rest = feed_forward(partner, task.model, basis.dataflow, precision=serving.weights)
    hop = basis.dataflow.coefficients["hop_s"].value
    both = joined(side, rest, run, np.array([low, 1.0, high]), (hop, out))
    before, tdp = Pass(plain.with_layouts([prefilling]), c, software), system.package.power.value
    mean, working = (
        float(unit_watts(system, prefilling_watts(before, task, tdp, basis.power, load)[0], basis.power))
        / system.n_packages.value
        for load in (PREFILL_LOAD, 1.0)
    )
    prefill = replace(
        _one_side(system, task, prefilling, basis, plainly), load=np.array([0.0, 1.0]),
        watts=_line(system, basis, prefilling.n_packages, working),
    )  # fmt: skip
    sequences = BATCHES * side.copies
    decode = np.maximum.accumulate(both.decode_seconds(sequences, prefill.context), axis=1)
    beyond = np.full(decode.shape[1:], EXTRAPOLATED)
    partner_w, beside = partner.it_power.value * rest.n_machines, chosen.prefill_per_decode
    drawn = chosen.it_power_unit_w / system.n_packages.value * (1.0 + beside) - partner_w / side.n_packages
    attention = _line(system, basis, side.n_packages, drawn - beside * mean)
    w = run.w
    made = replace(
        prefill,
        system=found.system.id,
        layout=chosen.layout,
        maker="dataflow",
        n_packages=side.n_packages,
        sequences=sequences,
        decode_s=decode,
        shared_s=np.zeros(3),
        decode_provenance=beyond,
        kv_bytes_per_token=float(cache_bytes_per_token(w)[0, 0]) * side.tp,
        state_bytes_per_sequence=float(cache_bytes_per_sequence(w)[0, 0]) * side.tp,
        kv_capacity_tokens=max(float(free_bytes(w, c["memory_share"])[0, 0]), 0.0)
        / max(float(cache_bytes_per_token(w)[0, 0]), 1e-9)
        * side.copies,
        watts=attention + partner_w,
        sources=tuple(dict.fromkeys((*prefill.sources, *rest.sources))),
    )
    return Tables(
        decode=replace(made, effort=effort_by_times(made)),
        prefill=prefill,
        transfer_bytes_per_token=float(cache_bytes_per_token(plain)), transfer_bytes_per_s=out,
    )  # fmt: skip
