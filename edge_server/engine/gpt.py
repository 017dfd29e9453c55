"""GPT-2 and GPT-J: LayerNorms with biases, an ungated feed-forward block, an end of positions.

GPT-2 adds a learned embedding to each position's row before layer 0, and stores its matrices the
other way round, query, key and value in one; GPT-J rotates some dimensions of each head, runs
attention and feed-forward side by side, and its output projection has a bias. Their tensors are
described as they are stored. It knows no files and no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edge_server.engine.family import Architecture, ConfigReader, Family

ACTIVATIONS = ("gelu_new", "gelu", "gelu_fast", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu",
               "tanh")
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class GptArchitecture(Architecture):
    """What the two have in common."""

    feed_forward_activation: str  # as transformers names it

    @property
    def longest(self) -> int:
        return self.positions  # a table, of learned rows or of sines, that ends there


@dataclass(frozen=True)
class Gpt2Architecture(GptArchitecture):
    """GPT-2."""

    scaled_by_dimension: bool  # attention scores are divided by the root of the head's dimension
    scaled_by_layer: bool  # and by the layer's number, counted from 1

    def attention_scale(self, layer: int) -> float:
        """What layer `layer` multiplies its attention scores by, rounded as the library does."""
        scale: float = self.head_dimension**-0.5 if self.scaled_by_dimension else 1.0
        return scale / float(layer + 1) if self.scaled_by_layer else scale


@dataclass(frozen=True)
class GptJArchitecture(GptArchitecture):
    """GPT-J."""

    rotary_dimension: int  # of each head, how many dimensions are rotated


def read_gpt(reader: ConfigReader, family: Family) -> GptArchitecture:
    """Describe the GPT-2 or GPT-J decoder in the reader's configuration."""
    config = reader.config
    hidden, heads = reader.positive_integer("n_embd"), reader.positive_integer("n_head")
    if hidden % heads:
        raise reader.refuse("n_head", "does not divide n_embd")
    activation = config.get("activation_function", "gelu_new")
    if activation not in ACTIVATIONS:
        raise reader.refuse("activation_function",
                            f"is {activation!r}, not among {', '.join(ACTIVATIONS)}")
    common: dict[str, Any] = {
        "family": family, "layers": reader.positive_integer("n_layer"), "hidden": hidden,
        "intermediate": reader.positive_integer("n_inner", 4 * hidden), "heads": heads,
        "key_value_heads": heads, "head_dimension": hidden // heads,
        "vocabulary": reader.positive_integer("vocab_size"),
        "positions": reader.positive_integer("n_positions"),
        "norm_epsilon": reader.positive_number("layer_norm_epsilon", 1e-5),
        "embedding_scale": 1.0,
        "tied": bool(config.get("tie_word_embeddings", family is Family.GPT2)),
        "feed_forward_activation": activation,
    }
    if family is Family.GPT2:
        if config.get("add_cross_attention"):
            raise reader.refuse("add_cross_attention", "is set, and only plain decoders run")
        return Gpt2Architecture(
            **common, scaled_by_dimension=bool(config.get("scale_attn_weights", True)),
            scaled_by_layer=bool(config.get("scale_attn_by_inverse_layer_idx", False)))
    rotary = reader.positive_integer("rotary_dim", 64)
    if rotary % 2 or rotary > hidden // heads:
        raise reader.refuse("rotary_dim", f"is {rotary}, which is odd or more than a head has")
    return GptJArchitecture(**common, rotary_dimension=rotary)


def gpt_layer_tensors(architecture: GptArchitecture) -> Shapes:
    """Name (inside a layer) and shape of every tensor one layer has, as stored."""
    a = architecture
    if isinstance(a, Gpt2Architecture):  # inputs come first, unlike in a linear layer
        return _norm("ln_1", a.hidden) | {
            "attn.c_attn.weight": (a.hidden, 3 * a.hidden), "attn.c_attn.bias": (3 * a.hidden,),
            "attn.c_proj.weight": (a.hidden, a.hidden), "attn.c_proj.bias": (a.hidden,),
        } | _norm("ln_2", a.hidden) | {
            "mlp.c_fc.weight": (a.hidden, a.intermediate), "mlp.c_fc.bias": (a.intermediate,),
            "mlp.c_proj.weight": (a.intermediate, a.hidden), "mlp.c_proj.bias": (a.hidden,),
        }
    square = {f"attn.{name}_proj.weight": (a.hidden, a.hidden) for name in ("q", "k", "v", "out")}
    return _norm("ln_1", a.hidden) | square | {
        "mlp.fc_in.weight": (a.intermediate, a.hidden), "mlp.fc_in.bias": (a.intermediate,),
        "mlp.fc_out.weight": (a.hidden, a.intermediate), "mlp.fc_out.bias": (a.hidden,),
    }


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}
