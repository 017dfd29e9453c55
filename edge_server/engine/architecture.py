"""What a decoder looks like: one frozen description read from a Hugging Face `config.json`.

It knows Gemma 1, 2 and 3 (text) and Llama, in the old and the new spelling of their configuration,
and gives GPT-2 and GPT-J to `gpt`. It does not know tensors' contents, files or torch; anything it
cannot describe exactly is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from edge_server.engine.family import (
    PROJECTION,
    PROJECTION_BIAS,
    Architecture,
    ConfigReader,
    Family,
)
from edge_server.engine.gpt import GptArchitecture, gpt_layer_tensors, read_gpt
from edge_server.errors import ConfigurationError


class Activation(StrEnum):
    """The gate of the feed-forward block."""

    GELU_TANH = "gelu_tanh"
    SILU = "silu"


@dataclass(frozen=True)
class Rope:
    """Rotary position embedding of one layer, as the frequencies it rotates by."""

    theta: float  # base of the geometric series of wavelengths
    kind: str = "default"  # "default", "linear" or "llama3"
    factor: float = 1.0  # how much longer than in training positions may get (linear, llama3)
    low_frequency_factor: float = 1.0  # llama3 only
    high_frequency_factor: float = 4.0  # llama3 only
    original_positions: int = 8192  # llama3 only: positions the model was first trained on


@dataclass(frozen=True)
class GatedArchitecture(Architecture):
    """Gemma and Llama: RMS norms, rotary embeddings, a gated feed-forward block."""

    norm_adds_one: bool  # Gemma stores weight - 1
    activation: Activation
    attention_scale: float  # scores are multiplied by it
    attention_softcap: float | None
    logit_softcap: float | None
    query_key_norm: bool  # Gemma 3 normalises queries and keys per head
    sandwich_norms: bool  # Gemma 2 and 3 also normalise what a block adds to the residual
    attention_bias: bool  # q, k, v and o projections have a bias
    feed_forward_bias: bool
    windows: tuple[int | None, ...]  # per layer: tokens a sliding layer sees, itself included
    ropes: tuple[Rope, ...]  # per layer


def read_architecture(config: Mapping[str, Any], source: str) -> Architecture:
    """Describe the decoder in `config`; `source` names the file in errors."""
    reader = _Reader(text_part(config), source)
    family = reader.family()
    if family in (Family.GPT2, Family.GPTJ):
        return read_gpt(reader, family)
    return _read_gated(reader, family)


def _read_gated(reader: _Reader, family: Family) -> GatedArchitecture:
    config = reader.config
    layers = reader.positive_integer("num_hidden_layers")
    heads = reader.positive_integer("num_attention_heads")
    gemma = family is not Family.LLAMA  # whose library classes have defaults of their own
    key_value_heads = reader.positive_integer("num_key_value_heads", None if gemma else heads)
    hidden = reader.positive_integer("hidden_size")
    head_dimension = reader.positive_integer("head_dim", None if gemma else hidden // heads)
    if heads % key_value_heads:
        raise reader.refuse("num_key_value_heads", "does not divide num_attention_heads")
    if head_dimension % 2:
        raise reader.refuse("head_dim", "is odd, and rotary embeddings need pairs")
    if config.get("use_bidirectional_attention"):
        raise reader.refuse("use_bidirectional_attention", "is set, and only causal decoders run")
    capped = family is Family.GEMMA2
    scalar = reader.positive_number("query_pre_attn_scalar", 256.0) if (
        family in (Family.GEMMA2, Family.GEMMA3)
    ) else float(head_dimension)
    kinds = reader.layer_types(family, layers)
    return GatedArchitecture(
        family=family,
        layers=layers,
        hidden=hidden,
        intermediate=reader.positive_integer("intermediate_size"),
        heads=heads,
        key_value_heads=key_value_heads,
        head_dimension=head_dimension,
        vocabulary=reader.positive_integer("vocab_size"),
        positions=reader.positive_integer("max_position_embeddings"),
        norm_epsilon=reader.positive_number("rms_norm_eps", 1e-6),
        norm_adds_one=gemma,
        activation=reader.activation(family),
        embedding_scale=math.sqrt(hidden) if gemma else 1.0,
        attention_scale=scalar**-0.5,
        attention_softcap=reader.softcap("attn_logit_softcapping", 50.0 if capped else None)
        if capped else None,
        logit_softcap=reader.softcap("final_logit_softcapping", 30.0 if capped else None)
        if family in (Family.GEMMA2, Family.GEMMA3) else None,
        query_key_norm=family is Family.GEMMA3,
        sandwich_norms=family in (Family.GEMMA2, Family.GEMMA3),
        attention_bias=bool(config.get("attention_bias", False)),
        feed_forward_bias=bool(config.get("mlp_bias", False)) and family is Family.LLAMA,
        tied=bool(config.get("tie_word_embeddings", gemma)),
        windows=reader.windows(kinds),
        ropes=reader.ropes(family, kinds),
    )


def gated(architecture: Architecture) -> GatedArchitecture:
    """The decoder as the compiled kernels know it."""
    if not isinstance(architecture, GatedArchitecture):
        raise ConfigurationError(f"The fast backend has no kernels for {architecture.family}.",
                                 "Use --backend reference, or leave it to auto.")
    return architecture


def text_part(config: Mapping[str, Any]) -> dict[str, Any]:
    """The text decoder's configuration: that of a Gemma 3 image-and-text checkpoint is nested."""
    text = config.get("text_config")
    if config.get("model_type") != "gemma3" or not isinstance(text, Mapping):
        return dict(config)
    # Released image-and-text configurations leave out what equals these defaults of the library.
    defaults: dict[str, Any] = {
        "vocab_size": 262_208, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
        "max_position_embeddings": 131_072, "rms_norm_eps": 1e-6, "tie_word_embeddings": True,
    }
    return defaults | dict(text) | {"model_type": str(Family.GEMMA3)}


