"""Serving and training rates of a system from a roofline with stated efficiencies (first version).

One replica is n packages in one scale-up domain. A decode step reads the weights it touches and the cache of its
batch, or computes, whichever takes longer; on top come a fixed cost per layer and step and the exchange between
packages. Prefill shares the replica: each iteration carries batch / output_tokens prompts.
Wrong when: kernels are far from the stated efficiencies (small batches on large chips), or routing is skewed.
Source: Pope et al. 2022, arXiv:2211.05102; Williams et al. 2009, doi:10.1145/1498765.1498785.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from gigawatt.catalog.schema import Efficiency, Model, Package, System, Workload
from gigawatt.core.errors import CatalogError
from gigawatt.core.source import Fact
from gigawatt.core.units import pretty
from gigawatt.perf.memory import BYTES_PER_VALUE, kv_bytes_per_token, weights_touched
from gigawatt.perf.point import ServingPoint, TrainingPoint

Floats = npt.NDArray[np.float64]
Band = Literal["low", "central", "high"]

_ARITHMETIC = {  # weights may be stored narrower than a chip computes; the first that exists is used
    "fp4": ("fp4", "fp8", "int8", "bf16", "fp16"),
    "fp8": ("fp8", "int8", "bf16", "fp16"),
    "int8": ("int8", "fp8", "bf16", "fp16"),
    "bf16": ("bf16", "fp16"),
    "fp16": ("fp16", "bf16"),
}
_BATCHES: Floats = np.unique(np.round(np.geomspace(1, 4096, 97)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Achieved rates of one package at one end of the efficiency range, base units."""

    flops: float
    bandwidth: float
    memory: float
    link: float
    step_s: float
    layer_s: float


def require_figures(system: System) -> Package:
    """Package of a system that can be planned. Raises CatalogError with the catalogue's sentence where it cannot."""
    if system.status == "undisclosed" or system.package is None:
        raise CatalogError(f"{system.id} cannot be planned: {system.refusal}")
    return system.package


def peak_flops(package: Package, precision: str) -> tuple[float, str]:
    """(peak of one package [FLOP/s], precision computed in) for weights stored in ``precision``; (0, "") if none.

    Dense where there is a dense figure, else the vendor's training, else its inference figure of that precision.
    """
    for name in _ARITHMETIC[precision]:
        for figures in (package.peak.dense, package.peak.training, package.peak.inference):
            fact = figures.get(name)  # type: ignore[call-overload]
            if fact is not None:
                return fact.value, name
    return 0.0, ""


def serving_point(system: System, workload: Workload, model: Model, efficiency: Efficiency) -> ServingPoint:
    """Operating point of one unit of ``system`` with the most tokens a second that meets the workload's SLO.

    The low and high rates take every efficiency at that end of its range.
    """
    package = require_figures(system)
    point = _best(system, package, workload, model, efficiency, "central")
    if not point.is_served:
        return point
    ends = [_best(system, package, workload, model, efficiency, band).output_tokens_per_s for band in ("low", "high")]
    return replace(
        point,
        output_tokens_per_s_low=min(ends[0], point.output_tokens_per_s),
        output_tokens_per_s_high=max(ends[1], point.output_tokens_per_s),
    )


def training_point(system: System, workload: Workload, efficiency: Efficiency) -> TrainingPoint:
    """Effective training compute of one unit: dense BF16 peak x MFU [FLOP/s]; MFU is stated over the BF16 peak."""
    package = require_figures(system)
    none = TrainingPoint(system=system.id, workload=workload.id)
    if system.kind == "sram":
        return replace(none, reason=f"{system.name} is planned for inference only")
    for precision in ("bf16", "fp16"):
        fact = package.peak.dense.get(precision) or package.peak.training.get(precision)
        if fact is not None and workload.utilisation and system.it_power and system.n_packages:
            software = efficiency.software_by_vendor.get(system.vendor)
            behind = software.value if software else 1.0
            flops = fact.value * behind * workload.utilisation.value * system.n_packages.value
            return replace(none, precision=precision, effective_flops=flops, it_power_w=system.it_power.value)
    return replace(none, reason=f"{system.name} has no dense training peak in the catalogue")


def _at(fact: Fact, band: Band, *, more_is_better: bool = True) -> float:
    low, central, high = fact.range
    if band == "central":
        return central
    return high if (band == "high") == more_is_better else low


def _best(
    system: System, package: Package, workload: Workload, model: Model, efficiency: Efficiency, band: Band
) -> ServingPoint:
    if system.kind == "sram":
        from gigawatt.perf.dataflow import dataflow_point

        return dataflow_point(system, package, workload, model, efficiency, band)
    return _roofline_point(system, package, workload, model, efficiency, band)


