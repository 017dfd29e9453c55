"""A quick forward pass of a Gemma-3 text model for training on fixed-length rows.

Does: compute what transformers' Gemma3ForCausalLM computes (a test compares them), with the
weights in bfloat16 once per pass, prebuilt masks, one compiled layer function and a loss that
never holds all logits.
Does not know: caches, generation, padding masks, data, optimisers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

LayerFunction = Callable[..., Tensor]
QUERY_BLOCK = 128  # queries that attention handles at one time
LOSS_CHUNK_ROWS = 512  # positions whose logits exist at one time
IGNORED_TARGET = -100


def rms_norm(values: Tensor, scale: Tensor, epsilon: float) -> Tensor:
    """Gemma's normalisation in float32: divide by the root mean square, times (1 + scale)."""
    wide = values.float()
    normal = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + epsilon)
    return normal * (1.0 + scale)


def rotate(values: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotary position embedding, halves as in Gemma."""
    first, second = values.chunk(2, dim=-1)
    return values * cosine + torch.cat((-second, first), dim=-1) * sine


def block_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, window: int, scale: float
) -> Tensor:
    """Attention in blocks of queries, each against the keys that its window can reach.

    On the CPU this is about three times as quick as the general fused kernel with a mask.
    """
    rows, queries, length, size = query.shape
    groups = rows * key.shape[1]
    key, value = key.reshape(groups, length, size), value.reshape(groups, length, size)
    parts = []
    for start in range(0, length, QUERY_BLOCK):
        end = min(start + QUERY_BLOCK, length)
        first = max(0, start - window)
        part = (query[:, :, start:end] * scale).reshape(groups, -1, size)
        scores = torch.bmm(part, key[:, first:end].transpose(1, 2)).float()
        limits = mask[start:end, first:end].repeat(part.shape[1] // (end - start), 1)
        chances = torch.softmax(scores + limits, dim=-1).to(value.dtype)
        mixed = torch.bmm(chances, value[:, first:end])
        parts.append(mixed.view(rows, queries, end - start, size))
    return torch.cat(parts, dim=2)


def layer_forward(
    hidden: Tensor,
    norms: tuple[Tensor, ...],
    matrices: tuple[Tensor, ...],
    rotary: tuple[Tensor, Tensor],
    mask: Tensor,
    window: int,
    heads: tuple[int, int, int],
    scale: float,
    epsilon: float,
) -> Tensor:
    """One decoder layer; matrices and matrix inputs in the matrices' type, the rest float32."""
    before, after, before_mlp, after_mlp, query_norm, key_norm = norms
    query_w, key_w, value_w, output_w, gate_w, up_w, down_w = matrices
    rows, length, _ = hidden.shape
    queries, keys, size = heads
    kind = query_w.dtype
    normal = rms_norm(hidden, before, epsilon).to(kind)
    query = functional.linear(normal, query_w).view(rows, length, queries, size)
    key = functional.linear(normal, key_w).view(rows, length, keys, size)
    value = functional.linear(normal, value_w).view(rows, length, keys, size).transpose(1, 2)
    query = rotate(rms_norm(query, query_norm, epsilon).transpose(1, 2), *rotary).to(kind)
    key = rotate(rms_norm(key, key_norm, epsilon).transpose(1, 2), *rotary).to(kind)
    mixed = block_attention(query, key, value, mask, window, scale)
    mixed = mixed.transpose(1, 2).reshape(rows, length, queries * size)
    hidden = hidden + rms_norm(functional.linear(mixed, output_w), after, epsilon)
    normal = rms_norm(hidden, before_mlp, epsilon).to(kind)
    gate = functional.gelu(functional.linear(normal, gate_w), approximate="tanh")
    product = gate * functional.linear(normal, up_w)
    return hidden + rms_norm(functional.linear(product, down_w), after_mlp, epsilon)


def rotary_tables(base: float, size: int, length: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine, [length, head size]."""
    frequency = 1.0 / base ** (torch.arange(0, size, 2).float() / size)
    angle = torch.outer(torch.arange(length).float(), frequency).repeat(1, 2)
    return angle.cos(), angle.sin()


def _tables_of_kind(config: Gemma3TextConfig, kind: str, length: int) -> tuple[Tensor, Tensor]:
    parameters = config.rope_parameters or {}
    return rotary_tables(float(parameters[kind]["rope_theta"]), config.head_dim, length)


def window_mask(length: int, window: int) -> Tensor:
    """Additive mask: a token sees itself and the window - 1 before it."""
    distance = torch.arange(length)[:, None] - torch.arange(length)[None, :]
    allowed = (distance >= 0) & (distance < window)
    return torch.zeros(length, length).masked_fill(~allowed, float("-inf"))


class FastForward:
    """Hidden states and loss of one model for rows of one length."""

    def __init__(
        self, model: Gemma3ForCausalLM, length: int, kind: torch.dtype, compiled: bool
    ) -> None:
        self.model = model
        self.kind = kind
        config = model.config
        self.layer: LayerFunction = (
            torch.compile(layer_forward, dynamic=False) if compiled else layer_forward
        )
        device = model.device
        self.kinds = list(config.layer_types or [])
        self.windows = {
            "full_attention": length,
            "sliding_attention": int(config.sliding_window or length),
        }
        self.rotary = {
            name: tuple(table.to(device) for table in _tables_of_kind(config, name, length))
            for name in self.windows
        }
        self.masks = {
            name: window_mask(length, window).to(device) for name, window in self.windows.items()
        }

    def hidden_states(self, inputs: Tensor) -> Tensor:
        """What the language-model head reads, float32."""
        config = self.model.config
        heads = (config.num_attention_heads, config.num_key_value_heads, config.head_dim)
        scale = float(config.query_pre_attn_scalar) ** -0.5
        body = self.model.model
        hidden = functional.embedding(inputs, body.embed_tokens.weight) * config.hidden_size**0.5
        for layer, name in zip(body.layers, self.kinds, strict=True):
            attention, mlp = layer.self_attn, layer.mlp
            norms = (
                layer.input_layernorm, layer.post_attention_layernorm,
                layer.pre_feedforward_layernorm, layer.post_feedforward_layernorm,
                attention.q_norm, attention.k_norm,
            )  # fmt: skip
            matrices = (
                attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj,
                mlp.gate_proj, mlp.up_proj, mlp.down_proj,
            )  # fmt: skip
            hidden = self.layer(
                hidden,
                tuple(part.weight for part in norms),
                tuple(part.weight.to(self.kind) for part in matrices),
                self.rotary[name],
                self.masks[name],
                self.windows[name],
                heads,
                scale,
                config.rms_norm_eps,
            )
        return rms_norm(hidden, body.norm.weight, config.rms_norm_eps)

    def loss_sum(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Sum of the losses over all positions with a target."""
        hidden = self.hidden_states(inputs).flatten(0, 1)
        head = self.model.model.embed_tokens.weight
        result: Tensor = ChunkedLoss.apply(  # type: ignore[no-untyped-call]  # torch's is
            hidden.to(self.kind), head.to(self.kind), targets.flatten()
        )
        return result


class ChunkedLoss(torch.autograd.Function):
    """Cross entropy through the output matrix, chunk by chunk, gradients made on the way."""

    @staticmethod
    def forward(context: Any, hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
        """The summed loss; keeps the gradients with respect to hidden and head."""
        total = torch.zeros((), device=hidden.device)
        hidden_gradient = torch.empty_like(hidden)
        head_gradient = torch.zeros(head.shape, dtype=torch.float32, device=head.device)
        for start in range(0, len(hidden), LOSS_CHUNK_ROWS):
            part = hidden[start : start + LOSS_CHUNK_ROWS]
            wanted = targets[start : start + LOSS_CHUNK_ROWS]
            counted = (wanted != IGNORED_TARGET).unsqueeze(1)
            index = wanted.clamp_min(0).unsqueeze(1)
            chances = functional.log_softmax(functional.linear(part, head).float(), dim=-1)
            total -= (chances.gather(1, index) * counted).sum()
            slope = chances.exp_()
            slope.scatter_add_(1, index, torch.full_like(index, -1.0, dtype=torch.float32))
            slope = (slope * counted).to(hidden.dtype)
            hidden_gradient[start : start + LOSS_CHUNK_ROWS] = slope @ head
            head_gradient += slope.T @ part
        context.save_for_backward(hidden_gradient, head_gradient)
        return total

    @staticmethod
    def backward(context: Any, outer: Tensor) -> tuple[Tensor, Tensor, None]:
        """The kept gradients times the outer one."""
        hidden_gradient, head_gradient = context.saved_tensors
        return hidden_gradient * outer, (head_gradient * outer).to(hidden_gradient.dtype), None
