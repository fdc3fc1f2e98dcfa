"""Step tables from measured kernels: the optional extra ``aiconfigurator-core``, for the chips and models it knows.

It predicts one pass from tables of kernels measured on the chip (matrix products, attention, experts, collectives).
Its times are multiplied by a correction, by default 1 with the error it was found to have as range.
Without the extra everything here imports and answers with a Refusal that says what to install.
Wrong when: kernels overlap (they are summed), queues form, or speculative decoding is on; none of these is modelled.
Source: aiconfigurator-core 0.12.0 (Apache-2.0), https://github.com/ai-dynamo/aiconfigurator.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from gigawatt.catalog.schema import Costs, Model, System
from gigawatt.core.errors import TableError
from gigawatt.perf.shape import state_values
from gigawatt.perf.table import CALIBRATED, EXTRAPOLATED, MEASURED, Floats, Maker, Refusal, StepTable

Backend = Literal["vllm", "sglang", "trtllm"]

SOURCE = "aiconfigurator-core"
INSTALL = "measured kernels are not installed: pip install gigawatt[measured]"

# Names of chips with measured kernels; a catalogue system is found by its id or an alias.
CHIPS = ("a100_sxm", "h100_sxm", "h200_sxm", "b200_sxm", "b300_sxm", "gb200", "gb300")

# (matrix products, experts) by how weights are stored.
_MODES = {
    "bf16": ("bfloat16", "bfloat16"),
    "fp8": ("fp8", "fp8"),
    "fp8_block": ("fp8_block", "fp8_block"),
    "nvfp4": ("nvfp4", "nvfp4"),
    "mxfp4": ("bfloat16", "w4a16_mxfp4"),
    "int4": ("int4_wo", "int4_wo"),
}
_ARITHMETIC = {"fp8": "fp8", "fp8_block": "fp8", "nvfp4": "fp4"}  # what a chip must compute in for them
_CACHE_MODES = {"fp16": "bfloat16", "bf16": "bfloat16", "fp8": "fp8", "int8": "int8"}

# Points of the grid, of one attention rank. From _TILE on kernels work in tiles: times jump just after these sizes.
_BATCHES = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
_CONTEXTS = (1, *(k * 2**n for n in range(6, 16) for k in (2, 3)), 131072)
_TOKENS = (1, *(k * 2**n for n in range(3, 14) for k in (2, 3)), 32768)
_CACHED = (0, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072)
_TILE = 64
# What the kernels were measured up to: cached tokens of an attention batch, and of one sequence.
_MEASURED_CACHE = 8_388_608
_MEASURED_CONTEXT = 131_072
_STATE_BYTES = 4.0  # linear-attention states are kept in 32 bits


class Ranks(Protocol):
    """A layout: tensor, pipeline and attention-data ranks, and how experts are split."""

    @property
    def tp(self) -> int: ...  # noqa: D102
    @property
    def pp(self) -> int: ...  # noqa: D102
    @property
    def dp(self) -> int: ...  # noqa: D102
    @property
    def moe_tp(self) -> int: ...  # noqa: D102
    @property
    def moe_ep(self) -> int: ...  # noqa: D102


class Engine(Protocol):
    """What is asked of ``aiconfigurator_core.sdk.engine.EngineHandle``; times in ms, batches of one attention rank."""

    def predict_decode_latency(self, bs: int, isl: int, osl: int = 2) -> float: ...  # noqa: D102
    def predict_prefill_latency(self, bs: int, isl: int, prefix: int = 0) -> float: ...  # noqa: D102
    def mixed_step_latency(self, ctx_tokens: int, gen_tokens: int, isl: int, osl: int) -> float: ...  # noqa: D102
    def last_provenance(self) -> str | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """Measured over predicted step time, with its range.

    The default is 1 with a factor of 1.14 to either side: the median error of time per output token against measured
    serving points is 14 %, so half of the points lie outside. Raises TableError unless 0 < low <= value <= high.
    """

    value: float = 1.0
    low: float = 1.0 / 1.14
    high: float = 1.14
    source: str = ""

    def __post_init__(self) -> None:
        if not 0.0 < self.low <= self.value <= self.high < float("inf"):
            raise TableError(
                f"a correction of {self.value:g} with range {self.low:g} to {self.high:g} does not stand; "
                "it needs 0 < low <= value <= high"
            )

    @property
    def factors(self) -> Floats:
        """(low, value, high)."""
        return np.array([self.low, self.value, self.high])


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a table takes from outside the kernels: power over rated power, correction, memory a server may use."""

    costs: Costs
    correction: Correction = Correction()
    prefill: Correction | None = None  # of prefill; None is the same as of decode
    memory_frac: float = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernels:
    """A compiled engine, and the cache of one of its attention ranks (what its server would set aside)."""

    engine: Engine
    software: str
    kv_bytes_per_token: float
    kv_capacity_tokens: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which maker serves a figure, and why: one sentence."""

    maker: Maker
    reason: str


def chip_name(system: System) -> str:
    """Name of the system's chip in the kernel tables; empty where there is none."""
    names = {system.id, *system.aliases}
    return next((chip for chip in CHIPS if chip in names), "")


