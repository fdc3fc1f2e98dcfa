"""The door for open models: a Hugging Face ``config.json`` in, a Model out.

Read are the keys that Transformers writes, flat or under ``text_config``. Layers this shape cannot say (state space
models, attention of two widths, latent experts) are refused by name rather than counted as something else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast, get_args

from pydantic import ValidationError

from gigawatt.catalog.load import explain
from gigawatt.catalog.model_config import FAMILY, Config, load_config, read_object
from gigawatt.catalog.schema import Architecture, Model, Precision, Storage
from gigawatt.core.errors import CatalogError
from gigawatt.core.source import Fact

FOREIGN = {
    "attention_other_setting": "attention of two widths",
    "block_configs": "layers of different shapes",
    "compress_ratios": "attention to compressed tokens",
    "cross_attention_layers": "attention to another sequence",
    "global_head_dim": "attention of two widths",
    "hybrid_layer_pattern": "attention of two widths",
    "hybrid_override_pattern": "state space layers",
    "kda_layers": "another kind of linear attention",
    "linear_attn_config": "another kind of linear attention",
    "mamba_d_state": "state space layers",
    "moe_latent_size": "experts on a latent",
    "num_kv_shared_layers": "layers that share their cache",
    "sparse_attention_config": "another kind of sparse attention",
    "ssm_state_size": "state space layers",
}
EXPERT_COUNTS = ("n_routed_experts", "num_experts", "num_local_experts")
EXPERTS_PER_TOKEN = ("num_experts_per_tok", "top_k_experts", "num_experts_per_token")
ONE_WIDTH = {"gpt_oss", "llama4", "minimax_m2", "mixtral"}  # intermediate_size is that of the experts
PLAIN = {"gpt_neox", "nemotron", "phi", "starcoder2"}  # feed-forward networks without a gate
LAYER_KINDS = (
    "full_attention",
    "sliding_attention",
    "chunked_attention",
    "linear_attention",
    "deepseek_sparse_attention",
)
SHARED_INDEXERS = "Indexers that layers share are counted in every layer."
DTYPES: dict[str, Literal["bf16", "fp16"]] = {"bfloat16": "bf16", "float16": "fp16", "half": "fp16"}


class Quantisation(NamedTuple):
    """How the weights and the cache are stored, and which weights are."""

    weights: Storage
    kv: Precision
    which: Literal["linear", "experts"] = "linear"


def read_config(path: Path, *, precision: Storage | None = None) -> Model:
    """Model that a ``config.json`` describes; parameters are counted from its shape.

    A folder is read as the ``config.json`` in it, and a ``hf_quant_config.json`` beside the file as its
    ``quantization_config``. ``precision`` takes the place of the stored precision the file states.

    Raises CatalogError naming file and key.
    """
    path = path / "config.json" if os.path.isdir(path) else path
    config = load_config(path)
    for key, meaning in FOREIGN.items():
        if config.get(key):
            raise config.error(f"'{key}' describes {meaning}, which the catalogue has no words for")
    shape = _architecture(config)
    stored = _quantisation(config, path, precision)
    total, active = count_parameters(shape)
    title = (re.sub(r"[_-]?config$", "", path.stem) or path.resolve().parent.name).replace("--", "/")
    try:
        return Model(
            id=_slug(title),
            name=title or "model",
            note=_note(config),
            family=FAMILY.get(config.kind, config.kind.replace("_", "-")),
            params_total=_derived(total, path.name),
            params_active=_derived(active, path.name),
            weights_precision=stored.weights,
            kv_precision=stored.kv,
            quantised=stored.which,
            architecture=shape,
        )
    except ValidationError as error:
        raise CatalogError(explain(error, path.name)) from error


def _note(config: Config) -> str:
    """What is counted otherwise than it is, and what was assumed because the file does not say."""
    notes = [SHARED_INDEXERS] if "shared" in config.rows("indexer_types") else []
    if config.assumed:
        notes.append(f"Assumed, as {config.name} does not say: {'; '.join(config.assumed.values())}.")
    return " ".join(notes)


def _slug(title: str) -> str:
    words = re.sub(r"[^a-z0-9.]+", "-", title.rsplit("/", 1)[-1].lower())
    return re.sub(r"[.-]{2,}", "-", words).strip(".-") or "model"


def _derived(value: float, source: str) -> Fact:
    return Fact(
        value=value, unit="", text=f"{value / 1e9:.4g} B", source=(source,), kind="derived", as_of="undated",
        note="Counted from the shape.",
    )  # fmt: skip


# ---------------------------------------------------------------- shape


def _architecture(config: Config) -> Architecture:
    n_layers = config.number("num_hidden_layers", least=1)
    hidden = config.number("hidden_size", least=1)
    return Architecture(
        source=config.name,
        kind="datasheet",
        as_of="undated",
        n_layers=n_layers,
        hidden=hidden,
        **_attention(config, hidden),
        **_layers(config, n_layers),
        **_feed_forward(config, n_layers),
        tied_embeddings=_tied(config),
        n_mtp_layers=_prediction_layers(config),
        vocabulary=config.number("vocab_size", least=1),
        max_context=_context(config),
    )


def _tied(config: Config) -> bool:
    if config.get("tie_word_embeddings") is None and config.kind not in FAMILY:  # all known classes have a table each
        config.assume("tie_word_embeddings", False, "a table of its own for the output")
    return config.flag("tie_word_embeddings")


def _context(config: Config) -> int:
    """Longest context [token]; 0 none is said."""
    found = config.number("max_position_embeddings", 0)
    return found or int(config.assume("max_position_embeddings", 0, "no limit to the context"))


def _kv_heads(config: Config, heads: int) -> int:
    """Heads of keys and values; of the class where the file does not say and that goes into the heads."""
    said, known = config.said("num_key_value_heads"), config.get("num_key_value_heads")
    if said is None and (known is None or heads % known):
        if config.get("kv_lora_rank"):
            return heads
        return int(config.assume("num_key_value_heads", heads, "one for each attention head"))
    return config.number("num_key_value_heads", least=1)


def _attention(config: Config, hidden: int) -> dict[str, Any]:
    heads = config.number("num_attention_heads", least=1)
    kv_heads = _kv_heads(config, heads)
    if heads % kv_heads:
        raise config.error(f"'num_key_value_heads' is {kv_heads}; it must divide the {heads} attention heads")
    indexer = {
        "sparse_top_k": config.number("index_topk", 0),
        "index_heads": config.number("index_n_heads", 0),
        "index_dim": config.number("index_head_dim", 0),
    }
    if config.get("kv_lora_rank"):
        dim = config.number("qk_nope_head_dim", least=1)
        value = config.number("v_head_dim", dim, least=1)
        return {
            "attention": "mla",
            "n_heads": heads,
            "n_kv_heads": kv_heads,
            "head_dim": dim,
            "v_head_dim": 0 if value == dim else value,
            "q_lora_rank": config.number("q_lora_rank", 0),
            "kv_lora_rank": config.number("kv_lora_rank"),
            "rope_dim": config.number("qk_rope_head_dim", least=1),
            **indexer,
        }
    if config.get("head_dim") is None and hidden % heads:
        raise config.error(f"'num_attention_heads' is {heads}; it must divide the width {hidden}, or add 'head_dim'")
    if config.get("head_dim") is None:
        dim = int(config.assume("head_dim", hidden // heads, "width over heads"))
    else:
        dim = config.number("head_dim", least=1)
    value = config.number("v_head_dim", dim, least=1)
    return {
        "attention": "mha" if kv_heads == heads else "gqa",
        "n_heads": heads,
        "n_kv_heads": kv_heads,
        "head_dim": dim,
        "v_head_dim": 0 if value == dim else value,
        "gated_attention": config.flag("attn_output_gate"),
        **indexer,
    }


def _layers(config: Config, n_layers: int) -> dict[str, Any]:
    """Layers with a window and layers with linear attention."""
    kinds = config.rows("layer_types")
    if kinds and len(kinds) != n_layers:
        raise config.error(f"'layer_types' names {len(kinds)} layers; it must name the {n_layers} of num_hidden_layers")
    for kind in kinds:
        if kind not in LAYER_KINDS:
            raise config.error(f"'layer_types' has {kind!r}; known are {', '.join(LAYER_KINDS)}")
    if 0 in config.rows("attn_type_list"):
        raise config.error("'attn_type_list' has layers of lightning attention, which the catalogue has no words for")
    n_linear = _linear_layers(config, kinds, n_layers)
    n_window, window = _window_layers(config, kinds, n_layers)
    found: dict[str, Any] = {"window": window, "window_layers": n_window} if n_window else {}
    if n_linear:
        found |= {
            "linear_layers": n_linear,
            "linear_key_heads": config.number("linear_num_key_heads", least=1),
            "linear_value_heads": config.number("linear_num_value_heads", least=1),
            "linear_key_dim": config.number("linear_key_head_dim", least=1),
            "linear_value_dim": config.number("linear_value_head_dim", least=1),
        }
    return found


def _linear_layers(config: Config, kinds: list[Any], n_layers: int) -> int:
    if kinds:
        return kinds.count("linear_attention")
    every = config.number("full_attention_interval", 0)
    return n_layers - n_layers // every if every else 0


def _window_layers(config: Config, kinds: list[Any], n_layers: int) -> tuple[int, int]:
    """Number of layers that see a window, and its width [token]."""
    if config.kind == "llama4":
        flags = config.rows("no_rope_layers")  # 1: rotary, and in chunks
        every = config.number("no_rope_layer_interval", 4, least=1)
        n_window = sum(map(bool, flags)) if flags else n_layers - n_layers // every
        return n_window, config.number("attention_chunk_size")
    window = config.number("sliding_window", 0)
    if not window or config.get("use_sliding_window") is False:
        return 0, 0
    if kinds:
        return sum(kind in {"sliding_attention", "chunked_attention"} for kind in kinds), window
    if config.kind.startswith("qwen"):
        after = config.number("max_window_layers", n_layers)
        return (max(n_layers - after, 0) if config.get("use_sliding_window") else 0), window
    pattern = {"gpt_oss": 2, "gemma2": 2, "gemma3": 6}.get(config.kind, 0)
    pattern = config.number("sliding_window_pattern", pattern)
    if pattern:
        return n_layers - n_layers // pattern, window
    context = config.number("max_position_embeddings", 0)
    return (n_layers if not context or window < context else 0), window


def _feed_forward(config: Config, n_layers: int) -> dict[str, Any]:
    matrices = 2 if config.kind in PLAIN or config.get("hidden_act") == "relu2" else 3
    key = next((key for key in EXPERT_COUNTS if config.get(key)), None)
    n_experts = config.number(key) if key else 0
    if not key:
        stray = sorted(name for name in config.inner if "expert" in name and config.inner[name])
        if stray:
            raise config.error(f"'{stray[0]}' speaks of experts; their number must stand under '{EXPERT_COUNTS[0]}'")
    if n_experts <= 1:
        return {"intermediate": config.number("intermediate_size", least=1), "ffn_matrices": matrices}
    chosen = next((name for name in EXPERTS_PER_TOKEN if config.get(name)), EXPERTS_PER_TOKEN[0])
    per_token = config.number(chosen, least=1)
    if per_token > n_experts:
        raise config.error(f"'{chosen}' is {per_token}; it must be at most the {n_experts} experts")
    n_dense = _dense_layers(config, n_layers)
    dense_key = "intermediate_size_mlp" if config.kind == "llama4" else "intermediate_size"
    width = _expert_width(config)
    return {
        "intermediate": config.number(dense_key, least=1) if n_dense else 0,
        "ffn_matrices": matrices,
        "n_dense_layers": n_dense,
        "n_experts": n_experts,
        "experts_per_token": per_token,
        "moe_intermediate": width,
        **_shared_experts(config, width),
    }


def _expert_width(config: Config) -> int:
    if config.get("moe_intermediate_size"):
        return config.number("moe_intermediate_size", least=1)
    width = config.number("intermediate_size", least=1)
    if config.kind not in ONE_WIDTH:
        config.assume("moe_intermediate_size", width, "as intermediate_size")
    return width


def _shared_experts(config: Config, width: int) -> dict[str, int]:
    keys = ("shared_expert_intermediate_size", "shared_intermediate_size")
    total = next((config.number(key) for key in keys if config.get(key)), 0)
    n_shared = config.number("n_shared_experts", int(total > 0 or config.kind == "llama4"))
    return {"n_shared_experts": n_shared, "shared_intermediate": 0 if total == n_shared * width else total}


def _dense_layers(config: Config, n_layers: int) -> int:
    """Layers without experts: the first ones, those between, or those a list names."""
    kinds = config.rows("mlp_layer_types")
    if kinds:
        return kinds.count("dense")
    frequency = config.get("moe_layer_freq")
    if isinstance(frequency, list):
        return sum(not flag for flag in frequency)
    if config.kind == "llama4":
        every = config.number("interleave_moe_layer_step", 1, least=1)
        named = config.rows("moe_layers")
        return n_layers - (len(named) if named else n_layers // every)
    first = config.number("first_k_dense_replace", 0)
    every = config.number("decoder_sparse_step", config.number("moe_layer_freq", 1, least=1), least=1)
    only = set(config.rows("mlp_only_layers"))
    shift = 1 if config.get("decoder_sparse_step") else 0
    sparse = [i for i in range(first, n_layers) if (i + shift) % every == 0 and i not in only]
    return n_layers - len(sparse)


def _prediction_layers(config: Config) -> int:
    modules = config.number("num_mtp_modules", 0) if config.get("use_mtp") else 0
    modules *= config.number("mtp_transformer_layers", 1)
    return modules or config.number("num_nextn_predict_layers", config.number("mtp_num_hidden_layers", 0))


def count_parameters(shape: Architecture) -> tuple[float, float]:
    """(total, active) parameters, matrix by matrix as the weight files hold them.

    Norms, biases, convolutions and prediction layers are left out. Active counts the input table as a lookup, except
    in dense models, whose active parameters are by convention all of them. ``perf.shape`` counts the same by part.
    """
    hidden, heads = shape.hidden, shape.n_heads
    value = shape.v_head_dim or shape.head_dim
    width = heads * (shape.head_dim + shape.rope_dim)
    attention: list[tuple[int, int]] = [(heads * value, hidden)]
    if shape.attention == "mla":
        attention += [(hidden, shape.q_lora_rank), (shape.q_lora_rank or hidden, width)]
        attention += [(hidden, shape.kv_lora_rank + shape.rope_dim)]
        attention += [(shape.kv_lora_rank, heads * (shape.head_dim + value))]
    else:
        attention += [(hidden, width), (hidden, width * shape.gated_attention)]
        attention += [(hidden, shape.n_kv_heads * shape.head_dim), (hidden, shape.n_kv_heads * value)]
    if shape.index_heads:
        attention += [(shape.q_lora_rank or hidden, shape.index_heads * shape.index_dim)]
        attention += [(hidden, shape.index_dim), (hidden, shape.index_heads)]
    keys = shape.linear_key_heads * shape.linear_key_dim
    values = shape.linear_value_heads * shape.linear_value_dim
    linear = [(hidden, 2 * keys + 2 * values + 2 * shape.linear_value_heads), (values, hidden)]
    n_moe = shape.n_layers - shape.n_dense_layers if shape.n_experts else 0
    ffn = shape.ffn_matrices * hidden
    table = shape.vocabulary * hidden
    body = sum(a * b for a, b in attention) * (shape.n_layers - shape.linear_layers)
    body += sum(a * b for a, b in linear) * shape.linear_layers
    body += ffn * shape.intermediate * (shape.n_layers - n_moe)
    body += ffn * (shape.shared_intermediate or shape.n_shared_experts * shape.moe_intermediate) * n_moe
    body += hidden * shape.n_experts * n_moe
    expert = ffn * shape.moe_intermediate * n_moe
    total = body + expert * shape.n_experts + table * (1 if shape.tied_embeddings else 2)
    active = body + expert * shape.experts_per_token + table if shape.n_experts else total
    return float(total), float(active)


# ---------------------------------------------------------------- precision


def _quantisation(config: Config, path: Path, precision: Storage | None) -> Quantisation:
    stated = config.get("quantization_config") or _beside(path)
    if not isinstance(stated, dict):
        raise config.error(f"'quantization_config' is {stated!r}; it must be an object")
    kv = _cache(config, stated)
    if precision is not None:
        which = _which(config, stated) if stated and precision not in ("bf16", "fp16") else "linear"
        return Quantisation(precision, kv, which)
    if stated:
        return Quantisation(_storage(config, stated), kv, _which(config, stated))
    return Quantisation(_dtype(config), kv)


def _beside(path: Path) -> dict[str, Any]:
    other = path.with_name(path.name.replace("config.json", "hf_quant_config.json"))
    if other == path or not other.exists():
        return {}
    inner = read_object(other).get("quantization")
    if not isinstance(inner, dict):
        raise CatalogError(f"{other.name}: 'quantization' is missing; it must be an object with quant_algo")
    return inner


def _dtype(config: Config) -> Literal["bf16", "fp16"]:
    """Precision of unquantised weights; bf16 where the file does not say."""
    name = config.get("torch_dtype") or config.get("dtype") or config.assume("torch_dtype", "bfloat16", "of weights")
    name = str(name).removeprefix("torch.")
    if name not in DTYPES:
        raise config.error(f"'torch_dtype' is '{name}'; known are bfloat16 and float16, or give a precision")
    return DTYPES[name]


def _cache(config: Config, stated: Mapping[str, Any]) -> Precision:
    scheme = stated.get("kv_cache_scheme") or stated.get("kv_cache_quant_algo")
    if isinstance(scheme, dict) and scheme.get("type") == "float" and scheme.get("num_bits") == 8:
        return "fp8"
    if isinstance(scheme, str) and scheme.upper() == "FP8":
        return "fp8"
    name = str(config.get("torch_dtype") or config.get("dtype") or "").removeprefix("torch.")
    return DTYPES.get(name, "bf16")


def _storage(config: Config, stated: Mapping[str, Any]) -> Storage:
    """Stored precision that ``quantization_config`` states."""
    method = str(stated.get("quant_method") or "").lower()
    algorithm = str(stated.get("quant_algo") or "").upper()
    bits = stated.get("bits") or stated.get("w_bit")
    found: str | None = None
    if method == "fp8":
        found = "fp8_block" if stated.get("weight_block_size") else "fp8"
    elif method == "mxfp4":
        found = "mxfp4"
    elif method in ("awq", "gptq", "auto-round"):
        found = {"4": "int4", "8": "int8"}.get(str(bits))
    elif method == "quark":
        found = _quark(stated)
    elif algorithm:
        found = _algorithm(algorithm)
    elif stated.get("config_groups"):
        found = _group(stated)
    if found not in get_args(Storage):
        name = algorithm or method or "unnamed"
        raise config.error(
            f"'quantization_config' has the method '{name}'; known are fp8, mxfp4, compressed-tensors, modelopt, "
            f"quark, awq and gptq with one precision, or give a precision"
        )
    return cast(Storage, found)


def _algorithm(name: str) -> str | None:
    """Precision of a ModelOpt algorithm."""
    if "NVFP4" in name:
        return "nvfp4"
    if "MXFP4" in name:
        return "mxfp4"
    if name.startswith("FP8_PB") or "BLOCK" in name:
        return "fp8_block"
    if name.startswith("FP8"):
        return "fp8"
    return {"W4A16_AWQ": "int4", "W4A8_AWQ": "int4", "INT4_AWQ": "int4", "W8A16": "int8", "W8A8_SQ": "int8"}.get(name)


def _group(stated: Mapping[str, Any]) -> str | None:
    """Precision of the weights in ``config_groups``, if all groups have the same."""
    found: set[str | None] = set()
    for group in _object(stated.get("config_groups")).values():
        weights = _object(_object(group).get("weights"))
        kind, bits = weights.get("type"), weights.get("num_bits")
        if (kind, bits) == ("float", 8):
            found.add("fp8_block" if weights.get("strategy") == "block" else "fp8")
        elif (kind, bits) == ("float", 4):
            found.add("mxfp4" if weights.get("group_size") == 32 else "nvfp4")
        else:
            found.add({"int4": "int4", "int8": "int8"}.get(f"{kind}{bits}"))
    return found.pop() if len(found) == 1 else None


def _quark(stated: Mapping[str, Any]) -> str | None:
    """Precision AMD Quark states for all layers."""
    weight = _object(stated.get("global_quant_config")).get("weight")
    weight = weight[-1] if isinstance(weight, list) and weight else weight
    names = {"fp4": "mxfp4", "fp8_e4m3": "fp8", "int4": "int4", "int8": "int8"}
    return names.get(str(_object(weight).get("dtype")).lower())


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _which(config: Config, stated: Mapping[str, Any]) -> Literal["linear", "experts"]:
    """Experts only, where the file keeps the projections of attention out."""
    if not any(config.get(key) for key in EXPERT_COUNTS):
        return "linear"
    skipped = [
        str(name)
        for key in ("ignore", "modules_to_not_convert", "exclude_modules", "exclude", "ignored_layers")
        for name in _listed(stated.get(key))
    ]
    whole = re.compile(r"(self_attn|attention|attn)\W*$")
    part = re.compile(r"attn\.(q|k|v|o|qkv|q_a|q_b|kv_a|kv_b|fused_qkv_a)_proj")
    return "experts" if any(whole.search(name) or part.search(name) for name in skipped) else "linear"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
