"""Configurations as released checkpoints spell them, old and new, against transformers' classes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig

from edge_server.engine.architecture import (
    Activation,
    GatedArchitecture,
    gated,
    layer_tensors,
    model_tensors,
    read_architecture,
    text_part,
)
from edge_server.errors import UnknownArchitecture
from tests.models import FAMILIES, configuration

SOURCE = "some/config.json"
Config = dict[str, Any]

GEMMA_2B: Config = {
    "architectures": ["GemmaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
    "bos_token_id": 2, "eos_token_id": 1, "head_dim": 256, "hidden_act": "gelu",
    "hidden_size": 2048, "initializer_range": 0.02, "intermediate_size": 16384,
    "max_position_embeddings": 8192, "model_type": "gemma", "num_attention_heads": 8,
    "num_hidden_layers": 18, "num_key_value_heads": 1, "pad_token_id": 0, "rms_norm_eps": 1e-06,
    "rope_scaling": None, "rope_theta": 10000.0, "torch_dtype": "bfloat16", "use_cache": True,
    "vocab_size": 256000,
}
GEMMA2_2B: Config = {
    "architectures": ["Gemma2ForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
    "attn_logit_softcapping": 50.0, "bos_token_id": 2, "cache_implementation": "hybrid",
    "eos_token_id": [1, 107], "final_logit_softcapping": 30.0, "head_dim": 256,
    "hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh",
    "hidden_size": 2304, "intermediate_size": 9216, "max_position_embeddings": 8192,
    "model_type": "gemma2", "num_attention_heads": 8, "num_hidden_layers": 26,
    "num_key_value_heads": 4, "pad_token_id": 0, "query_pre_attn_scalar": 256,
    "rms_norm_eps": 1e-06, "rope_theta": 10000.0, "sliding_window": 4096,
    "torch_dtype": "bfloat16", "vocab_size": 256000,
}
GEMMA3_1B: Config = {
    "architectures": ["Gemma3ForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
    "attn_logit_softcapping": None, "bos_token_id": 2, "cache_implementation": "hybrid",
    "eos_token_id": [1, 106], "final_logit_softcapping": None, "head_dim": 256,
    "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 1152, "intermediate_size": 6912,
    "max_position_embeddings": 32768, "model_type": "gemma3_text", "num_attention_heads": 4,
    "num_hidden_layers": 26, "num_key_value_heads": 1, "pad_token_id": 0,
    "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06, "rope_local_base_freq": 10000,
    "rope_scaling": None, "rope_theta": 1000000, "sliding_window": 512,
    "sliding_window_pattern": 6, "torch_dtype": "bfloat16", "vocab_size": 262144,
}
GEMMA3_4B: Config = {  # image and text: what equals a default of the library is left out
    "architectures": ["Gemma3ForConditionalGeneration"], "boi_token_index": 255999,
    "eoi_token_index": 256000, "eos_token_id": [1, 106], "image_token_index": 262144,
    "mm_tokens_per_image": 256, "model_type": "gemma3", "torch_dtype": "bfloat16",
    "text_config": {
        "hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text",
        "num_hidden_layers": 34, "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "sliding_window": 1024},
    "vision_config": {
        "hidden_size": 1152, "image_size": 896, "intermediate_size": 4304,
        "model_type": "siglip_vision_model", "num_attention_heads": 16, "num_hidden_layers": 27,
        "patch_size": 14},
}
GEMMA3_27B = GEMMA3_4B | {"text_config": {
    "head_dim": 128, "hidden_size": 5376, "intermediate_size": 21504,
    "model_type": "gemma3_text", "num_attention_heads": 32, "num_hidden_layers": 62,
    "num_key_value_heads": 16, "query_pre_attn_scalar": 168,
    "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024}}
GEMMA3_270M: Config = GEMMA3_1B | {
    "_sliding_window_pattern": 6, "hidden_size": 640, "intermediate_size": 2048,
    "layer_types": (["sliding_attention"] * 5 + ["full_attention"]) * 3,
    "num_hidden_layers": 18, "use_bidirectional_attention": False}
GEMMA3_NEW: Config = {
    key: value for key, value in GEMMA3_270M.items()
    if key not in ("rope_theta", "rope_local_base_freq", "rope_scaling", "sliding_window_pattern")
} | {"rope_parameters": {
    "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000000.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}, "dtype": "bfloat16"}
LLAMA_2_7B: Config = {
    "architectures": ["LlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2,
    "hidden_act": "silu", "hidden_size": 4096, "intermediate_size": 11008,
    "max_position_embeddings": 4096, "model_type": "llama", "num_attention_heads": 32,
    "num_hidden_layers": 32, "num_key_value_heads": 32, "pretraining_tp": 1,
    "rms_norm_eps": 1e-05, "rope_scaling": None, "tie_word_embeddings": False,
    "torch_dtype": "float16", "vocab_size": 32000,
}
LLAMA_1_7B: Config = {  # before grouped heads and rotary settings
    "architectures": ["LlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2,
    "hidden_act": "silu", "hidden_size": 4096, "intermediate_size": 11008,
    "max_position_embeddings": 2048, "model_type": "llama", "num_attention_heads": 32,
    "num_hidden_layers": 32, "pad_token_id": 0, "rms_norm_eps": 1e-06,
    "tie_word_embeddings": False, "vocab_size": 32000,
}
LLAMA_31_8B: Config = {
    "architectures": ["LlamaForCausalLM"], "attention_bias": False, "bos_token_id": 128000,
    "eos_token_id": [128001, 128008, 128009], "hidden_act": "silu", "hidden_size": 4096,
    "intermediate_size": 14336, "max_position_embeddings": 131072, "mlp_bias": False,
    "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 32,
    "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_scaling": {
        "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192, "rope_type": "llama3"},
    "rope_theta": 500000.0, "tie_word_embeddings": False, "vocab_size": 128256,
}
LLAMA_32_1B: Config = LLAMA_31_8B | {
    "head_dim": 64, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
    "rope_scaling": LLAMA_31_8B["rope_scaling"] | {"factor": 32.0}, "tie_word_embeddings": True}
LLAMA_NEW: Config = {
    key: value for key, value in LLAMA_31_8B.items() if key not in ("rope_scaling", "rope_theta")
} | {"rope_parameters": LLAMA_31_8B["rope_scaling"] | {"rope_theta": 500000.0}, "head_dim": 128}

CONFIGS: dict[str, Config] = {
    "gemma 2b": GEMMA_2B,
    "gemma 2b, corrected": GEMMA_2B | {"hidden_activation": None},
    "gemma 7b": GEMMA_2B | {
        "hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh",
        "hidden_size": 3072, "intermediate_size": 24576, "num_attention_heads": 16,
        "num_hidden_layers": 28, "num_key_value_heads": 16},
    "gemma, linear": GEMMA_2B | {"rope_scaling": {"type": "linear", "factor": 2.0}},
    "gemma 2 2b": GEMMA2_2B,
    "gemma 2 27b": GEMMA2_2B | {
        "head_dim": 128, "hidden_size": 4608, "intermediate_size": 36864,
        "num_attention_heads": 32, "num_hidden_layers": 46, "num_key_value_heads": 16,
        "query_pre_attn_scalar": 144},
    "gemma 2, uncapped": GEMMA2_2B | {
        "attn_logit_softcapping": None, "final_logit_softcapping": None},
    "gemma 2, new": {key: value for key, value in GEMMA2_2B.items() if key != "rope_theta"} | {
        "layer_types": ["sliding_attention", "full_attention"] * 13,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
    "gemma 3 1b": GEMMA3_1B,
    "gemma 3, other pattern": GEMMA3_1B | {"sliding_window_pattern": 3},
    "gemma 3, scaled": GEMMA3_1B | {
        "rope_scaling": {"rope_type": "linear", "factor": 8.0}, "rope_local_base_freq": 20000.0},
    "gemma 3, capped": GEMMA3_1B | {"final_logit_softcapping": 30.0},
    "gemma 3 4b": GEMMA3_4B,
    "gemma 3 27b": GEMMA3_27B,
    "gemma 3 270m": GEMMA3_270M,
    "gemma 3, new": GEMMA3_NEW,
    "llama 1 7b": LLAMA_1_7B,
    "llama 2 7b": LLAMA_2_7B,
    "llama, linear": LLAMA_2_7B | {"rope_scaling": {"type": "linear", "factor": 4.0}},
    "llama 3.1 8b": LLAMA_31_8B,
    "llama 3.2 1b": LLAMA_32_1B,
    "llama, new": LLAMA_NEW,
    "llama, both spellings": LLAMA_NEW | {
        "rope_parameters": LLAMA_31_8B["rope_scaling"], "rope_theta": 500000.0},
    "llama, biased": LLAMA_2_7B | {"attention_bias": True, "mlp_bias": True},
}


def library_config(config: Config) -> Any:
    """What transformers itself makes of `config`: its text decoder's."""
    document = copy.deepcopy(config)
    made: Any = AutoConfig.for_model(document.pop("model_type"), **document)
    return made.get_text_config()


