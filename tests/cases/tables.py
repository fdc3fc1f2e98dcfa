"""Step tables whose times a reader can add in the head."""

from __future__ import annotations

import numpy as np

from gigawatt.perf.table import StepTable


def table(
    decode_s: np.ndarray,
    prefill_s: np.ndarray,
    *,
    sequences: list[float] | None = None,
    context: list[float] | None = None,
    new_tokens: list[float] | None = None,
    cached: list[float] | None = None,
    shared_s: float = 0.0,
) -> StepTable:
    """A table of these times, in all bands; axes are one point where none is given."""
    decode_s, prefill_s = np.atleast_2d(decode_s), np.atleast_2d(prefill_s)
    return StepTable(
        system="paper",
        model="paper",
        layout="1",
        precision="paper",
        software="paper",
        maker="measured",
        n_packages=1,
        sources=(),
        sequences=np.array(sequences or [1.0]),
        context=np.array(context or [0.0]),
        decode_s=np.stack([decode_s] * 3),
        new_tokens=np.array(new_tokens or [1.0]),
        cached=np.array(cached or [0.0]),
        prefill_s=np.stack([prefill_s] * 3),
        shared_s=np.full(3, shared_s),
        decode_provenance=np.zeros(decode_s.shape),
        prefill_provenance=np.zeros(prefill_s.shape),
        kv_bytes_per_token=1.0,
        state_bytes_per_sequence=0.0,
        kv_capacity_tokens=1e9,
        load=np.array([0.0, 1.0]),
        watts=np.ones((3, 2)),
    )


def constant(decode_s: float, prefill_s: float, shared_s: float = 0.0) -> StepTable:
    """Every decode step takes ``decode_s``, every prefill pass ``prefill_s``."""
    return table(np.array([[decode_s]]), np.array([[prefill_s]]), shared_s=shared_s)


def linear(token_s: float, decode_s: float, context_s: float = 0.0, shared_s: float = 0.0) -> StepTable:
    """A prompt token takes ``token_s``; a decode step ``decode_s`` and ``context_s`` per token of mean context."""
    return table(
        np.array([[decode_s, decode_s + 1000.0 * context_s]]),
        np.array([[token_s], [1001.0 * token_s]]),
        context=[0.0, 1000.0],
        new_tokens=[1.0, 1001.0],
        shared_s=shared_s,
    )
