"""GPUs and LPUs in one replica: attention, head and prompts on one side, feed-forward layers on the other.

Source: NVIDIA 2026, "Inside NVIDIA Groq 3 LPX": attention on Vera Rubin, feed-forward layers on LPUs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from gigawatt.perf.dataflow import Replica
from gigawatt.perf.operators import ACTIVATION_BYTES, Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Way between the attention packages and the LPUs: latency of one crossing [s] and bandwidth of it [byte/s]."""

    latency_s: float
    bandwidth_bytes_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hybrid:
    """Attention, head and prefill on GPUs, feed-forward layers on LPUs; a token crosses twice a layer.

        T(n) = A(n) + F(n) + 2 L (latency + 2 h n / bandwidth)          one batch
        with r batches in turn:  max(T(n / r), r max(A(n / r), F(n / r)))

    Attributes:
        experts: the feed-forward layers on LPUs, from ``feed_forward``.
        attention_s: (n,) sequences, (m,) context -> (3, n, m) seconds of a step on the GPU side.
        prompt_s: (p,) new, (q,) cached -> (3, p, q) seconds of prefill, all of it on the GPU side.
        link: between the two.
        turns: r, batches that alternate between the sides.
    """

    experts: Replica
    attention_s: Callable[[Floats, Floats], Floats] = field(repr=False)
    prompt_s: Callable[[Floats, Floats], Floats] = field(repr=False)
    link: Link
    turns: int = 1

    def decode_seconds(self, sequences: Floats, context: Floats) -> Floats:
        """Time between two tokens of a sequence [s]; (n,), (m,) -> (3, n, m), fast to slow."""
        n = np.maximum(1.0, np.asarray(sequences, dtype=np.float64) / self.turns)
        attention = self.attention_s(n, np.asarray(context, dtype=np.float64))
        experts = self.experts.batch_seconds(n, np.zeros(1))
        link_bytes = ACTIVATION_BYTES * self.experts.hidden * n[None, :, None]
        crossing = self.link.latency_s + link_bytes / self.link.bandwidth_bytes_per_s
        alone = attention + experts + 2.0 * self.experts.n_stages * crossing
        return np.asarray(np.maximum(alone, self.turns * np.maximum(attention, experts)))

    def prefill_seconds(self, new: Floats, cached: Floats) -> Floats:
        """Time of a prompt [s]; (p,), (q,) -> (3, p, q), fast to slow. LPUs take no part."""
        return self.prompt_s(np.asarray(new, dtype=np.float64), np.asarray(cached, dtype=np.float64))

    def tokens_per_s(self, sequences: Floats, context: Floats) -> Floats:
        """Generated tokens of both sides together [token/s]; (3, n, m), most to least."""
        return np.asarray(sequences, dtype=np.float64)[None, :, None] / self.decode_seconds(sequences, context)


def hybrid(
    experts: Replica,
    attention_s: Callable[[Floats, Floats], Floats],
    prompt_s: Callable[[Floats, Floats], Floats],
    *,
    link: Link,
    turns: int = 1,
) -> Hybrid:
    """Hybrid layout from its two sides; see ``Hybrid`` for the formula and the shapes.

    Raises:
        ValueError: there is no LPU side, or ``turns`` is below 1.

    Source: NVIDIA 2026, "Inside NVIDIA Groq 3 LPX": attention on Vera Rubin, feed-forward layers on LPUs.
    """
    if experts.reason:
        raise ValueError(experts.reason)
    if turns < 1:
        raise ValueError(f"at least one batch takes turns, not {turns}")
    return Hybrid(experts=experts, attention_s=attention_s, prompt_s=prompt_s, link=link, turns=turns)