def described(config: Config) -> GatedArchitecture:
    return gated(read_architecture(config, SOURCE))


def facts(ours: GatedArchitecture) -> dict[str, Any]:
    """What both sides can be asked."""
    return {
        "layers": ours.layers, "hidden": ours.hidden, "intermediate": ours.intermediate,
        "heads": ours.heads, "key_value_heads": ours.key_value_heads,
        "head_dimension": ours.head_dimension, "vocabulary": ours.vocabulary,
        "positions": ours.positions, "norm_epsilon": ours.norm_epsilon, "tied": ours.tied,
        "activation": ours.activation, "attention_scale": ours.attention_scale,
        "softcaps": (ours.attention_softcap, ours.logit_softcap),
        "biases": (ours.attention_bias, ours.feed_forward_bias),
        "windows": ours.windows,
        "ropes": [(rope.kind, rope.theta, rope.factor) for rope in ours.ropes],
        "llama3": [(rope.low_frequency_factor, rope.high_frequency_factor, rope.original_positions)
                   for rope in ours.ropes if rope.kind == "llama3"],
    }


def library_facts(config: Config) -> dict[str, Any]:
    """The same of transformers' configuration."""
    theirs = library_config(config)
    kinds = getattr(theirs, "layer_types", None) or ["full_attention"] * theirs.num_hidden_layers
    parameters = theirs.rope_parameters
    ropes = [parameters.get(kind, parameters) for kind in kinds]
    name = getattr(theirs, "hidden_activation", None) or theirs.hidden_act
    gemma = theirs.model_type != "llama"
    return {
        "layers": theirs.num_hidden_layers, "hidden": theirs.hidden_size,
        "intermediate": theirs.intermediate_size, "heads": theirs.num_attention_heads,
        "key_value_heads": theirs.num_key_value_heads, "head_dimension": theirs.head_dim,
        "vocabulary": theirs.vocab_size, "positions": theirs.max_position_embeddings,
        "norm_epsilon": theirs.rms_norm_eps, "tied": theirs.tie_word_embeddings,
        "activation": {"gelu_pytorch_tanh": Activation.GELU_TANH, "silu": Activation.SILU}[name],
        "attention_scale": getattr(theirs, "query_pre_attn_scalar", theirs.head_dim) ** -0.5,
        "softcaps": (getattr(theirs, "attn_logit_softcapping", None),
                     getattr(theirs, "final_logit_softcapping", None)),
        "biases": (theirs.attention_bias, not gemma and theirs.mlp_bias),
        "windows": tuple(theirs.sliding_window if kind == "sliding_attention" else None
                         for kind in kinds),
        "ropes": [(rope["rope_type"], rope["rope_theta"], rope.get("factor", 1.0))
                  for rope in ropes],
        "llama3": [(rope["low_freq_factor"], rope["high_freq_factor"],
                    rope["original_max_position_embeddings"])
                   for rope in ropes if rope["rope_type"] == "llama3"],
    }


