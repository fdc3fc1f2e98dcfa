"""Bytes a model needs: weights, weights a step touches, and cache per token."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gigawatt.catalog.schema import Architecture, Model

Floats = npt.NDArray[np.float64]

BYTES_PER_VALUE = {"fp16": 2.0, "bf16": 2.0, "int8": 1.0, "fp8": 1.0, "fp4": 0.5}


def kv_bytes_per_token(shape: Architecture, precision: str) -> float:
    """Cache of one token of one sequence over all layers [byte].

        GQA, MHA: 2 L h_kv d        MLA: L (r_kv + d_rope)

    Source: Shazeer 2019, arXiv:1911.02150 (multi-query); DeepSeek-AI 2024, arXiv:2405.04434, section 2.1 (MLA).
    """
    per_layer = (
        shape.kv_lora_rank + shape.rope_dim if shape.attention == "mla" else 2 * shape.n_kv_heads * shape.head_dim
    )
    return shape.n_layers * per_layer * BYTES_PER_VALUE[precision]


def expert_split(model: Model) -> tuple[float, float]:
    """(parameters outside the experts, parameters of one expert over all layers), from total and active counts.

    total = D + E e and active = D + k e, with E experts of which each token takes k.
    """
    shape, total, active = model.architecture, model.params_total.value, model.params_active.value
    if shape.n_experts == 0:
        return total, 0.0
    expert = (total - active) / (shape.n_experts - shape.experts_per_token)
    return active - shape.experts_per_token * expert, expert


def weights_touched(model: Model, tokens: Floats) -> Floats:
    """Parameters read in a step of ``tokens`` tokens.

        D + E e (1 - (1 - k/E)^T)

    Expert choices are taken as independent and uniform: too many experts touched where routing is skewed.

    Args:
        model: dense or mixture of experts.
        tokens: T, tokens of the whole expert-parallel group in the step.
    """
    dense, expert = expert_split(model)
    shape = model.architecture
    if shape.n_experts == 0:
        return np.full_like(tokens, dense)
    coverage = 1.0 - (1.0 - shape.experts_per_token / shape.n_experts) ** tokens
    return dense + shape.n_experts * expert * coverage
