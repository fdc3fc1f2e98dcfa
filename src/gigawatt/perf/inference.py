"""What a user sees: time per output token and to first token of a replica under a steady load, and its StepTable.

Colocated, every iteration carries the prompts of others: with b sequences a rank, prompts of i and answers of o tokens,

    TPOT = t_decode(b', i + o/2) + f (b' - 1)/o t_prefill(i)        TTFT = first + t_prefill (1 + q (b' - 1)) + TPOT/2

where b' <= b is what decodes while some wait for their prompt (b' = b o TPOT / (o TPOT + TTFT)) and b is what the
cache holds. Disaggregated, prompts run on packages of their own and the cache is sent: TPOT = t_decode.
Speculation of n drafted tokens, each kept with probability p, yields (1 - p^(n+1)) / (1 - p) tokens a pass of n + 1.
Source of the last: Leviathan et al. 2023, arXiv:2211.17192, equation 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gigawatt.catalog.schema import Calibration, Model, System
from gigawatt.perf.layout import Layout
from gigawatt.perf.operators import (
    SIDES,
    Coefficients,
    Floats,
    Pass,
    Software,
    Values,
    Work,
    generation_step,
    values_of,
    work_of,
)
from gigawatt.perf.precision import Serving
from gigawatt.perf.table import CALIBRATED, EXTRAPOLATED, StepTable

_ROUNDS = 2  # of b'; a third changes TPOT by less than 0.1 %
_RESERVED_BYTES = 2e9  # runtime and graphs of one package, before the share that is kept free


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Under a steady load: what a user waits, how many sequences of a rank decode, how many the cache lets run."""

    tpot_s: Floats
    ttft_s: Floats
    decoding: Floats
    running: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Speculation:
    """Drafted tokens a pass and the probability that each is kept; ``draft`` is the draft's share of a pass's time."""

    tokens: int = 0
    accepted: float = 0.0
    draft: float = 0.05

    @property
    def tokens_per_pass(self) -> float:
        """Expected tokens of one pass."""
        p, n = self.accepted, self.tokens
        return float(n + 1) if p >= 1.0 else (1.0 - p ** (n + 1)) / (1.0 - p)

    @property
    def said(self) -> str:
        """For the reader: ``drafts 3 tokens, accepted 0.7`` or ``without drafts``."""
        return f"drafts {self.tokens} tokens, accepted {self.accepted:g}" if self.tokens else "without drafts"

    @property
    def words(self) -> str:
        """What a step of a table does besides, to stand behind the software's name; empty without speculation."""
        return f", a step verifies {self.tokens} drafted tokens" if self.tokens else ""


def weight_bytes(work: Work) -> Floats:
    """Weights on one package [byte]."""
    w = work
    shared = (w.attention * w.attention_bytes + w.dense * w.dense_bytes) / w.tp + 2.0 * np.asarray(w.tables) / w.tp
    experts = np.where(np.asarray(w.moe_layers) > 0, w.n_experts * np.asarray(w.expert) * w.expert_bytes, 0.0)
    return np.asarray((shared + experts / (np.asarray(w.moe_tp) * w.moe_ep)) / w.pp)


def cache_bytes_per_token(work: Work) -> Floats:
    """Cache of one token of full-context layers on each package of its rank [byte]; stages hold their own layers."""
    w = work
    values = w.kv_values / np.minimum(w.tp, w.kv_heads) * w.full_layers + np.asarray(w.index_values) * w.sparse_layers
    return np.asarray(values * w.kv_bytes / w.pp)


def cache_bytes_per_sequence(work: Work) -> Floats:
    """What a sequence keeps whatever its length: windows and linear states, on each package of its rank [byte]."""
    w = work
    window = np.asarray(w.window_layers) * w.window * w.kv_values * w.kv_bytes / np.minimum(w.tp, w.kv_heads)
    return np.asarray((window + np.asarray(w.state) * 4.0 / w.tp) / w.pp)


def free_bytes(work: Work, memory_share: float = 0.9) -> Floats:
    """Memory of one package left for the cache [byte]; negative where the weights do not fit."""
    return np.asarray(work.memory * memory_share - _RESERVED_BYTES - weight_bytes(work))


