"""Power and money of configurations: shares of peak arithmetic and bandwidth, then watts, then dollars an hour."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from gigawatt.catalog.schema import Costs, System
from gigawatt.core.calendar import HOUR_S
from gigawatt.perf.candidates import Indices
from gigawatt.perf.effort import Effort
from gigawatt.perf.energy import Power, package_watts, unit_watts
from gigawatt.perf.inference import BATCHES, Speculation, weight_bytes
from gigawatt.perf.operators import (
    ACTIVATION_BYTES,
    STATE_BYTES,
    Coefficients,
    Floats,
    Pass,
    Values,
    Work,
    experts_touched,
)
from gigawatt.perf.table import StepTable
from gigawatt.perf.task import Task

PREFILL_LOAD = 0.7  # share of time a package that only prefills is busy; above it waiting grows quickly


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Legal configurations of one mode, flat (k,): indices of layouts, batch of a rank, medians, rate a package."""

    layout: Indices
    prefill: Indices
    batch: Floats
    decoding: Floats
    tpot_s: Floats
    ttft_s: Floats
    rate: Floats
    ratio: Floats

    def only(self, rows: npt.NDArray[np.bool_]) -> Part:
        """Those rows alone."""
        return Part(**{one.name: getattr(self, one.name)[rows] for one in fields(self)})


def package_watts_of(
    system: System, run: Pass, part: Part, task: Task, speculation: Speculation, power: Power
) -> Floats:
    """IT power a package with its share of the unit [W], (k,): shares of peak arithmetic and bandwidth, then energy."""
    assert system.n_packages and system.it_power and system.package
    if system.package.power is None:
        return np.full(len(part.batch), system.it_power.value / system.n_packages.value)
    tdp, apart = system.package.power.value, part.prefill >= 0
    each = _decoding_watts(run, part, task, speculation, (tdp, power))
    if apart.any():
        prefilling = prefilling_watts(run, task, tdp, power)
        each = np.where(apart, (each + part.ratio * prefilling[part.prefill]) / (1.0 + part.ratio), each)
    return unit_watts(system, each, power) / system.n_packages.value


def _decoding_watts(run: Pass, part: Part, task: Task, speculation: Speculation, chip: tuple[float, Power]) -> Floats:
    """Power of a package that decodes, its own prompts included, (k,) [W]; ``chip`` is TDP and energies."""
    (tdp, power), apart = chip, part.prefill >= 0
    w = run.w
    many, kept = speculation.tokens + 1.0, speculation.tokens_per_pass
    decode_flop_s, prompt_flop_s = peak_seconds(w, task)
    tp, pp, dp = (np.asarray(one)[part.layout, 0] for one in (w.tp, w.pp, w.dp))
    alone = part.rate * (1.0 + part.ratio)  # tokens/s of a package that decodes
    shared = np.where(apart, 0.0, alone / task.output)
    compute = alone * many / kept * decode_flop_s + shared * prompt_flop_s
    touched = experts_touched(w, part.decoding / pp * dp * many, run.c["popularity"])
    weights = _weights_read(w, tp, (np.asarray(w.moe_tp) * w.moe_ep)[part.layout, 0], touched)
    cache, passed = _cache_read(w, tp, task.prompt + 0.5 * task.output), _passed(w, run.c)
    moved = (weights + part.decoding * cache) / (part.tpot_s * kept)
    fresh = max(task.prompt - task.cached, 1.0)
    memory = moved + passed * (alone * many / kept + shared * fresh)
    return package_watts(tdp, np.minimum(compute, 1.0), np.minimum(memory / w.bandwidth, 1.0), power)


