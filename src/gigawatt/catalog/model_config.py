"""A Hugging Face ``config.json`` as keys and values: bounded, of checked types, with what it leaves out said."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gigawatt.core.errors import CatalogError
from gigawatt.core.reading import json_of, read_text

FAMILIES = {
    "deepseek": "deepseek_v2 deepseek_v3 deepseek_v32",
    "gemma": "gemma2 gemma3",
    "glm": "glm4_moe glm_moe_dsa",
    "gpt-oss": "gpt_oss",
    "kimi": "kimi_k2 kimi_k25",
    "llama": "llama llama4",
    "minimax": "minimax_m2",
    "mistral": "mistral mixtral",
    "qwen3": "qwen3",
    "qwen3-moe": "qwen3_moe",
    "qwen3-next": "qwen3_next qwen3_5 qwen3_5_moe",
}
FAMILY = {kind: family for family, kinds in FAMILIES.items() for kind in kinds.split()}

# Values Transformers leaves out of the file where a model has those of its class (its configuration_*.py of 2026).
DEFAULTS: dict[str, dict[str, Any]] = {
    "deepseek_v3": {"first_k_dense_replace": 3, "n_shared_experts": 1, "moe_intermediate_size": 2048},
    "glm4_moe": {"num_key_value_heads": 8, "moe_intermediate_size": 1408},
    "minimax_m2": {"num_key_value_heads": 8, "head_dim": 128},
    "mistral": {"num_key_value_heads": 8},
    "mixtral": {"num_key_value_heads": 8},
    "qwen3": {"num_key_value_heads": 32, "head_dim": 128},
    "qwen3_moe": {"num_key_value_heads": 4, "moe_intermediate_size": 768},
    "gemma3": {
        "vocab_size": 262_208,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "max_position_embeddings": 131_072,
        "sliding_window": 4096,
        "tie_word_embeddings": True,
    },
    "gemma2": {"num_key_value_heads": 4, "head_dim": 256, "sliding_window": 4096, "tie_word_embeddings": True},
    "llama4": {"num_key_value_heads": 8, "head_dim": 128, "interleave_moe_layer_step": 1, "attention_chunk_size": 8192},
    "gpt_oss": {"num_key_value_heads": 8, "head_dim": 64, "sliding_window": 128},
    "qwen3_next": {
        "num_key_value_heads": 2,
        "head_dim": 256,
        "attn_output_gate": True,
        "full_attention_interval": 4,
        "num_nextn_predict_layers": 1,
        "moe_intermediate_size": 512,
        "shared_expert_intermediate_size": 512,
    },
    "qwen3_5": {"attn_output_gate": True, "full_attention_interval": 4},
    "qwen3_5_moe": {
        "num_key_value_heads": 2,
        "head_dim": 256,
        "attn_output_gate": True,
        "full_attention_interval": 4,
        "moe_intermediate_size": 512,
        "shared_expert_intermediate_size": 512,
    },
}

# Keys that change the shape into something Architecture has no word for.

EXAMPLES = {"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "vocab_size": 128_256}
MOST_LAYERS, MOST = 10_000, 10**9
"""Layers, and any other whole number, of a model. Judgement."""


class Config(NamedTuple):
    """Keys of the language model over those of the file around it, and the name both are refused under."""

    name: str
    inner: Mapping[str, Any]
    outer: Mapping[str, Any]
    kind: str
    assumed: dict[str, str]
    """By key that the file leaves out, what was taken and why; filled while it is read."""

    def get(self, key: str) -> Any:
        """Value of a key, of the class where the file leaves it out, or None."""
        value = self.said(key)
        if value is None and key in DEFAULTS.get(self.kind, {}):
            return self.assume(key, DEFAULTS[self.kind][key], f"default of {self.kind}")
        return value

    def said(self, key: str) -> Any:
        """Value of a key in the file, or None."""
        return next((level[key] for level in (self.inner, self.outer) if level.get(key) is not None), None)

    def assume(self, key: str, value: Any, why: str) -> Any:
        """The value, noted as one that the file does not say."""
        self.assumed[key] = f"{key} {json.dumps(value)} ({why})"
        return value

    def flag(self, key: str) -> bool:
        """Truth value under ``key``, no where it is missing. Raises CatalogError."""
        value = self.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.error(f"'{key}' is {_short(value)}; it must be true or false")
        return bool(value)

    def number(self, key: str, otherwise: int | None = None, *, least: int = 0) -> int:
        """Whole number under ``key``; ``otherwise`` where it is missing. Raises CatalogError."""
        value = self.get(key)
        if value is None:
            if otherwise is None:
                raise self.error(f"'{key}' is missing; a transformer needs it")
            return otherwise
        most = MOST_LAYERS if key == "num_hidden_layers" else MOST
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            example = EXAMPLES.get(key, 8)
            above = f" and at most {most:,}" if isinstance(value, int) and value > most else ""
            raise self.error(
                f"'{key}' is {_short(value)}; it must be a whole number of at least {least}{above}, such as {example}"
            )
        return value

    def rows(self, key: str) -> list[Any]:
        """List under ``key``, empty where it is missing. Raises CatalogError."""
        value = self.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.error(f"'{key}' is {_short(value)}; it must be a list")
        wrong = next((one for one in value if isinstance(one, list | dict)), None)
        if wrong is not None:
            raise self.error(f"'{key}' holds {_short(wrong)}; numbers or names are right")
        return value

    def error(self, text: str) -> CatalogError:
        """Error that names the file."""
        return CatalogError(f"{self.name}: {text}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def load_config(path: Path) -> Config:
    """Keys of a file. Raises CatalogError where it is none, or no model's."""
    name = path.name
    raw = read_object(path)
    inner = next((raw[key] for key in ("text_config", "llm_config", "language_config") if raw.get(key)), raw)
    if not isinstance(inner, dict):
        raise CatalogError(f"{name}: 'text_config' is {_short(inner)}; it must be an object with the keys of the model")
    kind = raw.get("model_type") or inner.get("model_type") or ""
    if kind and (not isinstance(kind, str) or kind not in FAMILY):  # a frame around a known language model
        kind = inner.get("model_type") or kind
    if not kind:
        raise CatalogError(f"{name}: 'model_type' is missing; write for example \"llama\"")
    if not isinstance(kind, str) or not re.fullmatch(r"[A-Za-z0-9._-]{1,60}", kind):
        raise CatalogError(f"{name}: 'model_type' is {_short(kind)}; write for example \"llama\"")
    return Config(name=name, inner=inner, outer=raw, kind=kind.removesuffix("_text"), assumed={})


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object of a file. Raises CatalogError."""
    try:
        raw = json_of(read_text(path))
    except OSError as error:
        raise CatalogError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CatalogError(f"{path.name}: not a text file; it must be the JSON of a Hugging Face model") from error
    except json.JSONDecodeError as error:
        raise CatalogError(f"{path.name}: line {error.lineno}: not JSON ({error.msg})") from error
    except ValueError as error:
        raise CatalogError(f"{path.name}: {error}") from error
    if not isinstance(raw, dict):
        raise CatalogError(
            f"{path.name}: holds a {type(raw).__name__}; it must be an object with keys like hidden_size"
        )
    return raw