def layout_name(layout: Ranks) -> str:
    """A layout as text: ``tp8``, ``tp1 dp8 ep8``, ``tp4 pp2``; what is 1 is left out, except tp."""
    parts = (("pp", layout.pp), ("dp", layout.dp), ("moe-tp", layout.moe_tp), ("ep", layout.moe_ep))
    return " ".join([f"tp{layout.tp}", *(f"{name}{count}" for name, count in parts if count > 1)])


def is_installed() -> bool:
    """True where the extra is there."""
    return find_spec("aiconfigurator_core") is not None


def choose_maker(system: System, model: Model, precision: str) -> Choice | Refusal:
    """The maker of step times for (system, model, precision), without computing any.

    Measured kernels where they cover all three; the dataflow model for machines that keep weights in SRAM; else the
    calibrated model, with what the kernels lack as the reason. A system whose performance is undisclosed is refused.
    """
    if system.status == "undisclosed" or system.package is None:
        return Refusal(system=system.id, model=model.id, reason=system.refusal)
    if system.kind == "sram":
        return Choice(maker="dataflow", reason=f"{system.name} keeps weights in SRAM and passes tokens through chips")
    lack = why_not(system, model, precision)
    if lack:
        return Choice(maker="calibrated", reason=lack)
    reason = f"kernels of {chip_name(system)} are measured, and {model.name} in {precision} is put together from them"
    return Choice(maker="measured", reason=reason)


def why_not(system: System, model: Model, precision: str) -> str:
    """What the measured kernels lack for (system, model, precision), as a sentence; empty where nothing is known."""
    if not chip_name(system):
        return f"no kernels are measured on {system.name}; there are tables for {', '.join(CHIPS)}"
    if precision not in _MODES:
        return f"no kernels are measured for {precision} weights; there are {', '.join(_MODES)}"
    if not _computes(system, _ARITHMETIC.get(precision, "bf16")):
        return f"{system.name} does not compute in {_ARITHMETIC.get(precision, 'bf16')}, as kernels for {precision} do"
    if model.kv_precision not in _CACHE_MODES:
        return f"no attention kernels are measured for a cache in {model.kv_precision}"
    if model.hypothetical:
        return f"{model.name} is hypothetical; kernels are put together only for models that exist"
    if not is_installed():
        return INSTALL
    return "" if known_as(model) else f"{model.name} is unknown to {SOURCE}"


def known_as(model: Model) -> str:
    """Name of the model in the extra; empty where there is none.

    The extra must list the model and hold its configuration: it would look for any other on the network.
    """
    from importlib.resources import files

    from aiconfigurator_core.sdk.common import DefaultHFModels

    held = files("aiconfigurator_core") / "model_configs"
    names = (alias for alias in model.aliases if alias in DefaultHFModels)
    return next((name for name in names if (held / f"{name.replace('/', '--')}_config.json").is_file()), "")


def measured_table(
    system: System, model: Model, layout: Ranks, precision: str, backend: Backend, terms: Terms
) -> StepTable | Refusal:
    """Step times from measured kernels, or why there are none.

    ``precision`` says how weights are stored, as ``Model.weights_precision``; ``backend`` whose kernels are meant, in
    the newest version that was measured in full.
    """
    lack = why_not(system, model, precision)
    if lack:
        return Refusal(system=system.id, model=model.id, reason=lack)
    kernels = compile_kernels(system, model, layout, precision, backend, terms.memory_frac)
    if isinstance(kernels, Refusal):
        return kernels
    try:
        with quiet():
            return table_from(kernels, system, model, layout, precision, terms)
    except (ValueError, RuntimeError) as error:
        return Refusal(system=system.id, model=model.id, reason=_refused(system, model, backend, error))


