"""Small seeded checkpoints of every family, written as transformers itself writes them.

Sizes are chosen so that every mechanism is at work: grouped heads, a sliding window shorter than
the prompts, soft caps, both kinds of rotary embedding, tied and untied embeddings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.models.auto import AutoModelForCausalLM

FAMILIES = ("gemma", "gemma2", "gemma3", "llama")
LAYERS = 4
WINDOW = 8
VOCABULARY = 160
_COMMON: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 64, "intermediate_size": 96,
    "num_hidden_layers": LAYERS, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 16, "max_position_embeddings": 512, "pad_token_id": 0, "eos_token_id": 1,
    "bos_token_id": 2, "initializer_range": 0.2,
}


def configuration(family: str) -> PreTrainedConfig:
    """A small configuration of `family`."""
    if family == "gemma":
        return GemmaConfig(**_COMMON)
    if family == "gemma2":
        return Gemma2Config(**_COMMON, sliding_window=WINDOW, query_pre_attn_scalar=24)
    if family == "gemma3":
        return Gemma3TextConfig(
            **_COMMON, sliding_window=WINDOW, query_pre_attn_scalar=16,
            layer_types=["sliding_attention", "full_attention"] * (LAYERS // 2))
    scaled = {"rope_type": "llama3", "rope_theta": 10_000.0, "factor": 4.0, "low_freq_factor": 1.0,
              "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
    return LlamaConfig(**_COMMON, tie_word_embeddings=False, attention_bias=True, mlp_bias=True,
                       rope_parameters=scaled)


def make_model(family: str, dtype: torch.dtype = torch.float32, seed: int = 0) -> PreTrainedModel:
    """A model with seeded random weights; norms and biases random too, so that none is idle."""
    torch.manual_seed(seed)
    model: PreTrainedModel = AutoModelForCausalLM.from_config(configuration(family))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name or name.endswith("bias"):
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.to(dtype).eval()


def save_model(
    folder: Path, family: str, dtype: torch.dtype = torch.float32, seed: int = 0,
    max_shard_size: str = "5GB",
) -> PreTrainedModel:
    """Write a checkpoint folder; the returned model is the unsplit original."""
    model = make_model(family, dtype, seed)
    model.save_pretrained(folder, max_shard_size=max_shard_size)
    return model
