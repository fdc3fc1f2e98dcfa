"""Speed, capacity and power of machines that keep weights in SRAM (wafers, LPUs), and of GPU + LPU hybrids.

The layers of the model are the stages of a pipeline, laid over all packages of a replica: a layer is read by the
cores that hold it, with their share of the SRAM bandwidth. With W bytes read a token, L layers, P packages and b
sequences at a stage (one until there are more sequences than layers)::

    t_token = L (W + b K) / (eta P B)  +  2 X (1 + mu (b - 1)) / link  +  n_sync t_sync  +  hops (t_hop + 2 h / out)

X are the values that cross the machine one after another: the input vector of each matrix that waits for the one
before it. n_sync counts the blocks that end in a synchronisation: attention, feed-forward, router, head. Where the
dense peak is published, reading is at least the arithmetic. Which term rules, for one sequence: on a wafer the
vectors, as one link of the fabric carries 4.4 GB/s and a layer passes tens of thousands of values; on LPUs the
synchronisation of the chips of a layer (their links are fifty times faster). Reading the weights is below a fifth on
both, so SRAM bandwidth is what makes these machines possible and not what limits them today.

Assumptions: (1) eta is 1/3, as a core reads weight and partial sum and writes the sum: one of three streams is
weights. (2) One vector uses one link (clock and width as told of WSE-2), further ones of a batch the links beside it
(mu). (3) Experts are spread over all cores of their layer, and only those a token takes are read. (4) Reductions
overlap with the next broadcast. (5) Weights and cache are resident, nothing is streamed from outside. (6) No FLOP/s
of the wafer: no precision of its peak is agreed. (7) Speculation multiplies a speed and is no part of a time.

Wrong when: the vendor's software changed since the row that ``t_sync`` was fitted on; a layer spans hundreds of chips
(very large mixtures on LPUs: too fast here); prompts are long on wafers (their arithmetic is not counted).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from gigawatt.catalog.schema import Architecture, Calibration, Model, Package, System
from gigawatt.perf.precision import STORED_BITS
from gigawatt.perf.shape import kv_values_per_token, n_full_layers, n_moe_layers, parameters, state_values, value_dim
from gigawatt.perf.table import CALIBRATED, EXTRAPOLATED, StepTable

Floats = npt.NDArray[np.float64]
Part = Literal["all", "feed-forward"]

_VECTOR_BYTES = 2.0  # activations travel in 16 bit
_ARITHMETIC = {  # what a machine computes in for weights stored so; the first that exists is used
    "fp16": ("fp16", "bf16"), "bf16": ("bf16", "fp16"), "int8": ("int8", "fp8", "fp16", "bf16"),
}  # fmt: skip
_LARGEST = 10_440  # packages of the largest network that was published (Groq, ISCA 2022)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficients:
    """What is not in a data sheet; every array is (3,): the fast end, the central value, the slow end.

    Attributes:
        read_frac: eta, share of the SRAM bandwidth that reads weights and cache.
        marginal_frac: mu, stream time of a further vector at the same stage, over that of the first.
        compute_frac: achieved over dense peak, where a dense peak is published.
        sync_s: t_sync, one synchronised block [s].
        hop_s: t_hop, one hop out of the scale-up domain [s].
        reserve_frac: SRAM kept for programs and activations; the central value counts.
        idle_frac: power without load over power at full load.
        is_measured: False where no published speed of the machine stands behind ``sync_s``.
    """

    read_frac: Floats
    marginal_frac: Floats
    compute_frac: Floats
    sync_s: Floats
    hop_s: Floats
    reserve_frac: float
    idle_frac: Floats
    is_measured: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One copy of a model on ``n_packages`` packages; all methods follow the formula of the module.

    Sums over the layers: ``n_sync`` blocks, ``stream_values`` values. ``reason`` says why there is no replica; then
    all numbers are 0. ``dataclasses.replace(replica, n_packages=n)`` is the same copy on more packages.
    """

    system: str
    model: str
    precision: str
    n_packages: int
    reason: str = ""
    n_packages_per_machine: float = 1.0
    n_packages_per_domain: float = 1.0
    n_stages: int = 1
    n_sync: int = 0
    stream_values: float = 0.0
    hidden: int = 0
    weights_bytes: float = 0.0
    body_bytes: float = 0.0
    expert_bytes: float = 0.0
    n_experts: int = 0
    experts_per_token: int = 0
    flop_per_token: float = 0.0
    kv_bytes_per_token: float = 0.0
    state_bytes_per_sequence: float = 0.0
    sram_bytes: float = 0.0
    sram_bytes_per_s: float = 0.0
    lane_bytes_per_s: float = 0.0
    out_bytes_per_s: float = 0.0
    flops: float = 0.0
    machine_w: float = 0.0
    coefficients: Coefficients | None = None
    sources: tuple[str, ...] = ()

    @property
    def n_hops(self) -> int:
        """Hops of a token between scale-up domains, the way back to the first included; 0 inside one."""
        domains = math.ceil(self.n_packages / self.n_packages_per_domain) if self.n_packages else 0
        return domains if domains > 1 else 0

    @property
    def n_machines(self) -> float:
        """Machines (racks, boxes) the replica takes, as a fraction."""
        return self.n_packages / self.n_packages_per_machine

    @property
    def kv_capacity_tokens(self) -> float:
        """Tokens of context that fit beside the weights, all sequences together [token]; state is not deducted."""
        room = self.n_packages * self.usable_bytes - self.weights_bytes
        return max(0.0, room) / self.kv_bytes_per_token if self.kv_bytes_per_token else math.inf

    @property
    def usable_bytes(self) -> float:
        """SRAM of one package for weights and cache [byte]."""
        return self.sram_bytes * (1.0 - self._coefficients.reserve_frac)

    @property
    def _coefficients(self) -> Coefficients:
        if self.coefficients is None:
            raise ValueError(f"there is no replica of {self.model} on {self.system}: {self.reason}")
        return self.coefficients

    def shared_seconds(self) -> Floats:
        """What a token pays whatever shares its stages: synchronisation and hops [s]; (3,) fast to slow."""
        c = self._coefficients
        wire = _VECTOR_BYTES * self.hidden / self.out_bytes_per_s if self.n_hops else 0.0
        return self.n_sync * c.sync_s + self.n_hops * (c.hop_s + wire)

    def reading_seconds(self) -> Floats:
        """Reading of the weights that every token needs, experts aside [s]; (3,) fast to slow."""
        return self.n_stages * self.body_bytes / self._bandwidth(self._coefficients)

    def batch_seconds(self, batch: Floats, context: Floats) -> Floats:
        """Time of one pass through all stages for ``batch`` sequences at the same stage [s].

        Args:
            batch: (n,) b, sequences that a stage takes together, at least 1.
            context: (m,) tokens in the cache of each.

        Returns:
            (3, n, m), fast to slow.
        """
        c, b, held = self._coefficients, batch[None, :, None], context[None, None, :]
        cache = self.kv_bytes_per_token * held + self.state_bytes_per_sequence
        touched = self._weights_read(batch)[None, :, None]
        read = self.n_stages * (touched + b * cache) / (self._bandwidth(c)[:, None, None])
        compute = b * self._compute_seconds()[:, None, None]
        stream = self._stream_seconds() * (1.0 + c.marginal_frac[:, None, None] * (b - 1.0))
        return self.shared_seconds()[:, None, None] + stream + np.maximum(read, compute)

    def decode_seconds(self, sequences: Floats, context: Floats) -> Floats:
        """Time between two tokens of a sequence while ``sequences`` run [s].

        Constant up to one sequence a stage; beyond, each stage takes sequences / stages at once.

        Args:
            sequences: (n,) sequences in flight.
            context: (m,) tokens in the cache of each.

        Returns:
            (3, n, m), fast to slow.
        """
        batch = np.maximum(1.0, np.asarray(sequences, dtype=np.float64) / self.n_stages)
        return self.batch_seconds(batch, np.asarray(context, dtype=np.float64))

    def prefill_seconds(self, new: Floats, cached: Floats) -> Floats:
        """Time to pass ``new`` prompt tokens through the pipeline behind ``cached`` ones [s].

            min over block size c in [1, N] of  (S - 1 + N / c) (a + c g) + hops

        a is what a stage pays for a block (synchronisation, all weights of the layer), g for each token in it.

        Args:
            new: (p,) tokens to process; 0 takes no time.
            cached: (q,) tokens already in the cache.

        Returns:
            (3, p, q), fast to slow.
        """
        c, s = self._coefficients, float(self.n_stages)
        n = np.asarray(new, dtype=np.float64)[None, :, None]
        before = np.asarray(cached, dtype=np.float64)[None, None, :]
        bandwidth = self._bandwidth(c)[:, None, None]
        block = (self.n_sync * c.sync_s)[:, None, None] / s + self.weights_bytes / bandwidth
        cache = self.kv_bytes_per_token * (before + n / 2.0) / bandwidth
        lane = c.marginal_frac[:, None, None] * self._stream_seconds() / s
        each = lane + np.maximum(cache, self._compute_seconds()[:, None, None] / s)
        best = np.sqrt(n * block / np.maximum((s - 1.0) * each, 1e-300))
        size = np.clip(best, 1.0, np.maximum(n, 1.0))
        hops = (self.shared_seconds() - self.n_sync * c.sync_s)[:, None, None]
        return np.where(n > 0.0, (s - 1.0 + n / size) * (block + size * each) + hops, 0.0)

    def tokens_per_s(self, sequences: Floats, context: Floats) -> Floats:
        """Generated tokens of the whole replica [token/s]; shapes as ``decode_seconds``, most to least."""
        return np.asarray(sequences, dtype=np.float64)[None, :, None] / self.decode_seconds(sequences, context)

    def watts(self, load: Floats) -> Floats:
        """IT power of the packages of the replica with their share of the machines [W].

            P (idle + (1 - idle) load)

        Args:
            load: (k,) share of the pipeline that is busy, in [0, 1].

        Returns:
            (3, k), least to most idle power.
        """
        idle = self._coefficients.idle_frac[:, None]
        busy = np.asarray(load, dtype=np.float64)[None, :]
        return self.machine_w * self.n_machines * (idle + (1.0 - idle) * busy)

    def _bandwidth(self, c: Coefficients) -> Floats:
        return c.read_frac * (self.n_packages * self.sram_bytes_per_s)

    def _stream_seconds(self) -> float:
        return _VECTOR_BYTES * self.stream_values / self.lane_bytes_per_s

    def _compute_seconds(self) -> Floats:
        if not self.flops:
            return np.zeros(3)
        return self.n_stages * self.flop_per_token / (self.n_packages * self.flops * self._coefficients.compute_frac)

    def _weights_read(self, batch: Floats) -> Floats:
        if not self.n_experts:
            return np.full_like(batch, self.body_bytes)
        coverage = 1.0 - (1.0 - self.experts_per_token / self.n_experts) ** batch
        return self.body_bytes + self.n_experts * self.expert_bytes * coverage