def capacity_sequences(work: Work, tokens: Values, memory_share: float = 0.9) -> Floats:
    """Sequences of ``tokens`` mean length that the cache of one attention rank holds."""
    each = np.maximum(cache_bytes_per_token(work) * tokens + cache_bytes_per_sequence(work), 1.0)
    return np.asarray(np.maximum(free_bytes(work, memory_share), 0.0) / each)


def served(
    run: Pass,
    batch: Values,
    prompt: Values,
    output: Values,
    *,
    cached: Values = 0.0,
    prefill: Pass | None = None,
    speculation: Speculation = Speculation(),
) -> Served:
    """Times under a steady load of ``batch`` sequences an attention rank; everything broadcasts.

    Args:
        run: the replica that decodes.
        batch: sequences in flight of one attention rank.
        prompt: mean prompt tokens, of which ``cached`` are already in cache.
        output: mean output tokens.
        cached: prompt tokens already in cache.
        prefill: the replica that takes the prompts where they are disaggregated; None where colocated.
        speculation: tokens drafted and kept; none by default.
    """
    c = run.c
    fresh = np.maximum(np.asarray(prompt, dtype=np.float64) - cached, 1.0)
    capacity = capacity_sequences(run.w, prompt + 0.75 * np.asarray(output), c["memory_share"])
    running = np.minimum(batch, np.maximum(capacity, 1.0))
    context = prompt + 0.5 * np.asarray(output)
    first = (prefill or run).first_s()
    gpu = (prefill or run).prefill_gpu_s(fresh, cached)
    if speculation.tokens:
        many, kept = speculation.tokens + 1, speculation.tokens_per_pass

        def step(b: Values) -> Floats:
            verify = run.decode_s(b, context, many)
            return np.asarray(verify * (1.0 + speculation.draft) / kept)

    else:

        def step(b: Values) -> Floats:
            return run.decode_s(b, context)

    if prefill is not None:
        tpot = step(running)
        sent = cache_bytes_per_token(run.w) * fresh / run.w.transfer
        return Served(tpot_s=tpot, ttft_s=np.asarray(first + gpu + sent + tpot), decoding=running, running=running)
    felt = np.hypot(gpu, run.launch_s) * c["interference"] * run.s.interference / output / run.w.pp
    pure, decoding = step(running), running
    tpot = pure
    ttft = first + gpu
    for rounds in range(_ROUNDS + 1):
        others = np.maximum(decoding - 1.0, 0.0)
        tpot = pure + others * felt
        ttft = first + gpu * (1.0 + c["queue"] * others) + 0.5 * tpot
        if rounds < _ROUNDS:
            decoding = running * output * tpot / (output * tpot + ttft)
            pure = step(decoding)
    return Served(tpot_s=np.asarray(tpot), ttft_s=np.asarray(ttft), decoding=np.asarray(decoding), running=running)


BATCHES = np.array([1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096.0])
NEW_TOKENS = np.array([1, *(float(2**n) for n in range(4, 18))])  # of a prefill pass, up to 131,072
LARGEST_BATCH, LONGEST_CONTEXT = 512, 16384  # sequences a rank and tokens of the rows that the fit rests on


def contexts(model: Model, *, first: float = 1.0) -> Floats:
    """Axis of tokens in cache: ``first``, powers of two, what the model takes at most (2^20 where it is not known)."""
    longest = float(model.architecture.max_context or 2**20)
    return np.array([first, *(float(2**n) for n in range(9, 24) if 2**n < longest), longest])


