"""Serving rate of machines that keep weights in SRAM and pass tokens through a pipeline (first version).

    t_token = W_active / (eta B) + L t_layer          tokens/s = stages / t_token

The model and its cache must be resident: chips = (W + sequences x KV) / SRAM. The wafer's FLOP/s are not used: no
precision is agreed for them. A prompt token costs ``sram_prefill_cost`` of a generated one, as weights are read once
for many prompt tokens. Wrong when: a vendor's figure includes speculative decoding.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

from gigawatt.catalog.schema import Efficiency, Model, Package, System, Workload
from gigawatt.perf.memory import BYTES_PER_VALUE, kv_bytes_per_token
from gigawatt.perf.point import ServingPoint


def dataflow_point(
    system: System,
    package: Package,
    workload: Workload,
    model: Model,
    efficiency: Efficiency,
    band: Literal["low", "central", "high"],
) -> ServingPoint:
    """Operating point of one unit; a replica may span many units, and the rate is per unit."""
    none = ServingPoint(system=system.id, workload=workload.id)
    if package.sram is None or package.sram_bandwidth is None:
        return replace(none, reason=f"{system.name} has no SRAM figure in the catalogue")
    assert workload.slo and workload.input_tokens and workload.output_tokens and workload.prefix_hit
    assert system.n_packages and system.it_power
    pick = {"low": 0, "central": 1, "high": 2}[band]
    eta = efficiency.sram_bandwidth.range[pick]
    layer_s = efficiency.layer_overhead.range[2 - pick]
    usable = 1.0 - efficiency.headroom.range[2 - pick]
    sram = package.sram.value * (1.0 - efficiency.memory_reserve.range[2 - pick])
    width = BYTES_PER_VALUE[model.weights_precision]
    shape = model.architecture
    t_token = model.params_active.value * width / (eta * package.sram_bandwidth.value) + shape.n_layers * layer_s
    speed = 1.0 / t_token
    if workload.slo.speed is not None and speed < workload.slo.speed.value:
        asked = workload.slo.speed.value
        return replace(
            none,
            reason=f"{system.name} reaches {speed:,.0f} tok/s per user; {workload.name} asks for {asked:,.0f}",
        )
    prompt, output = workload.input_tokens.value, workload.output_tokens.value
    fresh = prompt * (1.0 - workload.prefix_hit.value)
    cost = efficiency.sram_prefill_cost.range[2 - pick]
    ttft = fresh * cost * t_token / max(1, min(shape.n_layers, 8)) + t_token
    if workload.slo.ttft is not None and ttft > workload.slo.ttft.value:
        return replace(none, reason=f"{system.name} needs {ttft:.1f} s to the first token of {workload.name}")
    weights = model.params_total.value * width
    cache = kv_bytes_per_token(shape, model.kv_precision) * (prompt + output)
    packages, sequences = _resident(weights, cache, sram, shape.n_layers)
    share = output / (output + fresh * cost)
    return ServingPoint(
        system=system.id,
        workload=workload.id,
        precision=f"{model.weights_precision} weights in SRAM",
        output_tokens_per_s=sequences / t_token * share / packages * system.n_packages.value * usable,
        it_power_w=system.it_power.value,
        n_packages_per_replica=packages,
        batch_size=float(sequences),
        speed_tokens_per_s_user=speed,
        ttft_s=ttft,
        maker="dataflow",
    )


def _resident(weights: float, cache: float, sram: float, n_layers: int) -> tuple[int, int]:
    """(packages, sequences in flight) of the replica: one sequence a stage, a stage a package up to one a layer."""
    packages = max(1, math.ceil((weights + cache) / sram))
    for _ in range(32):
        sequences = max(1, min(packages, n_layers))
        needed = max(1, math.ceil((weights + sequences * cache) / sram))
        if needed <= packages:
            return packages, sequences
        packages = needed
    return packages, max(1, min(packages, n_layers))
