"""The model families that run, how their checkpoints name tensors, and what every decoder has.

Names inside this package are the library's own, less the prefix of the decoder they stand in: a
tensor is called here as it is called in its file. It knows no files and no torch, and of a
configuration only how to read typed values out of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from edge_server.errors import UnknownArchitecture


class Family(StrEnum):
    """The model families that run, by the `model_type` of their configuration."""

    GEMMA = "gemma"
    GEMMA2 = "gemma2"
    GEMMA3 = "gemma3_text"
    LLAMA = "llama"
    GPT2 = "gpt2"
    GPTJ = "gptj"


@dataclass(frozen=True)
class Names:
    """How a family's checkpoints spell what lies outside a layer's own tensors."""

    prefixes: tuple[str, ...]  # where a decoder may live inside a file; parts use the first
    layers: str  # what precedes a layer's number
    embedding: str
    norm: str  # the final one, as a module
    norm_tensors: tuple[str, ...]
    projection_bias: bool = False  # the output projection has a bias, tied or not
    positions: str | None = None  # learned position embeddings, held by whoever runs layer 0

    def layer(self, index: int) -> str:
        """What the names of one layer's tensors begin with."""
        return f"{self.layers}.{index}."

    def belongs(self, name: str) -> bool:
        """Whether `name`, without a prefix, is one of a decoder's."""
        return name in (self.embedding, self.positions, *self.norm_tensors) or bool(
            re.match(rf"{self.layers}\.\d+\.", name))


PROJECTION, PROJECTION_BIAS = "lm_head.weight", "lm_head.bias"  # beside the decoder, not in it
# Plain, headless, and image-and-text checkpoints.
_GATED = Names(("model.", "", "language_model.model.", "model.language_model."), "layers",
               "embed_tokens.weight", "norm", ("norm.weight",))
_FINAL_NORM = ("ln_f.weight", "ln_f.bias")
# GPT-2 was released without a head, and so without a prefix.
_NAMES: dict[Family, Names] = {
    Family.GPT2: Names(("transformer.", ""), "h", "wte.weight", "ln_f", _FINAL_NORM,
                       positions="wpe.weight"),
    Family.GPTJ: Names(("transformer.", ""), "h", "wte.weight", "ln_f", _FINAL_NORM,
                       projection_bias=True),
}


def names_of(model_type: object) -> Names:
    """The names of a family; those of most families where `model_type` is none that runs."""
    return next((names for family, names in _NAMES.items() if family == model_type), _GATED)


@dataclass(frozen=True)
class Architecture:
    """What every decoder has, apart from its weights; each kind of decoder adds its own."""

    family: Family
    layers: int
    hidden: int
    intermediate: int
    heads: int
    key_value_heads: int
    head_dimension: int
    vocabulary: int
    positions: int  # longest context the model was made for, tokens
    norm_epsilon: float
    embedding_scale: float  # rows are multiplied by it, rounded to the compute type first
    tied: bool  # the output projection is the embedding matrix

    @property
    def names(self) -> Names:
        return names_of(self.family)

    @property
    def longest(self) -> int | None:
        """Tokens beyond which it cannot compute; None where positions have no end."""
        return None


class ConfigReader:
    """Typed access to one configuration, with errors that name the file and the key."""

    def __init__(self, config: Mapping[str, Any], source: str) -> None:
        self.config = config
        self.source = source

    def refuse(self, key: str, why: str) -> UnknownArchitecture:
        return UnknownArchitecture(
            f"{self.source}: {key} {why}.",
            "Use a Gemma 1, 2 or 3 (text), Llama, GPT-2 or GPT-J checkpoint in Hugging Face "
            "format.",
        )

    def family(self) -> Family:
        kind = self.config.get("model_type")
        if kind not in list(Family):
            raise self.refuse("model_type", f"is {kind!r}, which is not among {', '.join(Family)}")
        return Family(kind)

    def positive_integer(self, key: str, default: int | None = None) -> int:
        value = self.config.get(key)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**31:
            raise self.refuse(key, f"is {value!r}, not a positive whole number")
        return value

    def positive_number(self, key: str, default: float) -> float:
        value = self.config.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e30:
            raise self.refuse(key, f"is {value!r}, not a positive number")
        return float(value)