def coefficients_of(calibration: Calibration, system: System) -> Coefficients:
    """Coefficients for one machine; a machine without published speeds gets ``sync_s.unmeasured``.

    Raises:
        KeyError: the calibration lacks a coefficient.
    """
    rows = calibration.coefficients
    measured = f"sync_s.{system.id}" in rows

    def ends(name: str, *, more_is_fast: bool) -> Floats:
        row = rows[name]
        return np.array([row.high, row.value, row.low] if more_is_fast else [row.low, row.value, row.high])

    hop = ends("hop_s", more_is_fast=False)
    if system.package is not None and system.package.link_latency is not None:
        hop = np.array(system.package.link_latency.range)
    return Coefficients(
        read_frac=ends("read_frac", more_is_fast=True),
        marginal_frac=ends("marginal_frac", more_is_fast=False),
        compute_frac=ends("compute_frac", more_is_fast=True),
        sync_s=ends(f"sync_s.{system.id}" if measured else "sync_s.unmeasured", more_is_fast=False),
        hop_s=hop,
        reserve_frac=rows["reserve_frac"].value,
        idle_frac=ends("idle_frac", more_is_fast=False),
        is_measured=measured,
    )


def stream_values(shape: Architecture, part: Part = "all") -> float:
    """Values of a token that cross a machine one after another, over all layers and the head.

        attention: h (+ q rank) + heads x value      feed-forward: h + width      experts: 2 h + width of one

    The second h of experts is the dispatch after the router has chosen; experts of a token run side by side.
    """
    moe = n_moe_layers(shape)
    dense = (shape.n_layers - moe) * (shape.hidden + shape.intermediate)
    values = dense + moe * (2 * shape.hidden + shape.moe_intermediate)
    if part == "feed-forward":
        return float(values)
    attending = shape.n_layers - shape.linear_layers
    values += attending * (shape.hidden + shape.q_lora_rank + shape.n_heads * value_dim(shape))
    values += shape.linear_layers * (shape.hidden + shape.linear_value_heads * shape.linear_value_dim)
    return float(values + shape.hidden)