def compile_kernels(
    system: System, model: Model, layout: Ranks, precision: str, backend: Backend, memory_frac: float
) -> Kernels | Refusal:
    """The extra's engine for one replica, and its cache; or why it cannot be put together.

    Attention is computed as the extra infers it from the model, else in bfloat16.
    """
    from aiconfigurator_core.sdk.engine import EngineHandle
    from aiconfigurator_core.sdk.memory import estimate_kv_cache
    from aiconfigurator_core.sdk.perf_database import resolve_query_version

    chip, name = chip_name(system), known_as(model)
    products, experts = _MODES[precision]
    if precision == model.weights_precision and model.quantised == "experts":
        products = "bfloat16"
    options = {
        "tp_size": layout.tp, "pp_size": layout.pp, "attention_dp_size": layout.dp,
        "moe_tp_size": layout.moe_tp, "moe_ep_size": layout.moe_ep, "gemm_quant_mode": products,
        "moe_quant_mode": experts, "kvcache_quant_mode": _CACHE_MODES[model.kv_precision],
    }  # fmt: skip
    reason = ""
    with quiet():
        for attention in (None, "bfloat16"):
            try:
                version = resolve_query_version(chip, backend, "current")
                engine = EngineHandle.compile(name, chip, backend, fmha_quant_mode=attention, **options)
                engine.predict_decode_latency(1, 1024)
                engine.predict_prefill_latency(1, 1024)
                cache = estimate_kv_cache(
                    name, chip, backend, version, max_num_tokens=8192, max_batch_size=256,
                    memory_fraction_kind="of_free" if backend == "trtllm" else "of_total",
                    memory_fraction_value=memory_frac, fmha_quant_mode=attention, **options,
                )  # fmt: skip
            except (ValueError, RuntimeError, AssertionError, KeyError) as error:
                reason = reason or _refused(system, model, backend, error)
                continue
            return Kernels(
                engine=engine,
                software=f"{backend} {version}",
                kv_bytes_per_token=float(cache["kv_size_per_token_bytes"]),
                kv_capacity_tokens=float(cache["total_kv_size_tokens"]),
            )
    return Refusal(system=system.id, model=model.id, reason=reason)


