"""Configurations of packages with memory: layouts x batches, aggregated and disaggregated, all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

import numpy as np

from gigawatt.catalog.schema import System
from gigawatt.core.errors import CatalogError
from gigawatt.core.units import pretty
from gigawatt.perf.candidates import Candidates, Indices
from gigawatt.perf.draw import PREFILL_LOAD, Part, package_watts_of, usd_per_h
from gigawatt.perf.inference import (
    Speculation,
    cache_bytes_per_token,
    capacity_sequences,
    served,
    software_of,
    weight_bytes,
)
from gigawatt.perf.layout import Layout, legal_layouts
from gigawatt.perf.operators import Floats, Pass, Work, as_mapping, values_of, work_of
from gigawatt.perf.precision import STORED_BITS, Serving, settle
from gigawatt.perf.predict import Behind, band_for
from gigawatt.perf.task import Basis, Options, Task

BATCHES: Floats = np.unique(np.round(np.geomspace(1, 4096, 145)))  # sequences of an attention rank
WAIT = PREFILL_LOAD / (2.0 * (1.0 - PREFILL_LOAD))  # others a prompt waits for, M/D/1


def in_memory(none: Candidates, serving: Serving, basis: Basis, options: Options) -> Candidates:
    """Candidates of a system with memory for the task of ``none``; only the layouts that ``options`` names, if any."""
    system, task, c = none.system, none.task, values_of(basis.inference)
    assert system.package and system.n_packages
    lag = basis.behind.get(system.vendor, Behind())
    named = tuple(dict.fromkeys(one for one in (options.layout, options.prefill_layout) if one is not None))
    every = named or legal_layouts(system, task.model)
    layouts = tuple(one for one in every if not options.max_packages or one.n_packages <= options.max_packages)
    plain = work_of(system, system.package, task.model, serving, Layout(), behind=lag.value)
    held = sequences_held(plain, layouts, task, c["memory_share"])
    fitting = [at for at in range(len(layouts)) if held[at] >= max(1, layouts[at].pp)]
    if not fitting or len(fitting) < len(named):
        if named:
            layouts = (next(one for at, one in enumerate(layouts) if at not in fitting),)
        return replace(none, precision=serving.name, reason=_why_too_large(system, task, serving, plain, layouts, c))
    layouts = tuple(layouts[at] for at in fitting)
    room = held[fitting][:, None]
    software = software_of(
        basis.inference, options.backend, task.model.family, serving, float(np.asarray(plain.generation))
    )
    run = Pass(plain.with_layouts(layouts), c, software)
    parts: list[Part] = []
    if options.prefill_layout is None:
        parts.append(_aggregated(run, room, task, options.speculation))
    if options.layout is None or options.prefill_layout is not None:
        parts.append(_disaggregated(run, room, task, options))
    flat = {one.name: np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Part)}
    part = Part(**flat)
    if options.layout is not None:
        part = part.only(part.layout == 0)
    low, high, words = band_for(basis.inference, system.id, task.model.family)
    ends = np.array([low * lag.value / lag.high, 1.0, high * lag.value / lag.low])[:, None]
    watts = package_watts_of(system, run, part, task, options.speculation, basis.power)
    packages = np.array([one.n_packages for one in layouts], dtype=np.float64)
    return replace(
        none, precision=serving.name, weights=serving.weights, band=words,
        names=tuple(one.name for one in layouts), layouts=layouts,
        layout=part.layout, prefill_layout=part.prefill, batch=part.batch * np.asarray(run.w.dp)[part.layout, 0],
        n_packages=packages[part.layout], prefill_per_decode=part.ratio, tpot_s=part.tpot_s * ends,
        ttft_s=part.ttft_s * ends, tokens_per_s_package=part.rate / ends, watts_package=watts,
        usd_per_h_package=usd_per_h(system, watts, basis.costs),
        n_evaluated=room.size * len(BATCHES) * len(np.unique(part.prefill)),
    )  # fmt: skip


def sequences_held(plain: Work, layouts: Sequence[Layout], task: Task, memory_share: float) -> Floats:
    """Sequences that the cache of an attention rank holds, by layout (n,); 0 where the weights do not fit."""
    if not layouts:
        return np.zeros(0)
    return capacity_sequences(plain.with_layouts(list(layouts)), task.prompt + 0.75 * task.output, memory_share)[:, 0]


def _aggregated(run: Pass, room: Floats, task: Task, speculation: Speculation) -> Part:
    batch = BATCHES[None, :]
    out = served(run, batch, task.prompt, task.output, cached=task.cached, speculation=speculation)
    row, column = np.nonzero((batch <= room) & (batch >= run.w.pp))
    tpot, ttft, b = out.tpot_s[row, column], out.ttft_s[row, column], BATCHES[column]
    rate = b * task.output / (task.output * tpot + ttft) / (np.asarray(run.w.tp) * run.w.pp)[row, 0]
    return Part(
        layout=row, prefill=np.full(len(row), -1), batch=b, decoding=out.decoding[row, column], tpot_s=tpot,
        ttft_s=ttft, rate=rate, ratio=np.zeros(len(row)),
    )  # fmt: skip


def _disaggregated(run: Pass, room: Floats, task: Task, options: Options) -> Part:
    """Decode layouts (n), batches (m) and those prefill layouts (p) that no other beats in both time and rate."""
    batch = BATCHES[None, :]
    chosen, passing, prompts = prefill_choices(run, task)
    if options.prefill_layout is not None:
        chosen = np.array([len(passing) - 1])
    first = {name: np.asarray(getattr(run.w, name))[chosen][:, :, None] for name in _RANKS}
    prefill = Pass(Work(**{**as_mapping(run.w), **first}), run.c, run.s)
    out = served(
        run, batch, task.prompt, task.output, cached=task.cached, prefill=prefill, speculation=options.speculation
    )
    ttft = out.ttft_s + WAIT * passing[chosen][:, None, None]
    row, column = np.nonzero((batch <= room) & (batch >= run.w.pp))
    tpot, b = out.tpot_s[row, column], BATCHES[column]
    each = b / tpot / (np.asarray(run.w.tp) * run.w.pp)[row, 0]
    ratio = each / task.output / prompts[chosen][:, None]
    shape = ratio.shape
    return Part(
        layout=np.broadcast_to(row, shape).ravel(), prefill=np.repeat(chosen, len(row)),
        batch=np.broadcast_to(b, shape).ravel(), decoding=np.broadcast_to(b, shape).ravel(),
        tpot_s=np.broadcast_to(tpot, shape).ravel(), ttft_s=ttft[:, row, column].ravel(),
        rate=(each / (1.0 + ratio)).ravel(), ratio=ratio.ravel(),
    )  # fmt: skip


def prefill_choices(run: Pass, task: Task) -> tuple[Indices, Floats, Floats]:
    """(layouts that no other beats in time and rate, time of a prompt [s] and prompts/s a package of all layouts)."""
    passing = run.prefill_s(max(task.prompt - task.cached, 1.0), task.cached)[:, 0]
    prompts = PREFILL_LOAD / (np.asarray(run.w.tp)[:, 0] * passing)
    order = np.lexsort((-prompts, passing))
    ahead = np.concatenate([[True], np.diff(np.maximum.accumulate(prompts[order])) > 0.0])
    return order[ahead], passing, prompts


_RANKS = ("tp", "pp", "dp", "moe_tp", "moe_ep")


def _why_too_large(
    system: System, task: Task, serving: Serving, plain: Work, layouts: Sequence[Layout], c: Mapping[str, float]
) -> str:
    """What is missing, in bytes, and the smallest layout that would fit, or the precision that would."""
    what = f"{task.model.name} ({serving.weights} weights, the cache of one request)"
    tokens = task.prompt + 0.75 * task.output
    every = legal_layouts(system, task.model)
    if not every:
        return f"{task.model.name} has no legal layout on {system.name}"
    tried = list(layouts) or [min(every, key=lambda one: one.n_packages)]
    work = plain.with_layouts(tried)
    needed = weight_bytes(work) + cache_bytes_per_token(work) * tokens
    short = np.maximum(np.asarray(needed - work.memory * c["memory_share"] + 2e9), 0.0)[:, 0]
    sizes = np.array([one.n_packages for one in tried], dtype=np.float64)
    at = int(np.lexsort((sizes, short))[0])
    missing = f"{what} does not fit {tried[at].name} on {system.name}: " + (
        f"{pretty(float(short[at] * sizes[at]), 'byte')} are missing"
        + (f", {pretty(float(short[at]), 'byte')} on each of {sizes[at]:.0f} packages" if sizes[at] > 1 else "")
    )
    enough = sequences_held(plain, every, task, c["memory_share"])
    fitting = [one for one, held in zip(every, enough, strict=True) if held >= max(1, one.pp)]
    if fitting:
        return f"{missing}; {min(fitting, key=lambda one: one.n_packages).name} would fit"
    beyond = f"{missing}; no layout of up to {max(one.n_packages for one in every)} packages fits"
    narrower = _narrower(system, task, serving, every, c["memory_share"])
    return f"{beyond}, {narrower} weights would" if narrower else beyond


def _narrower(system: System, task: Task, serving: Serving, layouts: Sequence[Layout], memory_share: float) -> str:
    """Widest narrower storage that the chip can compute with and that fits; empty where there is none."""
    assert system.package
    for name in sorted(STORED_BITS, key=lambda one: -STORED_BITS[one]):
        if STORED_BITS[name] >= 0.99 * STORED_BITS[serving.weights]:
            continue
        try:
            other = settle(system, task.model, name)
        except CatalogError:
            continue
        work = work_of(system, system.package, task.model, other, Layout())
        held = sequences_held(work, layouts, task, memory_share)
        if any(held[at] >= max(1, one.pp) for at, one in enumerate(layouts)):
            return name
    return ""