def _roofline_point(
    system: System, package: Package, workload: Workload, model: Model, efficiency: Efficiency, band: Band
) -> ServingPoint:
    none = ServingPoint(system=system.id, workload=workload.id)
    flops, precision = peak_flops(package, model.weights_precision)
    if not flops or package.memory is None or package.memory_bandwidth is None:
        return replace(none, reason=f"{system.name} has no dense peak or memory figure for {model.weights_precision}")
    link = package.scale_up_bandwidth
    software = efficiency.software_by_vendor.get(system.vendor)
    behind = _at(software, band) if software else 1.0
    rates = Rates(
        flops=flops * behind * _at(efficiency.prefill_compute, band),
        bandwidth=package.memory_bandwidth.value * behind * _at(efficiency.decode_bandwidth, band),
        memory=package.memory.value * (1.0 - _at(efficiency.memory_reserve, band, more_is_better=False)),
        link=(link.value / 2.0 if link else 0.0) * _at(efficiency.link_bandwidth, band),
        step_s=_at(efficiency.step_overhead, band, more_is_better=False),
        layer_s=_at(efficiency.layer_overhead, band, more_is_better=False),
    )
    assert workload.slo and workload.input_tokens and workload.output_tokens and workload.prefix_hit
    weights = model.params_total.value * BYTES_PER_VALUE[model.weights_precision]
    assert system.n_packages and system.scale_up_packages and system.it_power
    domain = int(system.scale_up_packages.value)
    sizes = [n for n in (1, 2, 4, 8, 16, 32, 64, 72, 144, 256) if n <= domain]
    fitting = [n for n in sizes if n * rates.memory > weights]
    if not fitting:
        short = weights - sizes[-1] * rates.memory
        return replace(
            none, reason=f"{model.name} does not fit {sizes[-1]} packages: {pretty(short, 'byte')} too large"
        )
    packages: Floats = np.array(fitting, dtype=np.float64)[:, None]
    tpot, ttft, fits = _times(model, workload, rates, packages, weights)
    limit = np.inf if workload.slo.speed is None else 1.0 / workload.slo.speed.value
    wait = np.inf if workload.slo.ttft is None else workload.slo.ttft.value
    legal = fits & (tpot <= limit) & (ttft <= wait)
    if not legal.any():
        return replace(none, reason=_why_not(system, workload, tpot, ttft, wait))
    rate = np.where(legal, _BATCHES[None, :] / tpot / packages, 0.0)
    row, column = np.unravel_index(int(np.argmax(rate)), rate.shape)
    usable = 1.0 - _at(efficiency.headroom, band, more_is_better=False)
    return ServingPoint(
        system=system.id,
        workload=workload.id,
        precision=f"{model.weights_precision} weights, {precision} arithmetic",
        output_tokens_per_s=float(rate[row, column]) * system.n_packages.value * usable,
        it_power_w=system.it_power.value,
        n_packages_per_replica=fitting[row],
        batch_size=float(_BATCHES[column]),
        speed_tokens_per_s_user=1.0 / float(tpot[row, column]),
        ttft_s=float(ttft[row, 0]),
    )


def _times(
    model: Model, workload: Workload, rates: Rates, packages: Floats, weights: float
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """(time per output token [s], time to first token [s], cache fits) over (packages, batch)."""
    assert workload.input_tokens and workload.output_tokens and workload.prefix_hit
    shape, batch = model.architecture, _BATCHES[None, :]
    prompt, output = workload.input_tokens.value, workload.output_tokens.value
    fresh = prompt * (1.0 - workload.prefix_hit.value)
    context = prompt + output / 2.0
    cache = kv_bytes_per_token(shape, model.kv_precision)
    width = BYTES_PER_VALUE[model.weights_precision]
    read = (weights_touched(model, batch) * width + batch * context * cache) / (packages * rates.bandwidth)
    compute = 2.0 * model.params_active.value * batch / (packages * rates.flops)
    exchange_bytes = 2 * 2.0 * shape.hidden * 2.0 * (packages - 1.0) / packages
    exchange = exchange_bytes * batch / rates.link if rates.link else np.zeros_like(packages * batch)
    step = np.maximum(read, compute) + shape.n_layers * (rates.layer_s + exchange) + rates.step_s
    attention = 4.0 * shape.n_layers * shape.n_heads * shape.head_dim * fresh * (prompt - fresh / 2.0)
    prefill = (2.0 * model.params_active.value * fresh + attention) / (packages * rates.flops)
    prefill = prefill + shape.n_layers * rates.layer_s + rates.step_s
    tpot = step + (batch / output) * prefill
    room = packages * rates.memory - weights
    return tpot, prefill + step[:, :1], batch * (prompt + output) * cache <= room


def _why_not(system: System, workload: Workload, tpot: Floats, ttft: Floats, wait: float) -> str:
    assert workload.slo
    if workload.slo.speed is not None and tpot.min() > 1.0 / workload.slo.speed.value:
        best, asked = 1.0 / float(tpot.min()), workload.slo.speed.value
        return f"{system.name} reaches {best:,.0f} tok/s per user at most; {workload.name} asks for {asked:,.0f}"
    if ttft.min() > wait:
        return (
            f"{system.name} needs {pretty(float(ttft.min()), 's')} to the first token; allowed are {pretty(wait, 's')}"
        )
    return f"{system.name} has no batch that meets the SLO of {workload.name} within its memory"
