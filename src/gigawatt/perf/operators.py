"""Time of one pass of a replica, operator by operator: a roofline with fitted, physical coefficients.

    t = matrices + experts + attention + collectives + kernels + host

A matrix takes the longer (smoothly) of reading it and computing with it; computing costs 1/peak + e/TDP a FLOP, as
chips at their power limit do. Experts read are those that tokens touch, with popularity uneven (gamma distributed):

    touched = E (1 - (1 + k T / (E a))^-a), at least k        -> E (1 - e^(-kT/E)) for a -> infinity

T counts the tokens of the whole expert-parallel group. Every kernel costs a fixed time, shorter by a factor with each
generation. All functions work on arrays that broadcast; a ``Work`` may hold scalars (one model on one system, many
layouts) or one value a row. Fitted in ``fit_inference``; coefficients in catalog/data/calibration/inference.yaml.
Wrong when: kernels run far from those measured (new attention kinds), routing is adversarial, or batches speculate.
Source: Williams et al. 2009, doi:10.1145/1498765.1498785; Pope et al. 2022, arXiv:2211.05102.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from gigawatt.catalog.schema import Calibration, Model, Package, System
from gigawatt.core.calendar import QUARTERS_A_YEAR
from gigawatt.perf.layout import Layout
from gigawatt.perf.precision import STORED_BITS, Serving, peak
from gigawatt.perf.shape import kv_values_per_token, n_full_layers, n_moe_layers, parameters, state_values, value_dim

Floats: TypeAlias = npt.NDArray[np.float64]
Values: TypeAlias = float | Floats

BACKENDS = ("vllm", "sglang", "trtllm")
SIDES = ("overhead", "work", "prefill", "sequence", "interference", "first_token")

# Steps of chip generations after Hopper: each shortens the fixed time of a kernel. Systems that are not named count by
# the year their chip became available (Hopper 2022, Blackwell 2025).
GENERATION_STEPS = {
    "Ampere": -1.0, "Hopper": 0.0, "Blackwell": 1.0, "Blackwell Ultra": 1.0, "Vera Rubin": 2.0, "Rubin": 2.0,
}  # fmt: skip
_SERVER = 8  # packages of a server: replicas of one scale-up domain of this size stand in different servers
_SCALE_OUT = 5e10  # byte/s, one 400 Gb/s port a package, where a system states none
ACTIVATION_BYTES = 2.0  # activations travel in 16 bits
STATE_BYTES = 4.0  # linear-attention states are kept in 32 bits


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a pass works on: a model in a precision, on a machine, in a layout. Scalars, or one value a row.

    Parameters are counts, ``*_bytes`` bytes a parameter, peaks FLOP/s of a package, bandwidths byte/s one way.
    """

    # model
    attention: Values
    dense: Values
    expert: Values
    head: Values
    tables: Values
    n_layers: Values
    moe_layers: Values
    mla_layers: Values
    linear_layers: Values
    sparse_layers: Values
    full_layers: Values
    window_layers: Values
    window: Values
    top_k: Values
    hidden: Values
    n_heads: Values
    qk_dim: Values
    v_dim: Values
    latent_values: Values
    index_values: Values
    index_flops: Values
    kv_heads: Values
    kv_values: Values
    state: Values
    n_experts: Values
    experts_per_token: Values
    expert_width: Values
    # precision
    attention_bytes: Values
    dense_bytes: Values
    expert_bytes: Values
    kv_bytes: Values
    # machine
    peak_16: Values
    peak_attention: Values
    peak_dense: Values
    peak_expert: Values
    bandwidth: Values
    link: Values
    transfer: Values
    memory: Values
    tdp: Values
    generation: Values
    behind: Values
    # layout
    tp: Values
    pp: Values
    dp: Values
    moe_tp: Values
    moe_ep: Values

    def with_layouts(self, layouts: list[Layout] | tuple[Layout, ...]) -> Work:
        """The same work in several layouts: layout fields become columns (n, 1)."""
        changed = {
            name: np.array([[float(getattr(one, name))] for one in layouts])
            for name in ("tp", "pp", "dp", "moe_tp", "moe_ep")
        }
        return Work(**{**as_mapping(self), **changed})


