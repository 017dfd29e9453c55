"""A small seeded model with planted massive channels: a few of its hundreds of times the others.

Large trained models have such channels: they carry no news, norms are made for them, and whoever
quantises a whole row by its largest value loses all the others. Here a bias of the first layer
plants them, and every norm behind it is made up for them, so the model computes what it would
without them, but for their own small share.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig
from transformers.models.auto import AutoModelForCausalLM

HIDDEN, LAYERS, VOCABULARY = 2048, 4, 160
CHANNELS = (415, 1533)  # planted, in groups of their own
TIMES = 600.0  # the others' root mean square, in the model's middle
_PROBE = 64  # tokens by which the residual stream's size is seen


def save_massive(folder: Path, seed: int = 0) -> None:
    """Write the checkpoint into `folder`, in bfloat16."""
    torch.manual_seed(seed)
    factory: Any = AutoModelForCausalLM
    model = factory.from_config(LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=HIDDEN, intermediate_size=256, head_dim=32,
        num_hidden_layers=LAYERS, num_attention_heads=8, num_key_value_heads=2, mlp_bias=True,
        max_position_embeddings=1024, tie_word_embeddings=False, initializer_range=0.05,
        pad_token_id=0, eos_token_id=1, bos_token_id=2))
    model.train(False)
    with torch.no_grad():
        model.lm_head.weight.mul_(0.8)  # scores about as sharp as a trained model's
        ids = torch.randint(6, VOCABULARY, (1, _PROBE))
        sizes = _sizes(model, ids)
        large = TIMES * sizes[LAYERS // 2]
        for number, channel in enumerate(CHANNELS):
            model.model.layers[0].mlp.down_proj.bias[channel] = large * (-1.0) ** number
        for depth, layer in enumerate(model.model.layers[1:], start=1):
            _make_up(layer.input_layernorm, sizes[depth], large)
            _make_up(layer.post_attention_layernorm, sizes[depth], large)
        _make_up(model.model.norm, sizes[LAYERS], large)
    model.to(torch.bfloat16).save_pretrained(folder)


def _sizes(model: Any, ids: torch.Tensor) -> list[float]:
    """Root mean square of the rows ahead of each layer, and after the last."""
    found: list[float] = []
    hooks = [layer.register_forward_pre_hook(
        lambda _, inputs: found.append(float(inputs[0].square().mean().sqrt())))
        for layer in model.model.layers]
    hooks.append(model.model.norm.register_forward_pre_hook(
        lambda _, inputs: found.append(float(inputs[0].square().mean().sqrt()))))
    model(ids)
    for hook in hooks:
        hook.remove()
    return found


def _make_up(norm: Any, size: float, large: float) -> None:
    """Let `norm` give the other channels what it gave them before, and the planted ones nothing."""
    norm.weight.mul_((1.0 + len(CHANNELS) * large**2 / (HIDDEN * size**2)) ** 0.5)
    norm.weight[list(CHANNELS)] = 0.0