@pytest.mark.parametrize("name", CONFIGS)
def test_released_configurations(name: str) -> None:
    assert facts(described(CONFIGS[name])) == library_facts(CONFIGS[name])


@pytest.mark.parametrize("family", FAMILIES)
def test_configurations_as_the_library_writes_them(family: str) -> None:
    written = configuration(family).to_dict()
    assert facts(described(written)) == library_facts(written)


@pytest.mark.parametrize("name", ["gemma 2b", "gemma 2 2b", "gemma 3 1b", "llama 3.1 8b"])
def test_a_missing_key_means_the_librarys_default_or_is_refused(name: str) -> None:
    different = []
    for key in CONFIGS[name]:
        config = {other: value for other, value in CONFIGS[name].items() if other != key}
        if key == "model_type":
            continue
        try:
            ours = facts(described(config))
        except UnknownArchitecture:
            continue
        theirs = library_facts(config)
        different += [(key, fact, ours[fact], theirs[fact])
                      for fact in ours if ours[fact] != theirs[fact]]
    assert different == []


@pytest.mark.parametrize("name", ["gemma 2b", "gemma 2 2b", "gemma 3 4b", "llama 3.1 8b"])
def test_what_a_family_adds(name: str) -> None:
    ours = described(CONFIGS[name])
    gemma = not name.startswith("llama")
    assert ours.norm_adds_one == gemma
    assert ours.embedding_scale == (ours.hidden**0.5 if gemma else 1.0)
    assert ours.query_key_norm == name.startswith("gemma 3")
    assert ours.sandwich_norms == name.startswith(("gemma 2 ", "gemma 3"))