def as_mapping(work: Work) -> dict[str, Any]:
    """Fields of a Work by name."""
    return {one.name: getattr(work, one.name) for one in fields(work)}


def stacked(rows: list[Work]) -> Work:
    """Rows of scalars as one Work of columns (n,)."""
    return Work(**{one.name: np.array([getattr(row, one.name) for row in rows]) for one in fields(Work)})


def generation_step(system: System) -> float:
    """Generations after Hopper, from the table above or from the year of availability."""
    known = GENERATION_STEPS.get(system.generation)
    if known is not None:
        return known
    if system.first_available is None:
        return 0.0
    return float(np.clip((system.first_available.value / QUARTERS_A_YEAR - 2022.75) / 2.25, -1.0, 3.0))


def work_of(
    system: System, package: Package, model: Model, serving: Serving, layout: Layout, *, behind: float = 1.0
) -> Work:
    """Scalars of one (system, model, precision, layout).

    ``behind`` is achieved over what the calibrated software achieves, below 1 where a vendor's software is behind.
    """
    assert package.memory and package.memory_bandwidth and system.n_packages and system.it_power
    shape, parts = model.architecture, parameters(model.architecture)
    moe = n_moe_layers(shape)
    stored = STORED_BITS[serving.weights] / 8.0
    narrow = peak(package, serving.arithmetic)
    wide = peak(package, "bf16") or peak(package, "fp16") or narrow
    experts_only = model.quantised == "experts"
    attention_wide = experts_only or (serving.weights == "nvfp4" and moe > 0)
    beyond = bool(system.scale_up_packages) and layout.tp * layout.dp > system.scale_up_packages.value  # type: ignore[union-attr]
    link = None if beyond else package.scale_up_bandwidth
    link = link or package.scale_out_bandwidth
    tdp = package.power.value if package.power else 0.7 * system.it_power.value / system.n_packages.value
    latent = 2 * shape.kv_lora_rank + shape.rope_dim if shape.attention == "mla" else 0
    qk = shape.head_dim + (shape.rope_dim if shape.attention == "mla" else 0)
    return Work(
        attention=parts.attention + parts.linear,
        dense=parts.dense + parts.shared,
        expert=parts.expert,
        head=parts.head,
        tables=parts.head if parts.tied else parts.head + parts.embedding,
        n_layers=shape.n_layers,
        moe_layers=moe,
        mla_layers=shape.n_layers - shape.linear_layers if shape.attention == "mla" else 0,
        linear_layers=shape.linear_layers,
        sparse_layers=n_full_layers(shape) if shape.sparse_top_k else 0,
        full_layers=n_full_layers(shape),
        window_layers=shape.window_layers,
        window=shape.window,
        top_k=shape.sparse_top_k or np.inf,
        hidden=shape.hidden,
        n_heads=shape.n_heads,
        qk_dim=qk,
        v_dim=value_dim(shape),
        latent_values=latent,
        index_values=shape.index_dim,
        index_flops=2.0 * shape.index_heads * shape.index_dim,
        kv_heads=1 if shape.attention == "mla" else shape.n_kv_heads,
        kv_values=kv_values_per_token(shape) - shape.index_dim,
        state=state_values(shape),
        n_experts=max(shape.n_experts, 1),
        experts_per_token=shape.experts_per_token,
        expert_width=shape.moe_intermediate,
        attention_bytes=2.0 if attention_wide else stored,
        dense_bytes=2.0 if experts_only else stored,
        expert_bytes=stored,
        kv_bytes=2.0 if serving.cache == "bf16" else 1.0,
        peak_16=wide,
        peak_attention=wide if attention_wide else narrow,
        peak_dense=wide if experts_only else narrow,
        peak_expert=narrow,
        bandwidth=package.memory_bandwidth.value,
        link=link.value / 2.0 if link is package.scale_up_bandwidth and link else (link.value if link else _SCALE_OUT),
        transfer=_transfer(system, package),
        memory=package.memory.value,
        tdp=tdp,
        generation=generation_step(system),
        behind=behind,
        tp=layout.tp,
        pp=layout.pp,
        dp=layout.dp,
        moe_tp=layout.moe_tp,
        moe_ep=layout.moe_ep,
    )