def n_synchronised(shape: Architecture, part: Part = "all") -> int:
    """Blocks of a token that end in a synchronisation: attention, feed-forward (router and experts: two), head."""
    feed_forward = shape.n_layers + n_moe_layers(shape)
    return feed_forward if part == "feed-forward" else feed_forward + shape.n_layers + 1


def kv_bytes(model: Model) -> tuple[float, float]:
    """(cache that grows with each token [byte/token], windows and linear states of one sequence [byte])."""
    shape, width = model.architecture, STORED_BITS[model.kv_precision] / 8.0
    each = kv_values_per_token(shape)
    fixed = shape.window_layers * shape.window * each + state_values(shape)
    return n_full_layers(shape) * each * width, fixed * width


def stored_bytes(model: Model, precision: str, part: Part = "all") -> tuple[float, float]:
    """(weights outside the experts, one expert over all layers) as stored in ``precision`` [byte].

    Embeddings and head stay in 16 bit, as does everything but the experts where only those are quantised. The input
    table is stored and not read; a tied head is stored once.
    """
    shape, width = parameters(model.architecture), STORED_BITS[precision] / 8.0
    only_experts = model.quantised == "experts" and precision == model.weights_precision
    outside = 2.0 if only_experts else width
    feed_forward = (shape.dense + shape.shared + shape.router) * outside
    if part == "feed-forward":
        return feed_forward, shape.expert * width
    return (shape.attention + shape.linear) * outside + feed_forward + 2.0 * shape.head, shape.expert * width