def prefilling_watts(run: Pass, task: Task, tdp: float, power: Power, load: float = PREFILL_LOAD) -> Floats:
    """Power of a package that only prefills, busy ``load`` of the time, by layout (n,) [W]."""
    w, fresh = run.w, max(task.prompt - task.cached, 1.0)
    busy = 1.0 / (np.asarray(w.tp)[:, 0] * run.prefill_s(fresh, task.cached)[:, 0])
    moved = fresh * _passed(w, run.c)
    read = busy * (weight_bytes(w)[:, 0] * np.asarray(w.tp)[:, 0] + moved) / w.bandwidth
    working = package_watts(tdp, np.minimum(busy * peak_seconds(w, task)[1], 1.0), np.minimum(read, 1.0), power)
    return load * working + (1.0 - load) * tdp * power.idle_fraction


def peak_seconds(w: Work, task: Task) -> tuple[float, float]:
    """Seconds at peak of all arithmetic of one package: (a decoded token, a prompt)."""
    fresh = max(task.prompt - task.cached, 1.0)
    return float(_token_s(w, task.prompt + 0.5 * task.output)), float(_prompt_s(w, fresh, task.cached))


def _body_s(w: Work) -> Floats:
    """Seconds at peak of one package for all weights that a token meets, but for the head."""
    body = 2.0 * w.attention / w.peak_attention + 2.0 * w.dense / w.peak_dense
    return np.asarray(body + 2.0 * np.asarray(w.experts_per_token) * w.expert / w.peak_expert)


def _seen(w: Work, context: Values) -> Floats:
    """Tokens that one token attends to, over all layers."""
    return np.asarray(np.minimum(context, w.top_k) * w.full_layers + np.minimum(context, w.window) * w.window_layers)


def _token_s(w: Work, context: Values) -> Floats:
    """Seconds at peak of all arithmetic of one package for a token behind ``context`` ones."""
    wide = 2.0 * np.asarray(w.n_heads) / w.peak_16
    each = np.where(np.asarray(w.latent_values) > 0, w.latent_values, np.asarray(w.qk_dim) + w.v_dim)
    index = np.asarray(w.index_flops) * w.sparse_layers / w.peak_dense
    decode = _body_s(w) + 2.0 * np.asarray(w.head) / w.peak_16 + wide * each * _seen(w, context)
    return np.asarray(decode + index * context)


def _prompt_s(w: Work, fresh: Values, cached: Values) -> Floats:
    """The same for a prompt of ``fresh`` tokens behind ``cached`` ones."""
    wide = 2.0 * np.asarray(w.n_heads) / w.peak_16
    pairs = fresh * (cached + 0.5 * np.asarray(fresh))
    full = np.minimum(pairs, fresh * np.asarray(w.top_k)) * w.full_layers
    looked = full + fresh * np.minimum(cached + np.asarray(fresh), w.window) * w.window_layers
    index = np.asarray(w.index_flops) * w.sparse_layers / w.peak_dense
    return np.asarray(fresh * _body_s(w) + wide * (np.asarray(w.qk_dim) + w.v_dim) * looked + index * pairs)


def _weights_read(w: Work, tp: Values, split: Values, touched: Floats) -> Floats:
    """Weights that a package reads in a step, ``touched`` experts of a layer among them [byte]."""
    weights = (w.attention * w.attention_bytes + w.dense * w.dense_bytes + 2.0 * w.head) / tp
    return np.asarray(weights + touched * w.expert * w.expert_bytes / split)


def _cache_read(w: Work, tp: Values, context: Values) -> Floats:
    """Cache of a sequence that each package of its rank reads in a step [byte]."""
    cache = _seen(w, context) * w.kv_values * w.kv_bytes / np.minimum(tp, w.kv_heads) + 2.0 * w.state * STATE_BYTES / tp
    return np.asarray(cache + context * w.sparse_layers * w.index_values * w.kv_bytes)


def _passed(w: Work, c: Coefficients) -> Values:
    """Activations that a token moves, over all packages of its replica [byte]."""
    return w.n_layers * w.hidden * ACTIVATION_BYTES * c["token_traffic"]


_TOKENS = np.unique(np.round(np.geomspace(1.0, 2.0**18, 37)))  # attention is quadratic: steps of a factor of 1.4