def _transfer(system: System, package: Package) -> float:
    """Bandwidth between replicas of a package [byte/s one way]: scale-up in racks that hold several, else scale-out."""
    if package.scale_up_bandwidth and system.scale_up_packages and system.scale_up_packages.value > _SERVER:
        return package.scale_up_bandwidth.value / 2.0
    return package.scale_out_bandwidth.value if package.scale_out_bandwidth else _SCALE_OUT


Coefficients: TypeAlias = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Software:
    """What a serving backend multiplies: fixed times, working times, prefill, host a sequence, and two shares.

    ``interference`` multiplies how much of others' prefill a request feels, ``first_token`` the fixed part of the
    time to first token. 1 is the mean of all backends. ``age_y`` is how many years its software lags April 2026.
    """

    overhead: Values = 1.0
    work: Values = 1.0
    prefill: Values = 1.0
    sequence: Values = 1.0
    interference: Values = 1.0
    first_token: Values = 1.0
    age_y: Values = 0.0


def values_of(calibration: Calibration) -> dict[str, float]:
    """Central values of a calibration by name."""
    return {name: one.value for name, one in calibration.coefficients.items()}


def _longer(a: Values, b: Values) -> Floats:
    """The longer of two times where one hides the other, smooth between: (a^4 + b^4)^(1/4)."""
    square_a, square_b = np.square(a), np.square(b)
    return np.asarray(np.sqrt(np.sqrt(square_a * square_a + square_b * square_b)))


def experts_touched(work: Work, tokens: Values, popularity: float) -> Floats:
    """Experts of a layer that ``tokens`` tokens of the whole group read: at least those of one token, at most all."""
    w = work
    chosen = tokens * np.asarray(w.experts_per_token)
    spread = w.n_experts * (1.0 - (1.0 + chosen / (np.asarray(w.n_experts) * popularity)) ** -popularity)
    return np.asarray(np.minimum(np.maximum(spread, w.experts_per_token), chosen))