def test_the_image_part_of_a_checkpoint_is_left_aside() -> None:
    text = text_part(GEMMA3_4B)
    assert text["model_type"] == "gemma3_text"
    assert "vision_config" not in text
    assert GEMMA3_4B["text_config"]["model_type"] == "gemma3_text"  # the caller's is untouched


@pytest.mark.parametrize("family", FAMILIES)
def test_tensor_names_and_shapes_are_the_librarys(
    family: str, checkpoint_folder: Any, tmp_path: Path
) -> None:
    from safetensors import safe_open

    with safe_open(checkpoint_folder(family) / "model.safetensors", "pt") as file:
        theirs = {name.removeprefix("model."): tuple(file.get_slice(name).get_shape())
                  for name in file.keys()}  # noqa: SIM118  # it is no mapping
    assert model_tensors(read_architecture(configuration(family).to_dict(), SOURCE)) == theirs


def test_layers_come_in_order() -> None:
    names = list(model_tensors(read_architecture(GEMMA2_2B, SOURCE)))
    each = len(layer_tensors(read_architecture(GEMMA2_2B, SOURCE)))
    assert names[0] == "embed_tokens.weight"
    assert [int(name.split(".")[1]) for name in names[1 : 1 + 26 * each]] == [
        index for index in range(26) for _ in range(each)]
    assert names[1 + 26 * each:] == ["norm.weight"]


NUMBERS = ("num_hidden_layers", "num_attention_heads", "num_key_value_heads", "hidden_size",
           "head_dim", "intermediate_size", "vocab_size", "max_position_embeddings")
BAD_NUMBERS: tuple[object, ...] = (
    0, -1, 2.5, "8", True, [8], {}, 2**31, 10**30, float("nan"), float("inf"))