def replica(
    system: System, model: Model, calibration: Calibration, *, precision: str = "", context: float, sequences: int = 1
) -> Replica:
    """Smallest replica that holds the weights and the caches of ``sequences`` sequences of ``context`` tokens.

    Args:
        system: a machine of kind "sram".
        model: what it serves.
        calibration: coefficients of purpose "dataflow".
        precision: how weights are stored; that of the released model if empty.
        context: tokens in the cache of each sequence, at their longest.
        sequences: sequences resident together.

    Returns:
        A replica, or one with ``reason`` set and nothing else where there is none.

    Raises:
        ValueError: ``sequences`` below 1, a negative context or an unknown precision.
    """
    precision = precision or model.weights_precision
    if sequences < 1 or context < 0:
        raise ValueError(f"a replica holds at least one sequence of no negative context, not {sequences} of {context}")
    if precision not in STORED_BITS:
        raise ValueError(f"'{precision}' is no way to store weights; known are {', '.join(STORED_BITS)}")
    longest = model.architecture.max_context
    none = Replica(system=system.id, model=model.id, precision=precision, n_packages=0)
    if longest and context > longest:
        return replace(none, reason=f"{model.name} takes {longest:,} tokens of context at most, not {context:,.0f}")
    whole = _part(system, model, calibration, precision, "all")
    if whole.reason:
        return whole
    resident = whole.weights_bytes + sequences * (whole.kv_bytes_per_token * context + whole.state_bytes_per_sequence)
    return _sized(whole, system, resident)


def feed_forward(system: System, model: Model, calibration: Calibration, *, precision: str = "") -> Replica:
    """Replica of the feed-forward layers alone (dense, shared, experts, router): the LPU side of a hybrid.

    It has no cache. Raises as ``replica``; ``reason`` as there.
    """
    precision = precision or model.weights_precision
    if precision not in STORED_BITS:
        raise ValueError(f"'{precision}' is no way to store weights; known are {', '.join(STORED_BITS)}")
    half = _part(system, model, calibration, precision, "feed-forward")
    return half if half.reason else _sized(half, system, half.weights_bytes)


def _sized(whole: Replica, system: System, resident: float) -> Replica:
    packages = max(1, math.ceil(resident / whole.usable_bytes - 1e-9))
    if packages > _LARGEST:
        none = Replica(system=whole.system, model=whole.model, precision=whole.precision, n_packages=0)
        return replace(
            none, reason=f"{system.name} would need {packages:,} packages; {_LARGEST:,} is the most published"
        )
    return replace(whole, n_packages=packages)