def effort_of(w: Work, c: Coefficients, power: Power, context: Floats, many: float = 1.0) -> Effort:
    """Effort of a replica, the same arithmetic and bytes as a steady load is charged.

    Args:
        w: of one layout.
        c: of the calibration.
        power: whose weights make a load of both shares.
        context: (m,) axis of tokens in cache.
        many: tokens of each sequence that a step takes.
    """
    tp, pp, dp = (float(np.asarray(one)) for one in (w.tp, w.pp, w.dp))
    packages, passed = tp * pp * dp, _passed(w, c)
    sequences = np.unique([1.0, *(BATCHES * dp)])
    b, behind, fresh = sequences[:, None], np.concatenate([[0.0], context]), _TOKENS[:, None]
    touched = experts_touched(w, b / pp * many, c["popularity"])
    moved = _weights_read(w, tp, np.asarray(w.moe_tp) * w.moe_ep, touched) + b / dp * _cache_read(w, tp, behind)
    decode = b * many * _token_s(w, behind) / packages, (moved + passed * b * many / packages) / w.bandwidth
    read = weight_bytes(w) / w.bandwidth
    memory = read + passed * fresh / packages / w.bandwidth + np.zeros(len(behind))
    span = 1.0 - power.idle_fraction
    return Effort(
        sequences=sequences, context=behind, decode_s=np.stack(decode), new_tokens=_TOKENS, cached=behind,
        prefill_s=np.stack([_prompt_s(w, fresh, behind) / packages, memory]), shared_s=np.array([0.0, float(read)]),
        weights=np.array([power.compute_weight / span, power.compute_exponent, power.memory_weight / span]),
    )  # fmt: skip


def effort_by_times(table: StepTable) -> Effort:
    """Effort of a replica that is at design power when full: the time that full batches would take for the same."""
    decode = table.decode_s[1] / table.sequences[:, None]
    full = table.sequences[:, None] * decode.min(axis=0)[None, :]
    prefill = table.prefill_s[1]
    return Effort(
        sequences=table.sequences, context=table.context, decode_s=np.stack([full, 0.0 * full]),
        new_tokens=table.new_tokens, cached=table.cached, prefill_s=np.stack([prefill, 0.0 * prefill]),
        shared_s=np.array([table.shared_s[1], 0.0]), weights=np.array([1.0, 1.0, 0.0]),
    )  # fmt: skip


def watts_of_load(system: System, power: Power, n_packages: float) -> tuple[Floats, Floats]:
    """(load (k,), IT power over it (3, k) [W]) of so many packages with their share of the unit, idle to design power.

    Straight between points: what hosts draw besides rises with the packages up to the unit's published maximum.
    """
    assert system.package and system.package.power and system.n_packages and system.it_power
    tdp, units, idle = system.package.power.value, system.n_packages.value, power.idle_fraction
    most = max(system.it_power.value / units - tdp, 0.0) - power.host_w_per_package
    bend = (most / power.host_share / tdp - idle) / (1.0 - idle)
    load = np.unique([0.0, min(max(bend, 0.0), 1.0), 1.0])
    watts = unit_watts(system, tdp * (idle + (1.0 - idle) * load), power) / units * n_packages
    return load, np.tile(watts, (3, 1))


def usd_per_h(system: System, watts: Floats, costs: Costs) -> Floats:
    """Cost of a package [USD/h]: price with network over the life of systems, straight line, and metered energy."""
    if system.price is None or system.n_packages is None:
        return np.full(len(watts), np.nan)
    energy = HOUR_S * watts * costs.annual_pue.value * costs.power_price.value
    return np.asarray(capital_per_h(system, costs) / system.n_packages.value + energy)


def capital_per_h(system: System, costs: Costs) -> float:
    """Price of a unit with network over the life of systems [USD/h]; nan without a price."""
    if system.price is None:
        return float("nan")
    return HOUR_S * system.price.value * (1.0 + costs.network_over_system.value) / costs.system_life.value