def layer_tensors(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Name (inside a layer) and shape of every tensor one layer has."""
    if isinstance(architecture, GptArchitecture):
        return gpt_layer_tensors(architecture)
    return _gated_layer_tensors(gated(architecture))  # there is no third kind


def _gated_layer_tensors(a: GatedArchitecture) -> dict[str, tuple[int, ...]]:
    query, key_value = a.heads * a.head_dimension, a.key_value_heads * a.head_dimension
    shapes: dict[str, tuple[int, ...]] = {
        "input_layernorm.weight": (a.hidden,),
        "self_attn.q_proj.weight": (query, a.hidden),
        "self_attn.k_proj.weight": (key_value, a.hidden),
        "self_attn.v_proj.weight": (key_value, a.hidden),
        "self_attn.o_proj.weight": (a.hidden, query),
        "post_attention_layernorm.weight": (a.hidden,),
        "mlp.gate_proj.weight": (a.intermediate, a.hidden),
        "mlp.up_proj.weight": (a.intermediate, a.hidden),
        "mlp.down_proj.weight": (a.hidden, a.intermediate),
    }
    if a.query_key_norm:
        shapes["self_attn.q_norm.weight"] = (a.head_dimension,)
        shapes["self_attn.k_norm.weight"] = (a.head_dimension,)
    if a.sandwich_norms:
        shapes["pre_feedforward_layernorm.weight"] = (a.hidden,)
        shapes["post_feedforward_layernorm.weight"] = (a.hidden,)
    biased = (["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"]
              if a.attention_bias else [])
    biased += ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"] if a.feed_forward_bias else []
    for name in biased:
        shapes[f"{name}.bias"] = shapes[f"{name}.weight"][:1]
    return shapes


def model_tensors(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor outside the layers, and of every layer, in order."""
    a, names = architecture, architecture.names
    shapes: dict[str, tuple[int, ...]] = {names.embedding: (a.vocabulary, a.hidden)}
    if names.positions:
        shapes[names.positions] = (a.positions, a.hidden)
    one_layer = layer_tensors(a)
    for index in range(a.layers):
        shapes |= {names.layer(index) + name: shape for name, shape in one_layer.items()}
    shapes |= dict.fromkeys(names.norm_tensors, (a.hidden,))
    if not a.tied:
        shapes[PROJECTION] = (a.vocabulary, a.hidden)
    if names.projection_bias:
        shapes[PROJECTION_BIAS] = (a.vocabulary,)
    return shapes


class _Reader(ConfigReader):
    """What the configurations of Gemma and Llama have beside numbers."""

    def softcap(self, key: str, default: float | None) -> float | None:
        if self.config.get(key, default) is None:
            return None
        return self.positive_number(key, default or 1.0)

    def activation(self, family: Family) -> Activation:
        key = "hidden_act" if family in (Family.GEMMA, Family.LLAMA) else "hidden_activation"
        default = "silu" if family is Family.LLAMA else "gelu_pytorch_tanh"
        name = self.config.get(key) or default
        # Early Gemma 1 files say "gelu" and mean the tanh form: transformers reads them so too.
        if name == "gelu_pytorch_tanh" or (name == "gelu" and family is Family.GEMMA):
            return Activation.GELU_TANH
        if name == "silu":
            return Activation.SILU
        raise self.refuse(key, f"is {name!r}, not gelu_pytorch_tanh or silu")

    def layer_types(self, family: Family, layers: int) -> list[str]:
        """`sliding_attention` or `full_attention` for each layer."""
        if family in (Family.GEMMA, Family.LLAMA):
            return ["full_attention"] * layers
        kinds = self.config.get("layer_types")
        if kinds is None:
            period = 2 if family is Family.GEMMA2 else self.positive_integer(
                "sliding_window_pattern", 6)
            return ["sliding_attention" if (index + 1) % period else "full_attention"
                    for index in range(layers)]
        known = ("sliding_attention", "full_attention")
        if not isinstance(kinds, list) or len(kinds) != layers or any(
            kind not in known for kind in kinds
        ):
            raise self.refuse("layer_types", f"is not a list of {layers} known attention kinds")
        return [str(kind) for kind in kinds]

    def windows(self, kinds: list[str]) -> tuple[int | None, ...]:
        if "sliding_attention" not in kinds:
            return (None,) * len(kinds)
        window = self.positive_integer("sliding_window", 4096)
        return tuple(window if kind == "sliding_attention" else None for kind in kinds)

    def ropes(self, family: Family, kinds: list[str]) -> tuple[Rope, ...]:
        if family is not Family.GEMMA3:
            return (self._rope(self._rope_parameters(), 10_000.0),) * len(kinds)
        by_kind = {
            "full_attention": self._rope(self._rope_parameters("full_attention"), 1_000_000.0),
            "sliding_attention": self._rope(
                self._rope_parameters("sliding_attention"),
                self.positive_number("rope_local_base_freq", 10_000.0)),
        }
        return tuple(by_kind[kind] for kind in kinds)

    def _rope_parameters(self, kind: str | None = None) -> dict[str, Any]:
        """Parameters in the new spelling, from either (`rope_theta` and `rope_scaling` are old)."""
        theta = self.config.get("rope_theta")
        old = {} if theta is None or kind == "sliding_attention" else {"rope_theta": theta}
        parameters = self.config.get("rope_parameters")
        if isinstance(parameters, Mapping):
            nested = parameters.get(kind) if kind else None
            return old | dict(nested if isinstance(nested, Mapping) else
                              {} if kind and "full_attention" in parameters else parameters)
        scaling = self.config.get("rope_scaling")
        if kind != "sliding_attention" and isinstance(scaling, Mapping):
            old |= dict(scaling)
        return old

    def _rope(self, parameters: dict[str, Any], default_theta: float) -> Rope:
        inner = ConfigReader(parameters, f"{self.source}: rotary parameters")
        kind = parameters.get("rope_type", parameters.get("type", "default"))
        theta = inner.positive_number("rope_theta", default_theta)
        if kind == "default":
            return Rope(theta)
        if kind == "linear":
            return Rope(theta, "linear", inner.positive_number("factor", 1.0))
        if kind == "llama3":
            return Rope(
                theta, "llama3", inner.positive_number("factor", 8.0),
                inner.positive_number("low_freq_factor", 1.0),
                inner.positive_number("high_freq_factor", 4.0),
                inner.positive_integer("original_max_position_embeddings", 8192),
            )
        raise inner.refuse("rope_type", f"is {kind!r}, not default, linear or llama3")