@pytest.mark.parametrize("value", BAD_NUMBERS, ids=repr)
@pytest.mark.parametrize("key", NUMBERS)
def test_bad_whole_numbers(key: str, value: object) -> None:
    with pytest.raises(UnknownArchitecture, match=rf"{SOURCE}: {key} is .*Use a Gemma"):
        read_architecture(GEMMA2_2B | {key: value}, SOURCE)


@pytest.mark.parametrize("value", [0, -1.0, "1e-6", True, [], float("nan"), float("inf")], ids=repr)
@pytest.mark.parametrize("key", ["rms_norm_eps", "query_pre_attn_scalar", "rope_theta",
                                 "attn_logit_softcapping", "final_logit_softcapping"])
def test_bad_numbers(key: str, value: object) -> None:
    with pytest.raises(UnknownArchitecture, match=rf"{SOURCE}.*{key} is .*not a positive number"):
        read_architecture(GEMMA2_2B | {key: value}, SOURCE)


@pytest.mark.parametrize("kind", ["mistral", "gemma4", "qwen3", None, 7, [], {}], ids=repr)
def test_an_unknown_family(kind: object) -> None:
    with pytest.raises(UnknownArchitecture, match=rf"{SOURCE}: model_type is .*gemma3_text, llama"):
        read_architecture(GEMMA2_2B | {"model_type": kind}, SOURCE)


def test_no_family() -> None:
    with pytest.raises(UnknownArchitecture, match="model_type is None"):
        read_architecture({}, SOURCE)


@pytest.mark.parametrize("kind", ["yarn", "dynamic", "longrope", "su", None, 3, []], ids=repr)
@pytest.mark.parametrize("spelling", ["rope_scaling", "rope_parameters"])
def test_an_unknown_rotary_embedding(spelling: str, kind: object) -> None:
    with pytest.raises(UnknownArchitecture, match=rf"{SOURCE}.*rope_type is .*linear or llama3"):
        read_architecture(
            LLAMA_2_7B | {spelling: {"rope_type": kind, "factor": 2.0}}, SOURCE)


@pytest.mark.parametrize(("key", "value"), [
    ("factor", 0), ("factor", "8"), ("low_freq_factor", -1.0), ("high_freq_factor", None),
    ("original_max_position_embeddings", 0.5)])
def test_bad_rotary_numbers(key: str, value: object) -> None:
    scaling = LLAMA_31_8B["rope_scaling"] | {key: value}
    with pytest.raises(UnknownArchitecture, match=rf"{SOURCE}.*{key} is "):
        read_architecture(LLAMA_31_8B | {"rope_scaling": scaling}, SOURCE)


@pytest.mark.parametrize("kinds", [
    [], ["full_attention"], ["full_attention"] * 27, ["chunked_attention"] * 26, "full_attention",
    {"0": "full_attention"}, [["full_attention"]] * 26, [None] * 26])
def test_bad_layer_types(kinds: object) -> None:
    with pytest.raises(UnknownArchitecture, match=rf"{SOURCE}: layer_types is not a list of 26"):
        read_architecture(GEMMA2_2B | {"layer_types": kinds}, SOURCE)


@pytest.mark.parametrize(("key", "value", "why"), [
    ("num_key_value_heads", 3, "does not divide"), ("head_dim", 5, "is odd"),
    ("use_bidirectional_attention", True, "only causal"), ("sliding_window", 0, "not a positive"),
    ("hidden_activation", "relu", "not gelu_pytorch_tanh or silu"),
    ("hidden_activation", "gelu", "not gelu_pytorch_tanh or silu")])
def test_what_does_not_run(key: str, value: object, why: str) -> None:
    with pytest.raises(UnknownArchitecture, match=rf"{SOURCE}: {key} .*{why}"):
        read_architecture(GEMMA2_2B | {key: value}, SOURCE)