def table_from(
    kernels: Kernels, system: System, model: Model, layout: Ranks, precision: str, terms: Terms
) -> StepTable:
    """Step times of a replica from its engine, corrected.

    Sequences and new tokens are spread evenly over attention ranks (and sequences over pipeline stages, all of them
    busy). Measured times that fall where they should rise are averaged up and down, see ``rising``.
    Wrong when: ranks are loaded unevenly; or a long prefill is cut into pieces that overlap in pipeline stages.
    """
    assert system.n_packages and system.it_power
    engine, ranks = kernels.engine, layout.dp * layout.pp
    sequences, new_tokens = _spread(_BATCHES, ranks), _spread(_TOKENS, layout.dp)
    context = _up_to(_CONTEXTS, model.architecture.max_context)
    cached = _up_to(_CACHED, model.architecture.max_context)
    decode, decode_beyond = _ask_decode(engine, [-(-point // ranks) for point in sequences], context)
    prefill, prefill_beyond = _ask_prefill(engine, [-(-point // layout.dp) for point in new_tokens], cached)
    factors, passing = terms.correction.factors, (terms.prefill or terms.correction).factors
    known = MEASURED if terms.correction.value == 1.0 else CALIBRATED
    share = layout.tp * ranks / system.n_packages.value
    rated = np.array(system.it_power.range) * share
    idle, full = np.array(terms.costs.idle_load.range), np.array(terms.costs.load_factor.range)
    return StepTable(
        system=system.id,
        model=model.id,
        layout=layout_name(layout),
        precision=precision,
        software=kernels.software,
        maker="measured",
        n_packages=layout.tp * ranks,
        sources=(SOURCE, terms.correction.source) if terms.correction.source else (SOURCE,),
        sequences=np.array(sequences, dtype=np.float64),
        context=np.array(context, dtype=np.float64),
        decode_s=factors[:, None, None] * rising(decode),
        new_tokens=np.array(new_tokens, dtype=np.float64),
        cached=np.array(cached, dtype=np.float64),
        prefill_s=passing[:, None, None] * rising(prefill),
        shared_s=np.minimum(factors, passing) * _ask_shared(engine),
        decode_provenance=np.where(decode_beyond, EXTRAPOLATED, known).astype(np.int8),
        prefill_provenance=np.where(prefill_beyond, EXTRAPOLATED, known).astype(np.int8),
        kv_bytes_per_token=kernels.kv_bytes_per_token * layout.tp,
        state_bytes_per_sequence=_STATE_BYTES * state_values(model.architecture),
        kv_capacity_tokens=kernels.kv_capacity_tokens * ranks,
        load=np.array([0.0, 1.0]),
        watts=np.stack([rated * idle, rated * full], axis=1),
    )


def rising(times: Floats) -> Floats:
    """Times that fall along no axis: midway between the largest before and the smallest after each point.

        t' = (max over earlier t + min over later t) / 2

    Times that rise already stay as they are; a dip between two kernels becomes a step of its mean height.
    """
    up, down = times, times
    for axis in range(times.ndim):
        up = np.maximum.accumulate(up, axis=axis)
        down = np.flip(np.minimum.accumulate(np.flip(down, axis), axis=axis), axis)
    return np.asarray(0.5 * (up + down))


def _spread(points: tuple[int, ...], ranks: int) -> list[int]:
    """Amounts of a whole replica at which the largest share of a rank is one of ``points``, or one more where it jumps.

    ``k ranks`` fill every rank with k; one more gives some rank k + 1, and the slowest rank sets the time.
    """
    after = {point * ranks + 1 for point in points[:-1] if point >= _TILE}
    return sorted({1, *(point * ranks for point in points), *after})


def _ask_decode(engine: Engine, batches: list[int], contexts: tuple[int, ...]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """(time [s], was it extrapolated) over (batch of a rank, context)."""
    times = np.empty((len(batches), len(contexts)))
    beyond = np.zeros(times.shape, dtype=np.bool_)
    for i, batch in enumerate(batches):
        for j, context in enumerate(contexts):
            times[i, j] = 1e-3 * engine.predict_decode_latency(batch, context)
            borrowed = engine.last_provenance() is not None
            beyond[i, j] = borrowed or context > _MEASURED_CONTEXT or batch * context > _MEASURED_CACHE
    return times, beyond


def _ask_prefill(engine: Engine, tokens: list[int], cached: tuple[int, ...]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """(time [s], was it extrapolated) over (new tokens of a rank, cached tokens); the engine's length counts both."""
    times = np.empty((len(tokens), len(cached)))
    beyond = np.zeros(times.shape, dtype=np.bool_)
    for i, new in enumerate(tokens):
        for j, prefix in enumerate(cached):
            times[i, j] = 1e-3 * engine.predict_prefill_latency(1, new + prefix, prefix)
            beyond[i, j] = engine.last_provenance() is not None or new + prefix > _MEASURED_CONTEXT
    return times, beyond


def _ask_shared(engine: Engine) -> float:
    """What decode and prefill both count [s]: the s with the least relative error of mixed steps, not below 0.

    It is the median of decode + prefill - mixed, each weighted by 1 / mixed, over chunks of 16 to 8,192 tokens.
    """
    gaps, weights = [], []
    for batch in (1, 16, 64, 256):
        for tokens in (16, 64, 256, 512, 1024, 2048, 8192):
            apart = engine.predict_decode_latency(batch, tokens + 1) + engine.predict_prefill_latency(1, tokens)
            mixed = engine.mixed_step_latency(tokens, batch, tokens, 2)
            gaps.append(apart - mixed)
            weights.append(1.0 / mixed)
    order = np.argsort(gaps)
    reached = np.cumsum(np.array(weights)[order])
    middle = int(np.searchsorted(reached, 0.5 * reached[-1]))
    return 1e-3 * max(float(np.array(gaps)[order][middle]), 0.0)


def _computes(system: System, precision: str) -> bool:
    assert system.package
    peak = system.package.peak
    return any(precision in figures for figures in (peak.dense, peak.inference, peak.training, peak.sparse))


def _up_to(points: tuple[int, ...], most: int) -> tuple[int, ...]:
    """Points up to ``most``, and ``most`` itself; all of them where it is not known (0)."""
    if not most or most >= points[-1]:
        return points
    return (*(point for point in points if point < most), most)


def _refused(system: System, model: Model, backend: str, error: Exception) -> str:
    said = (str(error) or type(error).__name__).splitlines()[0]
    return f"{SOURCE} does not cover {model.name} on {system.name} with {backend}: {said}"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps the extra's notes on fallback rows, of operators a model may not even have, off the terminal."""
    logger = logging.getLogger("aiconfigurator_core")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
