"""The demo model and its two optimisers.

Does: build a seeded Gemma-3 text model from the settings; give its hidden matrices to Muon and
the rest to AdamW; turn the optimisers' state into named tensors and back.
Does not know: data, files, the training loop.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from testbed.training.settings import TrainingSettings
from testbed.training.tokenizer import BOS_ID, END_OF_TURN_ID, EOS_ID, PAD_ID

MUON_MOMENTUM = 0.95
ADAMW_BETAS = (0.9, 0.95)


def model_config(settings: TrainingSettings, vocabulary_size: int) -> Gemma3TextConfig:
    """The architecture as transformers describes it."""
    every = settings.full_attention_every
    config = Gemma3TextConfig(
        vocab_size=vocabulary_size,
        hidden_size=settings.hidden_size,
        intermediate_size=settings.mlp_size,
        num_hidden_layers=settings.layer_count,
        num_attention_heads=settings.head_count,
        num_key_value_heads=settings.key_value_head_count,
        head_dim=settings.head_size,
        query_pre_attn_scalar=settings.head_size,
        max_position_embeddings=settings.maximum_positions,
        sliding_window=settings.sliding_window,
        layer_types=[
            "full_attention" if (index + 1) % every == 0 else "sliding_attention"
            for index in range(settings.layer_count)
        ],
        pad_token_id=PAD_ID,
        bos_token_id=BOS_ID,
        eos_token_id=[EOS_ID, END_OF_TURN_ID],
        tie_word_embeddings=True,
    )
    config._sliding_window_pattern = every  # only written down; layer_types decides
    return config


def build_model(settings: TrainingSettings, vocabulary_size: int) -> Gemma3ForCausalLM:
    """A new model; layers start with small outputs, so that the deep sum starts near one."""
    torch.manual_seed(settings.seed)
    model = Gemma3ForCausalLM(model_config(settings, vocabulary_size))
    small = (2 * settings.layer_count) ** -0.5 - 1.0
    with torch.no_grad():
        for layer in model.model.layers:
            layer.post_attention_layernorm.weight.fill_(small)
            layer.post_feedforward_layernorm.weight.fill_(small)
    return model


@dataclass(frozen=True)
class Optimisers:
    """Muon for the hidden matrices, AdamW for the embedding and the norm scales."""

    muon: torch.optim.Muon
    adamw: torch.optim.AdamW
    matrices: dict[str, Tensor]
    others: dict[str, Tensor]


def build_optimisers(model: Gemma3ForCausalLM, settings: TrainingSettings) -> Optimisers:
    """Split the parameters and make both optimisers."""
    matrices: dict[str, Tensor] = {}
    others: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        is_matrix = parameter.ndim == 2 and "embed_tokens" not in name
        (matrices if is_matrix else others)[name] = parameter
    muon = torch.optim.Muon(
        list(matrices.values()),
        lr=settings.muon_learning_rate,
        weight_decay=settings.weight_decay,
        momentum=MUON_MOMENTUM,
        adjust_lr_fn="match_rms_adamw",
    )
    adamw = torch.optim.AdamW(
        list(others.values()),
        lr=settings.adamw_learning_rate,
        betas=ADAMW_BETAS,
        weight_decay=0.0,
    )
    return Optimisers(muon, adamw, matrices, others)


def set_learning_rates(optimisers: Optimisers, settings: TrainingSettings, factor: float) -> None:
    """Both learning rates times the schedule's factor."""
    optimisers.muon.param_groups[0]["lr"] = settings.muon_learning_rate * factor
    optimisers.adamw.param_groups[0]["lr"] = settings.adamw_learning_rate * factor


def optimiser_tensors(optimisers: Optimisers) -> dict[str, Tensor]:
    """The state of both optimisers as named tensors."""
    tensors: dict[str, Tensor] = {}
    for optimiser, parameters in _pairs(optimisers):
        for name, parameter in parameters.items():
            for key, value in optimiser.state[parameter].items():
                tensors[f"optimiser.{key}:{name}"] = torch.as_tensor(value)
    return tensors


def restore_optimisers(optimisers: Optimisers, tensors: dict[str, Tensor]) -> None:
    """Put named tensors of optimiser_tensors back."""
    by_name: dict[str, dict[str, Tensor]] = {}
    for full_name, value in tensors.items():
        if full_name.startswith("optimiser."):
            key, name = full_name.removeprefix("optimiser.").split(":", 1)
            by_name.setdefault(name, {})[key] = value
    for optimiser, parameters in _pairs(optimisers):
        for name, parameter in parameters.items():
            state = optimiser.state[parameter]
            for key, value in by_name.get(name, {}).items():
                state[key] = value.clone() if key == "step" else value.to(parameter.device)


def _pairs(
    optimisers: Optimisers,
) -> tuple[tuple[torch.optim.Optimizer, dict[str, Tensor]], ...]:
    return (
        (optimisers.muon, optimisers.matrices),
        (optimisers.adamw, optimisers.others),
    )
