"""Power and money of configurations: shares of peak arithmetic and bandwidth, then watts, then dollars an hour."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from gigawatt.catalog.schema import Costs, System
from gigawatt.perf.candidates import Indices
from gigawatt.perf.energy import Power, package_watts, unit_watts
from gigawatt.perf.inference import Speculation, weight_bytes
from gigawatt.perf.operators import ACTIVATION_BYTES, STATE_BYTES, Floats, Pass, Work, experts_touched
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


def side_watts(
    system: System, run: Pass, part: Part, task: Task, speculation: Speculation, power: Power
) -> tuple[Floats, Floats]:
    """IT power a package with its share of the unit [W], (k,): of those that decode, of those that prefill, working."""
    assert system.n_packages and system.it_power and system.package
    if system.package.power is None:
        rated = np.full(len(part.batch), system.it_power.value / system.n_packages.value)
        return rated, rated
    tdp = system.package.power.value
    decoding = _decoding_watts(run, part, task, speculation, (tdp, power))
    working = prefilling_watts(run, task, tdp, power, load=1.0)[part.prefill]
    units = system.n_packages.value
    return unit_watts(system, decoding, power) / units, unit_watts(system, working, power) / units


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
    split = (np.asarray(w.moe_tp) * w.moe_ep)[part.layout, 0]
    weights = (w.attention * w.attention_bytes + w.dense * w.dense_bytes + 2.0 * w.head) / tp
    weights = weights + touched * w.expert * w.expert_bytes / split
    context = task.prompt + 0.5 * task.output
    seen = np.minimum(context, w.top_k) * w.full_layers + np.minimum(context, w.window) * w.window_layers
    cache = seen * w.kv_values * w.kv_bytes / np.minimum(tp, w.kv_heads) + 2.0 * w.state * STATE_BYTES / tp
    cache = cache + context * w.sparse_layers * w.index_values * w.kv_bytes
    passed = w.n_layers * w.hidden * ACTIVATION_BYTES * run.c["token_traffic"]
    moved = (weights + part.decoding * cache) / (part.tpot_s * kept)
    fresh = max(task.prompt - task.cached, 1.0)
    memory = moved + passed * (alone * many / kept + shared * fresh)
    return package_watts(tdp, np.minimum(compute, 1.0), np.minimum(memory / w.bandwidth, 1.0), power)


def prefilling_watts(run: Pass, task: Task, tdp: float, power: Power, load: float = PREFILL_LOAD) -> Floats:
    """Power of a package that only prefills, busy ``load`` of the time, by layout (n,) [W]."""
    w, fresh = run.w, max(task.prompt - task.cached, 1.0)
    busy = 1.0 / (np.asarray(w.tp)[:, 0] * run.prefill_s(fresh, task.cached)[:, 0])
    moved = fresh * w.n_layers * w.hidden * ACTIVATION_BYTES * run.c["token_traffic"]
    read = busy * (weight_bytes(w)[:, 0] * np.asarray(w.tp)[:, 0] + moved) / w.bandwidth
    working = package_watts(tdp, np.minimum(busy * peak_seconds(w, task)[1], 1.0), np.minimum(read, 1.0), power)
    return load * working + (1.0 - load) * tdp * power.idle_fraction


def peak_seconds(w: Work, task: Task) -> tuple[float, float]:
    """Seconds at peak of all arithmetic of one package: (a decoded token, a prompt)."""
    body = 2.0 * w.attention / w.peak_attention + 2.0 * w.dense / w.peak_dense
    body = body + 2.0 * np.asarray(w.experts_per_token) * w.expert / w.peak_expert
    context, fresh = task.prompt + 0.5 * task.output, max(task.prompt - task.cached, 1.0)
    wide = 2.0 * np.asarray(w.n_heads) / w.peak_16
    each = np.where(np.asarray(w.latent_values) > 0, w.latent_values, np.asarray(w.qk_dim) + w.v_dim)
    seen = np.minimum(context, w.top_k) * w.full_layers + np.minimum(context, w.window) * w.window_layers
    decode = body + 2.0 * np.asarray(w.head) / w.peak_16 + wide * each * seen
    pairs = fresh * (task.cached + 0.5 * fresh)
    full = np.minimum(pairs, fresh * np.asarray(w.top_k)) * w.full_layers
    looked = full + fresh * np.minimum(task.prompt, w.window) * w.window_layers
    index = np.asarray(w.index_flops) * w.sparse_layers / w.peak_dense
    prompt = fresh * body + wide * (np.asarray(w.qk_dim) + w.v_dim) * looked + index * pairs
    return float(decode + index * context), float(prompt)


def usd_per_h(system: System, watts: Floats, costs: Costs) -> Floats:
    """Cost of a package [USD/h]: price with network over the life of systems, straight line, and metered energy."""
    if system.price is None or system.n_packages is None:
        return np.full(len(watts), np.nan)
    energy = 3600.0 * watts * costs.annual_pue.value * costs.power_price.value
    return np.asarray(capital_per_h(system, costs) / system.n_packages.value + energy)


def capital_per_h(system: System, costs: Costs) -> float:
    """Price of a unit with network over the life of systems [USD/h]; nan without a price."""
    if system.price is None:
        return float("nan")
    return 3600.0 * system.price.value * (1.0 + costs.network_over_system.value) / costs.system_life.value