class Pass:
    """Prepared times of a Work under coefficients and software: what does not depend on batch or length is done once.

    Decode batches are sequences of one attention rank; prefill counts tokens of one attention rank.
    """

    __slots__ = (
        "_attention", "_comm_byte", "_comm_fixed", "_dense", "_expert_act", "_expert_flop", "_expert_read", "_flop_j",
        "_head", "_kv", "_launch", "_mla", "_old", "_over", "_sparse", "_state", "_token", "c", "s", "w",
    )  # fmt: skip

    def __init__(self, work: Work, coefficients: Coefficients, software: Software = Software()) -> None:
        w, c, s = work, coefficients, software
        self.w, self.c, self.s = w, c, s
        bw = w.bandwidth * w.behind
        energy = c["flop_energy"] / w.tdp
        read = bw * c["read"]
        old = 1.0 + c["ageing"] * np.asarray(s.age_y)
        self._old = old
        self._flop_j = energy

        def per_flop(top: Values) -> Values:
            return (1.0 / top + energy) / w.behind

        def matrix(count: Values, width: Values, top: Values) -> tuple[Values, Values]:
            kept = np.where(np.asarray(width) < 0.7, c["read_4bit"], 1.0)
            return count * width / w.tp / (read * kept), 2.0 * count / w.tp * per_flop(top) / c["compute"]

        self._attention = matrix(w.attention, w.attention_bytes, w.peak_attention)
        self._dense = matrix(w.dense, w.dense_bytes, w.peak_dense)
        self._head = matrix(w.head, 2.0, w.peak_16)
        uneven = 1.0 + c["imbalance"] * (1.0 - 1.0 / np.asarray(w.moe_ep))
        split = np.asarray(w.moe_ep) * w.moe_tp
        kept = np.where(np.asarray(w.expert_bytes) < 0.7, c["read_4bit_experts"], 1.0)
        self._expert_read = w.expert / split * w.expert_bytes / (bw * c["read_experts"] * kept) * uneven
        self._expert_flop = (
            2.0
            * np.asarray(w.experts_per_token)
            * w.expert
            / split
            * per_flop(w.peak_expert)
            / c["compute_experts"]
            * uneven
        )
        self._expert_act = (
            np.asarray(w.moe_layers) * w.experts_per_token / w.moe_ep
            * (w.hidden * c["expert_traffic"] + 4.0 * np.asarray(w.expert_width) / w.moe_tp) * ACTIVATION_BYTES / read
        )  # fmt: skip
        wide_tp, wide_dp = np.asarray(w.tp) > 1, np.asarray(w.dp) > 1
        reduce = 2.0 * np.asarray(w.n_layers) * wide_tp
        gather = 2.0 * np.asarray(w.moe_layers) * wide_dp
        message = np.asarray(w.hidden) * ACTIVATION_BYTES
        self._comm_byte = reduce * 2.0 * (w.tp - 1.0) / w.tp * message / (c["link_reduce"] * w.link)
        peers = np.minimum(np.asarray(w.dp) - 1.0, w.experts_per_token)  # a token travels to its experts, not to all
        self._comm_byte = self._comm_byte + gather * peers * message / (c["link_exchange"] * w.link)
        self._comm_fixed = reduce * (c["reduce_s"] + c["reduce_rank_s"] * w.tp) + gather * c["exchange_s"]
        self._token = np.asarray(w.n_layers) * w.hidden * ACTIVATION_BYTES * c["token_traffic"] / read
        self._launch = self._kernels()
        self._over = (self._launch * c["kernel_s"] + c["host_s"] + self._comm_fixed) * s.overhead * old / w.behind
        kv_split = np.minimum(w.tp, w.kv_heads)
        self._kv = w.kv_values * w.kv_bytes / kv_split / (c["read_cache"] * bw)
        per_16 = per_flop(w.peak_16)
        self._mla = 2.0 * w.n_heads / w.tp * w.latent_values * per_16 / c["compute_latent"]
        self._sparse = (
            np.asarray(w.index_values * w.kv_bytes / (c["read_cache"] * bw)),
            np.asarray(w.index_flops * per_flop(w.peak_dense) / c["compute_latent"]),
        )
        self._state = 2.0 * np.asarray(w.state) * STATE_BYTES / w.tp / read

    def _kernels(self) -> Floats:
        """Kernels of one pass, each costing ``kernel_s``, in units of a Hopper's."""
        w, c = self.w, self.c

        def quantised(width: Values) -> Floats:
            narrow = np.asarray(width)
            return np.where(
                narrow < 0.7,
                c["quant_kernels"] + c["quant_kernels_4bit"],
                np.where(narrow < 1.9, c["quant_kernels"], 0.0),
            )

        experts = np.asarray(w.expert_bytes)
        inside = np.where(
            experts < 0.7, c["expert_quant_kernels_4bit"], np.where(experts < 1.9, c["expert_quant_kernels"], 0.0)
        )
        inside = inside * (np.asarray(w.dense_bytes) < 1.9)  # experts alone quantised: activations stay in 16 bits
        count = np.asarray(w.n_layers) * (c["layer_kernels"] + 0.5 * quantised(w.attention_bytes))
        count = count + (np.asarray(w.n_layers) - w.moe_layers) * 0.5 * quantised(w.dense_bytes)
        count = count + np.asarray(w.moe_layers) * (c["expert_kernels"] + inside)
        count = (
            count + np.asarray(w.mla_layers) * c["latent_kernels"] + np.asarray(w.linear_layers) * c["linear_kernels"]
        )
        count = count + np.asarray(w.sparse_layers) * c["sparse_kernels"]
        return np.asarray(count * c["generation"] ** np.asarray(w.generation))

    def _body(self, tokens: Values, heads: Values) -> Floats:
        """Matrices, experts, collectives of a pass of ``tokens`` tokens a rank, ``heads`` of which need logits [s]."""
        w, c = self.w, self.c
        group = tokens * np.asarray(w.dp)
        touched = experts_touched(w, group, c["popularity"])
        start = tokens + c["tile"]
        out = _longer(self._attention[0], self._attention[1] * start)
        out = out + _longer(self._dense[0], self._dense[1] * start)
        out = out + _longer(self._head[0], self._head[1] * heads)
        experts = _longer(touched * self._expert_read, group * self._expert_flop) + group * self._expert_act
        out = out + np.where(np.asarray(w.moe_layers) > 0, experts, 0.0)
        return np.asarray(out + tokens * (self._token + self._comm_byte))

    def sequence_s(self, context: Values, tokens: Values = 1.0) -> Floats:
        """Attention of a sequence of ``context`` tokens; its cache is read once for ``tokens`` tokens [s]."""
        w = self.w
        seen = np.minimum(context, w.top_k)
        read = (seen * w.full_layers + np.minimum(context, w.window) * w.window_layers) * self._kv
        out = _longer(read, seen * w.full_layers * self._mla * tokens)
        index = self._sparse[0] + self._sparse[1] * tokens
        return np.asarray(out + context * np.asarray(w.sparse_layers) * index + self._state)

    def decode_s(self, batch: Values, context: Values, tokens: Values = 1.0) -> Floats:
        """One decode step of ``batch`` sequences a rank at mean ``context`` tokens, ``tokens`` of each at once [s].

        With pipeline stages each works on its share of the batch; a token passes through all of them.
        """
        w, c, s = self.w, self.c, self.s
        share = batch / np.asarray(w.pp)
        hops = (np.asarray(w.pp) - 1.0) * c["reduce_s"]
        moving = self._body(share * tokens, share * tokens) + share * self.sequence_s(context, tokens)
        return np.asarray(self._over + hops + moving * s.work + batch * c["sequence_s"] * s.sequence * self._old)

    def prefill_gpu_s(self, tokens: Values, cached: Values = 0.0) -> Floats:
        """One prompt of ``tokens`` new tokens behind ``cached`` ones on the packages alone, without launches [s]."""
        w, c = self.w, self.c
        n, past = np.asarray(tokens, dtype=np.float64), np.asarray(cached, dtype=np.float64)
        pairs = n * (past + 0.5 * n)
        full = np.minimum(pairs, n * w.top_k)
        seen = full * w.full_layers + n * np.minimum(past + n, w.window) * w.window_layers
        flop = 2.0 * np.asarray(w.n_heads) / w.tp * (np.asarray(w.qk_dim) + w.v_dim)
        each = (1.0 / np.asarray(w.peak_16) + self._flop_j) / w.behind
        index = pairs * w.sparse_layers * w.index_flops * each / c["compute_latent"]
        attention = flop * seen * each / c["compute_attention"] + index
        return np.asarray((self._body(n, 1.0) + attention) * self.s.prefill * self._old)

    @property
    def launch_s(self) -> Floats:
        """Launching the kernels of a pass that no graph holds [s]."""
        return np.asarray(self._launch * self.c["launch_s"])

    def prefill_s(self, tokens: Values, cached: Values = 0.0) -> Floats:
        """One prefill pass, launches included (they hide behind long passes) [s]."""
        return np.asarray(np.hypot(self.prefill_gpu_s(tokens, cached), self.launch_s))

    def first_s(self) -> Floats:
        """Fixed part of the time to first token: request handling and one pass of launches [s]."""
        return np.asarray((self.c["first_token_s"] + self.launch_s) * self.s.first_token * self._old)
