"""Configuration files as their authors publish them, read into the shapes of the catalogue."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gigawatt.catalog.huggingface import read_config
from gigawatt.catalog.load import load_catalog
from gigawatt.catalog.schema import Architecture
from gigawatt.core.errors import CatalogError

CATALOG = load_catalog()
FP8 = {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}

LLAMA = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "max_position_embeddings": 131072,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "vocab_size": 128256,
}
GPT_OSS = {
    "model_type": "gpt_oss",
    "head_dim": 64,
    "hidden_size": 2880,
    "intermediate_size": 2880,
    "layer_types": ["sliding_attention", "full_attention"] * 18,
    "max_position_embeddings": 131072,
    "num_attention_heads": 64,
    "num_experts_per_tok": 4,
    "num_hidden_layers": 36,
    "num_key_value_heads": 8,
    "num_local_experts": 128,
    "quantization_config": {
        "modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router", "lm_head"],
        "quant_method": "mxfp4",
    },
    "sliding_window": 128,
    "tie_word_embeddings": False,
    "vocab_size": 201088,
}
DEEPSEEK = {
    "model_type": "deepseek_v3",
    "first_k_dense_replace": 3,
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "kv_lora_rank": 512,
    "max_position_embeddings": 163840,
    "moe_intermediate_size": 2048,
    "moe_layer_freq": 1,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_attention_heads": 128,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 61,
    "num_key_value_heads": 128,
    "num_nextn_predict_layers": 1,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "quantization_config": FP8,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "v_head_dim": 128,
    "vocab_size": 129280,
}
SPARSE = {"model_type": "deepseek_v32", "index_head_dim": 128, "index_n_heads": 64, "index_topk": 2048}
GLM_5 = {
    "model_type": "glm_moe_dsa",
    "dtype": "bfloat16",
    "first_k_dense_replace": 3,
    "head_dim": 64,
    "hidden_size": 6144,
    "index_head_dim": 128,
    "index_n_heads": 32,
    "index_topk": 2048,
    "intermediate_size": 12288,
    "kv_lora_rank": 512,
    "max_position_embeddings": 202752,
    "moe_intermediate_size": 2048,
    "moe_layer_freq": 1,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_attention_heads": 64,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 78,
    "num_key_value_heads": 64,
    "num_nextn_predict_layers": 1,
    "q_lora_rank": 2048,
    "qk_head_dim": 256,
    "qk_nope_head_dim": 192,
    "qk_rope_head_dim": 64,
    "v_head_dim": 256,
    "vocab_size": 154880,
}
QWEN_NEXT = {
    "model_type": "qwen3_next",
    "decoder_sparse_step": 1,
    "full_attention_interval": 4,
    "head_dim": 256,
    "hidden_size": 2048,
    "intermediate_size": 5120,
    "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 128,
    "linear_num_key_heads": 16,
    "linear_num_value_heads": 32,
    "linear_value_head_dim": 128,
    "max_position_embeddings": 262144,
    "mlp_only_layers": [],
    "moe_intermediate_size": 512,
    "num_attention_heads": 16,
    "num_experts": 512,
    "num_experts_per_tok": 10,
    "num_hidden_layers": 48,
    "num_key_value_heads": 2,
    "shared_expert_intermediate_size": 512,
    "torch_dtype": "bfloat16",
    "vocab_size": 151936,
}
QWEN_35 = {
    "model_type": "qwen3_5_moe",
    "text_config": {
        "model_type": "qwen3_5_moe_text",
        "attn_output_gate": True,
        "dtype": "bfloat16",
        "full_attention_interval": 4,
        "head_dim": 256,
        "hidden_size": 4096,
        "layer_types": [*["linear_attention"] * 3, "full_attention"] * 15,
        "linear_key_head_dim": 128,
        "linear_num_key_heads": 16,
        "linear_num_value_heads": 64,
        "linear_value_head_dim": 128,
        "max_position_embeddings": 262144,
        "mlp_only_layers": [],
        "moe_intermediate_size": 1024,
        "mtp_num_hidden_layers": 1,
        "num_attention_heads": 32,
        "num_experts": 512,
        "num_experts_per_tok": 10,
        "num_hidden_layers": 60,
        "num_key_value_heads": 2,
        "shared_expert_intermediate_size": 1024,
        "vocab_size": 248320,
    },
    "tie_word_embeddings": False,
    "vision_config": {"hidden_size": 1152, "depth": 27},
}
MAVERICK = {
    "model_type": "llama4",
    "text_config": {
        "model_type": "llama4_text",
        "attention_chunk_size": 8192,
        "head_dim": 128,
        "hidden_size": 5120,
        "interleave_moe_layer_step": 2,
        "intermediate_size": 8192,
        "intermediate_size_mlp": 16384,
        "max_position_embeddings": 1048576,
        "num_attention_heads": 40,
        "num_experts_per_tok": 1,
        "num_hidden_layers": 48,
        "num_key_value_heads": 8,
        "num_local_experts": 128,
        "torch_dtype": "bfloat16",
        "vocab_size": 202048,
    },
}
GEMMA = {
    "model_type": "gemma3",
    "text_config": {
        "model_type": "gemma3_text",
        "head_dim": 128,
        "hidden_size": 5376,
        "intermediate_size": 21504,
        "num_attention_heads": 32,
        "num_hidden_layers": 62,
        "num_key_value_heads": 16,
        "sliding_window": 1024,
    },
    "torch_dtype": "bfloat16",
}
MINIMAX = {
    "model_type": "minimax_m2",
    "attn_type_list": [1] * 62,
    "num_hidden_layers": 62,
    "hidden_size": 3072,
    "num_attention_heads": 48,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 1536,
    "vocab_size": 200064,
    "num_experts_per_tok": 8,
    "num_local_experts": 256,
    "max_position_embeddings": 196608,
    "use_mtp": True,
    "mtp_transformer_layers": 1,
    "num_mtp_modules": 3,
    "shared_intermediate_size": 0,
    "quantization_config": {**FP8, "modules_to_not_convert": ["gate", "e_score_correction_bias", "lm_head"]},
}
INT4 = {
    "quant_method": "compressed-tensors",
    "format": "pack-quantized",
    "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32}}},
    "ignore": ["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*", r"re:.*mlp\.(gate|up|gate_up|down)_proj.*"],
}
KIMI = {
    "model_type": "kimi_k25",
    "dtype": "bfloat16",
    "text_config": {
        **DEEPSEEK,
        "model_type": "kimi_k2",
        "first_k_dense_replace": 1,
        "max_position_embeddings": 262144,
        "n_routed_experts": 384,
        "num_attention_heads": 64,
        "num_key_value_heads": 64,
        "num_nextn_predict_layers": 0,
        "quantization_config": INT4,
        "vocab_size": 163840,
    },
}
PUBLISHED = [
    (LLAMA, "llama-3.1-8b"),
    (GPT_OSS, "gpt-oss-120b"),
    (DEEPSEEK, "deepseek-v3"),
    ({**DEEPSEEK, **SPARSE}, "deepseek-v3.2"),
    (GLM_5, "glm-5"),
    (QWEN_NEXT, "qwen3-next-80b"),
    (QWEN_35, "qwen3.5-397b"),
    (MAVERICK, "llama-4-maverick"),
    (GEMMA, "gemma-3-27b"),
    (MINIMAX, "minimax-m2.5"),
    (KIMI, "kimi-k2.5"),
]


def _write(folder: Path, config: Any, name: str = "config.json") -> Path:
    path = folder / name
    path.write_text(config if isinstance(config, str) else json.dumps(config), encoding="utf-8")
    return path


def _shape(architecture: Architecture) -> dict[str, Any]:
    return architecture.model_dump(exclude={"source", "kind", "as_of"})


@pytest.mark.parametrize(("config", "key"), PUBLISHED, ids=[key for _, key in PUBLISHED])
def test_published_file_gives_the_entry_of_the_catalogue(tmp_path: Path, config: dict[str, Any], key: str) -> None:
    read, known = read_config(_write(tmp_path, config)), CATALOG.model(key)
    assert _shape(read.architecture) == _shape(known.architecture)
    assert read.family == known.family
    assert (read.weights_precision, read.quantised) == (known.weights_precision, known.quantised)
    assert read.kv_precision == known.kv_precision
    assert read.params_total.value == pytest.approx(known.params_total.value, rel=0.02)
    assert read.params_total.kind == "derived"


def test_parameters_of_a_shape_one_can_count_by_hand(tmp_path: Path) -> None:
    """Two layers of width 8: attention 4 x 8 x 8, feed-forward 3 x 8 x 16; two tables of 10 x 8."""
    tiny = {
        "model_type": "llama",
        "hidden_size": 8,
        "intermediate_size": 16,
        "num_attention_heads": 2,
        "num_hidden_layers": 2,
        "vocab_size": 10,
    }
    model = read_config(_write(tmp_path, tiny))
    assert model.params_total.value == 2 * (4 * 64 + 3 * 128) + 2 * 80
    assert model.params_active.value == model.params_total.value
    assert model.architecture.attention == "mha"
    tied = read_config(_write(tmp_path, {**tiny, "tie_word_embeddings": True}))
    assert tied.params_total.value == model.params_total.value - 80


def test_mixture_counts_one_table_as_active(tmp_path: Path) -> None:
    """One layer of width 8, 4 experts of which 2 act: 256 + 32 router + 4 x 384, tables 80 each."""
    tiny = {
        "model_type": "mixtral",
        "hidden_size": 8,
        "intermediate_size": 16,
        "num_attention_heads": 2,
        "num_experts_per_tok": 2,
        "num_hidden_layers": 1,
        "num_local_experts": 4,
        "vocab_size": 10,
    }
    model = read_config(_write(tmp_path, tiny))
    assert model.params_total.value == 256 + 32 + 4 * 384 + 2 * 80
    assert model.params_active.value == 256 + 32 + 2 * 384 + 80


def test_folder_is_read_and_gives_the_name(tmp_path: Path) -> None:
    folder = tmp_path / "My_Model 7B"
    folder.mkdir()
    _write(folder, LLAMA)
    model = read_config(folder)
    assert (model.id, model.name) == ("my-model-7b", "My_Model 7B")


# ---------------------------------------------------------------- kinds of models


@pytest.mark.parametrize(
    ("kind", "extra", "family", "expected"),
    [
        ("mistral", {"sliding_window": 4096}, "mistral", {"window": 4096, "window_layers": 32}),
        ("mistral", {"sliding_window": None}, "mistral", {"window": 0, "window_layers": 0}),
        ("phi3", {"sliding_window": 262144}, "phi3", {"window": 0, "window_layers": 0}),
        ("qwen2", {"sliding_window": 4096, "use_sliding_window": False}, "qwen2", {"window_layers": 0}),
        (
            "qwen2",
            {"sliding_window": 4096, "use_sliding_window": True, "max_window_layers": 28},
            "qwen2",
            {"window_layers": 4},
        ),
        ("gemma2", {}, "gemma", {"window": 4096, "window_layers": 16, "tied_embeddings": True}),
        ("starcoder2", {}, "starcoder2", {"ffn_matrices": 2}),
        (
            "some_new_moe",
            {"num_experts": 16, "num_experts_per_tok": 2, "moe_intermediate_size": 512, "mlp_only_layers": [0, 1]},
            "some-new-moe",
            {"n_experts": 16, "moe_intermediate": 512, "n_dense_layers": 2, "intermediate": 14336},
        ),
        (
            "qwen3_moe",
            {"num_experts": 16, "num_experts_per_tok": 2, "moe_intermediate_size": 512, "decoder_sparse_step": 2},
            "qwen3-moe",
            {"n_dense_layers": 16},
        ),
        (
            "glm4_moe",
            {"n_routed_experts": 16, "num_experts_per_tok": 2, "moe_intermediate_size": 512, "n_shared_experts": 2},
            "glm",
            {"n_shared_experts": 2, "shared_intermediate": 0, "intermediate": 0},
        ),
        (
            "qwen2_moe",
            {
                "num_experts": 60,
                "num_experts_per_tok": 4,
                "moe_intermediate_size": 1408,
                "shared_expert_intermediate_size": 5632,
            },
            "qwen2-moe",
            {"n_shared_experts": 1, "shared_intermediate": 5632},
        ),
    ],
)
def test_kind_of_model_is_read(
    tmp_path: Path, kind: str, extra: dict[str, Any], family: str, expected: dict[str, Any]
) -> None:
    model = read_config(_write(tmp_path, {**LLAMA, "tie_word_embeddings": None, **extra, "model_type": kind}))
    assert model.family == family
    assert {key: getattr(model.architecture, key) for key in expected} == expected


def test_frame_of_another_name_is_read_as_the_model_in_it(tmp_path: Path) -> None:
    model = read_config(_write(tmp_path, {"model_type": "llava", "text_config": LLAMA}))
    assert model.family == "llama"
    assert model.architecture.n_layers == 32


def test_shared_indexers_are_noted(tmp_path: Path) -> None:
    kinds = {"indexer_types": ["full"] * 3 + ["shared"] * 75}
    assert read_config(_write(tmp_path, {**GLM_5, **kinds})).note == (
        "Indexers that layers share are counted in every layer."
    )


# ---------------------------------------------------------------- precision


def _group(**weights: Any) -> dict[str, Any]:
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": weights}}}


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"quant_method": "fp8"}, "fp8"),
        (FP8, "fp8_block"),
        ({"quant_method": "mxfp4"}, "mxfp4"),
        (_group(num_bits=4, type="int"), "int4"),
        (_group(num_bits=8, type="int"), "int8"),
        (_group(num_bits=8, type="float", strategy="channel"), "fp8"),
        (_group(num_bits=8, type="float", strategy="block"), "fp8_block"),
        (_group(num_bits=4, type="float", group_size=16), "nvfp4"),
        (_group(num_bits=4, type="float", group_size=32), "mxfp4"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4"),
        ({"quant_method": "modelopt", "quant_algo": "FP8"}, "fp8"),
        ({"quant_method": "awq", "bits": 4}, "int4"),
        ({"quant_method": "gptq", "bits": 8}, "int8"),
        ({"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp4"}}}, "mxfp4"),
        ({"quant_method": "quark", "global_quant_config": {"weight": [{"dtype": "fp8_e4m3"}]}}, "fp8"),
    ],
)
def test_stored_precision_is_read(tmp_path: Path, stated: dict[str, Any], expected: str) -> None:
    model = read_config(_write(tmp_path, {**LLAMA, "quantization_config": stated}))
    assert model.weights_precision == expected
    assert model.quantised == "linear"


def test_unquantised_precision_is_that_of_the_tensors(tmp_path: Path) -> None:
    assert read_config(_write(tmp_path, {**LLAMA, "torch_dtype": "float16"})).weights_precision == "fp16"
    assert read_config(_write(tmp_path, {**LLAMA, "torch_dtype": None, "dtype": "float16"})).kv_precision == "fp16"
    assert read_config(_write(tmp_path, {**LLAMA, "torch_dtype": None})).weights_precision == "bf16"


def test_attention_left_out_means_experts_only(tmp_path: Path) -> None:
    stated = {
        "quant_method": "modelopt",
        "quant_algo": "NVFP4",
        "kv_cache_scheme": {"num_bits": 8, "type": "float"},
        "ignore": ["lm_head", "model.layers.0.self_attn*"],
    }
    model = read_config(_write(tmp_path, {**DEEPSEEK, "quantization_config": stated}))
    assert (model.weights_precision, model.quantised, model.kv_precision) == ("nvfp4", "experts", "fp8")


@pytest.mark.parametrize("name", ["model.layers.5.self_attn.indexer.k_norm", "model.layers.5.self_attn.q_a_layernorm"])
def test_norms_left_out_mean_nothing(tmp_path: Path, name: str) -> None:
    stated = {**FP8, "modules_to_not_convert": ["lm_head", name]}
    assert read_config(_write(tmp_path, {**GLM_5, "quantization_config": stated})).quantised == "linear"


def test_quantisation_beside_the_file_is_read(tmp_path: Path) -> None:
    inner = {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head"]}
    _write(tmp_path, {"quantization": inner}, "hf_quant_config.json")
    model = read_config(_write(tmp_path, LLAMA))
    assert (model.weights_precision, model.kv_precision) == ("nvfp4", "fp8")


def test_precision_given_replaces_the_stored_one(tmp_path: Path) -> None:
    assert read_config(_write(tmp_path, LLAMA), precision="fp8").weights_precision == "fp8"
    model = read_config(_write(tmp_path, GPT_OSS), precision="nvfp4")
    assert (model.weights_precision, model.quantised) == ("nvfp4", "experts")
    assert read_config(_write(tmp_path, GPT_OSS), precision="bf16").quantised == "linear"


# ---------------------------------------------------------------- broken files


def _without(key: str) -> dict[str, Any]:
    return {name: value for name, value in LLAMA.items() if name != key}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (_without("num_hidden_layers"), "config.json: 'num_hidden_layers' is missing; a transformer needs it"),
        (_without("intermediate_size"), "config.json: 'intermediate_size' is missing; a transformer needs it"),
        (_without("model_type"), "config.json: 'model_type' is missing; write for example \"llama\""),
        ("{", "config.json: line 1: not JSON (Expecting property name enclosed in double quotes)"),
        ([LLAMA], "config.json: holds a list; it must be an object with keys like hidden_size"),
        (
            {**LLAMA, "hidden_size": "big"},
            "config.json: 'hidden_size' is 'big'; it must be a whole number of at least 1, such as 4096",
        ),
        (
            {**LLAMA, "num_hidden_layers": True},
            "config.json: 'num_hidden_layers' is True; it must be a whole number of at least 1, such as 32",
        ),
        (
            {**LLAMA, "vocab_size": -1},
            "config.json: 'vocab_size' is -1; it must be a whole number of at least 1, such as 128256",
        ),
        ({**LLAMA, "layer_types": "full"}, "config.json: 'layer_types' is 'full'; it must be a list"),
        (
            {**LLAMA, "layer_types": ["full_attention"]},
            "config.json: 'layer_types' names 1 layers; it must name the 32 of num_hidden_layers",
        ),
        (
            {**LLAMA, "layer_types": ["mamba"] * 32},
            "config.json: 'layer_types' has 'mamba'; known are full_attention, sliding_attention, chunked_attention, "
            "linear_attention, deepseek_sparse_attention",
        ),
        (
            {**LLAMA, "text_config": [1]},
            "config.json: 'text_config' is [1]; it must be an object with the keys of the model",
        ),
        (
            {**LLAMA, "num_key_value_heads": 5},
            "config.json: 'num_key_value_heads' is 5; it must divide the 32 attention heads",
        ),
        (
            {**LLAMA, "num_attention_heads": 24, "num_key_value_heads": None},
            "config.json: 'num_attention_heads' is 24; it must divide the width 4096, or add 'head_dim'",
        ),
        (
            {**LLAMA, "moe_experts": 64},
            "config.json: 'moe_experts' speaks of experts; their number must stand under 'n_routed_experts'",
        ),
        (
            {**GPT_OSS, "num_experts_per_tok": 200},
            "config.json: 'num_experts_per_tok' is 200; it must be at most the 128 experts",
        ),
        (
            {**LLAMA, "hybrid_override_pattern": "M-M*"},
            "config.json: 'hybrid_override_pattern' describes state space layers, which the catalogue has no words for",
        ),
        (
            {**MINIMAX, "attn_type_list": [0] * 62},
            "config.json: 'attn_type_list' has layers of lightning attention, which the catalogue has no words for",
        ),
        (
            {**LLAMA, "torch_dtype": "float32"},
            "config.json: 'torch_dtype' is 'float32'; known are bfloat16 and float16, or give a precision",
        ),
        (
            {**LLAMA, "quantization_config": {"quant_method": "bitsandbytes"}},
            "config.json: 'quantization_config' has the method 'bitsandbytes'; known are fp8, mxfp4, "
            "compressed-tensors, modelopt, quark, awq and gptq with one precision, or give a precision",
        ),
        (
            {**LLAMA, "quantization_config": {"quant_method": "compressed-tensors", "config_groups": {"a": 1}}},
            "config.json: 'quantization_config' has the method 'compressed-tensors'; known are fp8, mxfp4, "
            "compressed-tensors, modelopt, quark, awq and gptq with one precision, or give a precision",
        ),
        (
            {**LLAMA, "quantization_config": "fp8"},
            "config.json: 'quantization_config' is 'fp8'; it must be an object",
        ),
    ],
)
def test_broken_file_is_refused_with_a_sentence(tmp_path: Path, config: Any, message: str) -> None:
    with pytest.raises(CatalogError) as caught:
        read_config(_write(tmp_path, config))
    assert str(caught.value) == message


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"config\.json: No such file or directory$"):
        read_config(tmp_path / "config.json")


def test_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(CatalogError) as caught:
        read_config(path)
    assert str(caught.value) == "config.json: not a text file; it must be the JSON of a Hugging Face model"


def test_broken_quantisation_beside_the_file(tmp_path: Path) -> None:
    _write(tmp_path, {"producer": {}}, "hf_quant_config.json")
    with pytest.raises(CatalogError) as caught:
        read_config(_write(tmp_path, LLAMA))
    assert str(caught.value) == "hf_quant_config.json: 'quantization' is missing; it must be an object with quant_algo"


QWEN = {
    "model_type": "qwen3_moe", "hidden_size": 2048, "intermediate_size": 6144, "moe_intermediate_size": 768,
    "num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128,
    "num_experts": 128, "num_experts_per_tok": 8, "vocab_size": 151_936, "max_position_embeddings": 40_960,
    "tie_word_embeddings": False, "torch_dtype": "bfloat16",
}  # fmt: skip
PLAIN = {**LLAMA, "head_dim": 128}


def without(config: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in keys}


@pytest.mark.parametrize(
    ("config", "assumed", "found"),
    [
        (without(QWEN, "num_key_value_heads"), "num_key_value_heads 4 (default of qwen3_moe)", {"n_kv_heads": 4}),
        (without(QWEN, "moe_intermediate_size"), "moe_intermediate_size 768 (default of qwen3_moe)", {"moe_intermediate": 768}),
        (without(PLAIN, "num_key_value_heads"), "num_key_value_heads 32 (one for each attention head)", {"n_kv_heads": 32}),
        (without({**PLAIN, "model_type": "mistral"}, "num_key_value_heads"), "num_key_value_heads 8 (default of mistral)", {"n_kv_heads": 8}),
        (without(PLAIN, "head_dim"), "head_dim 128 (width over heads)", {"head_dim": 128}),
        (without({**GPT_OSS, "torch_dtype": "bfloat16"}, "head_dim"), "head_dim 64 (default of gpt_oss)", {"head_dim": 64}),
        (without(PLAIN, "max_position_embeddings"), "max_position_embeddings 0 (no limit to the context)", {"max_context": 0}),
        (without(PLAIN, "torch_dtype"), 'torch_dtype "bfloat16" (of weights)', {}),
        (without({**PLAIN, "model_type": "ours"}, "tie_word_embeddings"), "tie_word_embeddings false (a table of its own for the output)", {}),
        (
            without(QWEN, "num_key_value_heads", "head_dim"),
            "num_key_value_heads 4 (default of qwen3_moe); head_dim 64 (width over heads)", {"n_kv_heads": 4, "head_dim": 64},
        ),
    ],
)  # fmt: skip
def test_what_a_file_does_not_say_is_assumed_aloud(
    tmp_path: Path, config: dict[str, Any], assumed: str, found: dict[str, Any]
) -> None:
    model = read_config(_write(tmp_path, config))
    assert model.note == f"Assumed, as config.json does not say: {assumed}."
    assert {key: getattr(model.architecture, key) for key in found} == found


@pytest.mark.parametrize("config", [QWEN, PLAIN, DEEPSEEK])
def test_a_whole_file_assumes_nothing(tmp_path: Path, config: dict[str, Any]) -> None:
    assert read_config(_write(tmp_path, {"torch_dtype": "bfloat16", **config})).note == ""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"a":' * 100_000, "lists and objects stand more than 64 deep within each other"),
        (json.dumps({**LLAMA, "hidden_size": 10**400}), "'hidden_size' holds a whole number of 401 digits; up to 40 are read"),
        (json.dumps({**LLAMA, "hidden_size": 10**30}), f"'hidden_size' is {10**30}; it must be a whole number of at least 1 and at most 1,000,000,000, such as 4096"),
        (json.dumps({**LLAMA, "num_hidden_layers": 10**9}), "'num_hidden_layers' is 1000000000; it must be a whole number of at least 1 and at most 10,000, such as 32"),
        (json.dumps({**LLAMA, "tie_word_embeddings": "false"}), "'tie_word_embeddings' is 'false'; it must be true or false"),
        (json.dumps({**LLAMA, "model_type": ["llama"]}), "'model_type' is ['llama']; write for example \"llama\""),
        (json.dumps({**QWEN, "mlp_only_layers": [[1]]}), "'mlp_only_layers' holds [1]; numbers or names are right"),
        ('{"model_type": "llama", "model_type": "qwen3"}', "the key 'model_type' stands twice"),
    ],
)  # fmt: skip
def test_files_that_are_hostile_get_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(CatalogError) as caught:
        read_config(tmp_path / "config.json")
    assert str(caught.value) == f"config.json: {sentence}"


ODD = [None, [], {}, "x", "8", True, -1, 0, 1.5, 1e300, float("inf"), 10**30, 10**12, [[1]], [{}], ["a"], {"a": 1}, ""]


@pytest.mark.parametrize("config", [PLAIN, QWEN, DEEPSEEK, GPT_OSS, GLM_5])
def test_every_key_with_every_odd_value_is_read_or_refused(tmp_path: Path, config: dict[str, Any]) -> None:
    read, refused = 0, []
    for key in (*config, "layer_types", "quantization_config", "text_config", "moe_layer_freq", "num_experts"):
        for value in ODD:
            try:
                read_config(_write(tmp_path, {**config, key: value}))
                read += 1
            except CatalogError as error:
                refused.append(str(error))
    assert read > 0 and all(one.startswith("config.json: ") for one in refused)


def test_a_model_is_known_by_its_last_part() -> None:
    for name in ("zhipuai/GLM-5", "ZhipuAI/glm_5", "/data/models/GLM-5/", "someone/GLM-5-FP8"):
        assert CATALOG.model(name).id == "glm-5", name
    assert CATALOG.model("anyone/gpt-oss-120b").id == "gpt-oss-120b"
    with pytest.raises(CatalogError, match="no model is called 'someone/large'"):  # a short name of ours, no file's
        CATALOG.model("someone/large")


def test_a_last_part_of_two_models_names_both() -> None:
    names = {**CATALOG.names["models"], "a/chat-7b": "glm-5", "b/chat-7b": "qwen3-8b"}
    twins = replace(CATALOG, names={**CATALOG.names, "models": names})
    assert twins.model("a/chat-7b").id == "glm-5"
    with pytest.raises(CatalogError) as caught:
        twins.model("c/Chat-7B")
    assert str(caught.value) == "the model 'c/Chat-7B' may be glm-5 or qwen3-8b; write which"
