"""Models whose rows cross the link: the bundled one, and small ones with random weights.

Traffic shows a model's hidden size and number format, not what it says; so a few layers as wide as
those of known models, with little between, stand for them. Written byte by byte, seeded.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_server.engine.architecture import model_tensors, read_architecture

BUNDLED = "story-gemma3"
DEVIATION = 0.02  # of every weight
BUNDLED_HIDDEN, BUNDLED_LAYERS = 256, 8
VOCABULARY = 512


@dataclass(frozen=True)
class Model:
    """What a scenario runs."""

    name: str
    hidden: int
    layers: int
    family: str = "gemma3_text"


def _random(hidden: int, layers: int, family: str = "gemma3_text") -> Model:
    return Model(f"random-{'llama' if family == 'llama' else 'gemma'}-{hidden}", hidden, layers,
                 family)


MODELS = {model.name: model for model in (
    Model(BUNDLED, BUNDLED_HIDDEN, BUNDLED_LAYERS), _random(256, 4), _random(512, 3, "llama"),
    _random(640, 4), _random(1024, 3, "llama"), _random(1152, 4), _random(1536, 2, "llama"),
    _random(2048, 4), _random(2304, 3), _random(2560, 1), _random(3072, 3, "llama"))}


def folder_of(model: Model, cache: Path, bundled: Path) -> Path:
    """The checkpoint of `model`; written into `cache` unless it is there."""
    if model.name == BUNDLED:
        return bundled
    folder = cache / model.name
    if not (folder / "config.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        config = _configuration(model)
        _write_weights(folder / "model.safetensors", config, model.name)
        unfinished = folder / "config.json.part"  # it marks the end, so it comes at once
        unfinished.write_text(json.dumps(config, indent=1), encoding="utf-8")
        os.replace(unfinished, folder / "config.json")
    return folder


def _configuration(model: Model) -> dict[str, Any]:
    config: dict[str, Any] = {
        "model_type": model.family, "hidden_size": model.hidden, "intermediate_size": 64,
        "num_hidden_layers": model.layers, "num_attention_heads": 2, "num_key_value_heads": 1,
        "head_dim": 64, "vocab_size": VOCABULARY, "max_position_embeddings": 8192,
        "rms_norm_eps": 1e-6, "rope_theta": 10_000.0, "tie_word_embeddings": True,
        "attention_bias": False, "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0,
        "torch_dtype": "bfloat16",
    }
    if model.family == "llama":
        return config | {"architectures": ["LlamaForCausalLM"], "hidden_act": "silu",
                         "mlp_bias": False}
    return config | {
        "architectures": ["Gemma3ForCausalLM"], "hidden_activation": "gelu_pytorch_tanh",
        "rope_local_base_freq": 10_000.0, "query_pre_attn_scalar": 64, "sliding_window": 512,
        "layer_types": ["full_attention"] * model.layers}


def _write_weights(path: Path, config: dict[str, Any], name: str) -> None:
    import torch  # here: a scenario is drawn without it

    tensors = model_tensors(read_architecture(config, name))
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor, extents in tensors.items():
        size = 2 * math.prod(extents)
        header[f"model.{tensor}"] = {"dtype": "BF16", "shape": list(extents),
                                     "data_offsets": [offset, offset + size]}
        offset += size
    raw = json.dumps(header).encode()
    raw += b" " * (-len(raw) % 8)
    with path.open("wb") as file:
        file.write(len(raw).to_bytes(8, "little") + raw)
        for tensor, extents in tensors.items():
            own = hashlib.sha256(f"{name} {tensor}".encode()).digest()
            generator = torch.Generator().manual_seed(int.from_bytes(own[:7], "big"))
            values = torch.zeros(extents) if tensor.endswith("norm.weight") and (
                config["model_type"] != "llama") else torch.empty(extents).normal_(
                    1.0 if tensor.endswith("norm.weight") else 0.0, DEVIATION,
                    generator=generator)
            file.write(values.to(torch.bfloat16).view(torch.uint8).numpy().data)