def _part(system: System, model: Model, calibration: Calibration, precision: str, part: Part) -> Replica:
    none = Replica(system=system.id, model=model.id, precision=precision, n_packages=0)
    package = system.package
    if system.kind != "sram" or package is None or package.sram is None or package.sram_bandwidth is None:
        return replace(none, reason=f"{system.name} has no SRAM figures in the catalogue to hold weights in")
    up, out = package.scale_up_bandwidth, package.scale_out_bandwidth
    lane = package.fabric_bandwidth.value if package.fabric_bandwidth else up.value / 2.0 if up else 0.0
    if not lane or not system.n_packages or not system.it_power:
        return replace(none, reason=f"{system.name} has no link bandwidth, size or power in the catalogue")
    shape, counted = model.architecture, parameters(model.architecture)
    body, expert = stored_bytes(model, precision, part)
    table = 0.0 if part == "feed-forward" or counted.tied else 2.0 * counted.embedding
    growing, fixed = (0.0, 0.0) if part == "feed-forward" else kv_bytes(model)
    half = counted.dense + counted.shared + counted.router
    active = half if part == "feed-forward" else counted.body + counted.head
    facts = [package.sram, package.sram_bandwidth, package.fabric_bandwidth or up, system.it_power]
    return replace(
        none,
        n_packages_per_machine=system.n_packages.value,
        n_packages_per_domain=system.scale_up_packages.value if system.scale_up_packages else 1.0,
        n_stages=shape.n_layers,
        n_sync=n_synchronised(shape, part),
        stream_values=stream_values(shape, part),
        hidden=shape.hidden,
        weights_bytes=body + counted.n_experts * expert + table,
        body_bytes=body,
        expert_bytes=expert,
        n_experts=counted.n_experts,
        experts_per_token=counted.experts_per_token,
        flop_per_token=2.0 * (active + counted.experts_per_token * counted.expert),
        kv_bytes_per_token=growing,
        state_bytes_per_sequence=fixed,
        sram_bytes=package.sram.value,
        sram_bytes_per_s=package.sram_bandwidth.value,
        lane_bytes_per_s=lane,
        out_bytes_per_s=out.value if out else lane,
        flops=_dense_peak(package, precision),
        machine_w=system.it_power.value,
        coefficients=coefficients_of(calibration, system),
        sources=tuple(dict.fromkeys(key for fact in facts if fact for key in fact.source)),
    )


def _dense_peak(package: Package, precision: str) -> float:
    for name in _ARITHMETIC.get(precision, ("fp8", "int8", "fp16", "bf16")):
        fact = package.peak.dense.get(name)  # type: ignore[call-overload]
        if fact is not None:
            return float(fact.value)
    return 0.0


# ---------------------------------------------------------------- GPU + LPU


# ---------------------------------------------------------------- what others read


def table_of(
    copy: Replica, sequences: Floats, context: Floats, *, new_tokens: Floats, cached: Floats, calibration: Calibration,
    drafted: int = 0, drafting: float = 1.0, software: str = "",
) -> StepTable:  # fmt: skip
    """What a replica does over a grid.

    Decode is "calibrated" where a published speed of the machine was fitted and no stage takes more than one
    sequence, else "extrapolated"; prefill always is, as no prompt rate was published. A prompt that shares the
    pipeline with running sequences is counted as if it had it alone, which is the slow side.

    Args:
        copy: from ``replica``.
        sequences: (n,) sequences in flight.
        context: (m,) tokens in the cache of each.
        new_tokens: (p,) prompt tokens to process.
        cached: (q,) tokens already in the cache.
        calibration: the entry that the replica was made with; its sources are cited.
        drafted: tokens of each sequence that a step verifies besides its own.
        drafting: time of a step with its draft over that of the pass alone.
        software: words for what the steps do besides.

    Raises:
        ValueError: there is no replica, with its reason.
    """
    if copy.reason or copy.coefficients is None:
        raise ValueError(copy.reason or "a replica without coefficients has no times")
    load = np.linspace(0.0, 1.0, 5)
    alone = copy.coefficients.is_measured & (np.asarray(sequences) <= copy.n_stages) & (not drafted)
    batch = np.maximum(1.0, np.asarray(sequences, dtype=np.float64) / copy.n_stages) * (drafted + 1)
    own = (calibration.source,) if isinstance(calibration.source, str) else calibration.source
    return StepTable(
        system=copy.system, model=copy.model, precision=copy.precision, maker="dataflow",
        software=calibration.id + software,
        layout=f"pipeline of {copy.n_stages} layers over {copy.n_packages} packages", n_packages=copy.n_packages,
        sequences=sequences, context=context, decode_s=copy.batch_seconds(batch, context) * drafting,
        new_tokens=new_tokens, cached=cached, prefill_s=copy.prefill_seconds(new_tokens, cached),
        shared_s=copy.shared_seconds() + copy.reading_seconds(),
        decode_provenance=np.where(alone, CALIBRATED, EXTRAPOLATED)[:, None].repeat(len(context), axis=1),
        prefill_provenance=np.full((len(new_tokens), len(cached)), EXTRAPOLATED),
        kv_bytes_per_token=copy.kv_bytes_per_token, state_bytes_per_sequence=copy.state_bytes_per_sequence,
        kv_capacity_tokens=copy.kv_capacity_tokens, load=load, watts=copy.watts(load),
        sources=tuple(dict.fromkeys((*copy.sources, *own))),
    )  # fmt: skip