def table_of(
    system: System,
    model: Model,
    layout: Layout,
    serving: Serving,
    calibration: Calibration,
    *,
    software: str = "",
    behind: float = 1.0,
    spread: tuple[float, float] = (1.0, 1.0),
    watts: Floats | None = None,
    load: Floats | None = None,
    speculation: Speculation = Speculation(),
) -> StepTable:
    """StepTable of one replica from the calibrated model.

    ``software`` names the serving backend, empty for the mean of all. ``spread`` is (low, high) over central time, the
    band. ``watts`` (3, k) is the replica's IT power over ``load`` (k,); without them rated power, busy or not.
    With ``speculation`` a decode step verifies all drafted tokens of every sequence and drafts the next ones.
    Sequences and new tokens are spread evenly over attention ranks, of which the fullest sets the time: a prompt that
    one of dp ranks takes alone is as long as dp such prompts together.
    """
    assert system.package and system.it_power and system.n_packages
    c = values_of(calibration)
    work = work_of(system, system.package, model, serving, layout, behind=behind)
    run = Pass(work, c, software_of(calibration, software, model.family, serving, generation_step(system)))
    ranks = layout.dp
    ends = np.array([spread[0], 1.0, spread[1]])[:, None, None]
    sequences, context, cached = np.unique([1.0, *(BATCHES * ranks)]), contexts(model), contexts(model, first=0.0)
    batch, tokens = np.maximum(sequences / ranks, 1.0), np.maximum(NEW_TOKENS / ranks, 1.0)
    many = speculation.tokens + 1.0
    drafting = 1.0 + speculation.draft if speculation.tokens else 1.0
    decode = run.decode_s(batch[:, None], context[None, :], many) * drafting
    prefill = run.prefill_s(tokens[:, None], cached[None, :])
    rated = system.it_power.value / system.n_packages.value * layout.n_packages
    known = (batch[:, None] <= LARGEST_BATCH) & (context[None, :] <= LONGEST_CONTEXT) & (not speculation.tokens)
    seen = (tokens[:, None] <= LONGEST_CONTEXT) & (cached[None, :] == 0)
    return StepTable(
        system=system.id, model=model.id, layout=layout.name, precision=serving.name,
        software=(software or "mean") + speculation.words,
        maker="calibrated", n_packages=layout.n_packages,
        sources=(calibration.source,) if isinstance(calibration.source, str) else calibration.source,
        sequences=sequences, context=context, decode_s=decode * ends,
        new_tokens=NEW_TOKENS, cached=cached, prefill_s=np.maximum.accumulate(prefill, axis=0) * ends,
        shared_s=np.minimum(float(prefill[0, 0]), float(decode[0, 0])) * ends[:, 0, 0],
        decode_provenance=np.where(known, CALIBRATED, EXTRAPOLATED).astype(np.int8),
        prefill_provenance=np.where(seen, CALIBRATED, EXTRAPOLATED).astype(np.int8),
        kv_bytes_per_token=float(cache_bytes_per_token(work)) * layout.tp * layout.pp,
        state_bytes_per_sequence=float(cache_bytes_per_sequence(work)) * layout.tp * layout.pp,
        kv_capacity_tokens=max(float(free_bytes(work, c["memory_share"])), 0.0)
        / max(float(cache_bytes_per_token(work)), 1e-9) * ranks,
        load=np.array([0.0, 1.0]) if load is None else load,
        watts=np.full((3, 2), rated) if watts is None else watts,
    )  # fmt: skip


def software_of(
    calibration: Calibration, backend: str, family: str, serving: Serving, generation: float = 0.0, age_y: float = 0.0
) -> Software:
    """What a backend multiplies for a family in a precision on a generation: the product of fitted offsets.

    Offsets are keyed ``backend``, ``backend/family``, ``backend/precision``, ``backend@generation`` and
    ``backend/family@generation``; what was not measured counts as 1.
    """
    if not backend:
        return Software(age_y=age_y)
    stored = "fp8" if serving.weights == "fp8_block" else serving.weights
    age = "hopper" if generation <= 0.5 else "blackwell"
    keys = (backend, f"{backend}/{family}", f"{backend}/{stored}", f"{backend}@{age}", f"{backend}/{family}@{age}")
    made = dict.fromkeys(SIDES, 1.0)
    for key in keys:
        for side, factor in calibration.offsets.get(key, {}).items():
            made[side] *= factor
    return Software(age_y=age_y, **made)


__all__ = [
    "BATCHES",
    "NEW_TOKENS",
    "Coefficients",
    "Served",
    "Speculation",
    "contexts",
    "served",
    "software_of",
    "table_of",
]
