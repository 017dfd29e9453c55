"""The `reference` backend: transformers' own model class, built from a sliced configuration.

A range of layers is a smaller model of the same family: the configuration is cut to those layers,
the class is built without weights and filled from the checkpoint, and called with `inputs_embeds`
and a cache. Rotary embeddings, masks and sliding windows therefore stay the library's own; this is
what every faster backend is compared with. Final norm and output projection are the same family's
model with no layers at all.
It is simple rather than fast: slots run one after another, and a slot that is rolled back is
computed again from the rows it was given.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, DynamicCache, PreTrainedConfig

from edge_server.engine.architecture import text_part
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.stage import check_rows
from edge_server.engine.tensors import read_tensor
from edge_server.split import LayerRange


class ReferenceStage:
    """Layers `[start, end)`, run by transformers."""

    def __init__(
        self, checkpoint: Checkpoint, layers: LayerRange, dtype: torch.dtype, slots: int,
        capacity: int,
    ) -> None:
        self.layers, self.dtype, self.slots, self.capacity = layers, dtype, slots, capacity
        self._checkpoint = checkpoint
        self._hidden = checkpoint.architecture.hidden
        self._config = sliced_configuration(checkpoint, layers)
        self._model = _build(AutoModel, self._config, dtype)
        weights = {
            f"layers.{index - layers.start}.{name}": read_tensor(
                checkpoint, f"layers.{index}.{name}", dtype)
            for index in range(layers.start, layers.end) for name in _layer_names(checkpoint)
        }
        self._weight_bytes = sum(weight.nbytes for weight in weights.values())
        # The embedding stays on meta and the final norm is the output head's: neither is used here.
        self._model.load_state_dict(weights, strict=False, assign=True)
        self._model.norm = torch.nn.Identity()
        self._model.rotary_emb = type(self._model.rotary_emb)(self._config)
        self._caches: list[DynamicCache | None] = [None] * slots
        self._history: list[list[torch.Tensor]] = [[] for _ in range(slots)]

    def forward(
        self, slots: Sequence[int], positions: Sequence[int], rows: torch.Tensor
    ) -> torch.Tensor:
        check_rows(self, slots, positions, rows, self._hidden)
        result = torch.empty_like(rows)
        for slot in dict.fromkeys(slots):
            where = [index for index, owner in enumerate(slots) if owner == slot]
            self.truncate(slot, positions[where[0]])
            result[where] = self._extend(slot, rows[where])
        return result

    def _extend(self, slot: int, rows: torch.Tensor) -> torch.Tensor:
        self._history[slot].extend(rows.clone())
        if not len(self.layers):
            return rows
        cache = self._caches[slot]
        if cache is None:
            cache = self._caches[slot] = DynamicCache(config=self._config)
        with torch.inference_mode():
            output = self._model(inputs_embeds=rows[None], past_key_values=cache, use_cache=True)
        hidden: torch.Tensor = output.last_hidden_state
        return hidden[0]

    def length(self, slot: int) -> int:
        return len(self._history[slot])

    def truncate(self, slot: int, length: int) -> None:
        if length >= self.length(slot):
            return
        kept = self._history[slot][:length]
        self._caches[slot], self._history[slot] = None, []
        if kept:
            self._extend(slot, torch.stack(kept))

    def narrowed(self, layers: LayerRange) -> ReferenceStage:
        return ReferenceStage(self._checkpoint, layers, self.dtype, self.slots, self.capacity)

    def bytes(self) -> int:
        cached = sum(tensor.nbytes for cache in self._caches if cache is not None
                     for layer in cache.layers for tensor in vars(layer).values()
                     if isinstance(tensor, torch.Tensor))
        return self._weight_bytes + cached


class ReferenceOutput:
    """Final norm and output projection, run by transformers."""

    def __init__(self, checkpoint: Checkpoint, dtype: torch.dtype) -> None:
        config = sliced_configuration(checkpoint, LayerRange(0, 0))
        self._model = _build(AutoModelForCausalLM, config, dtype)
        projection = "embed_tokens.weight" if checkpoint.architecture.tied else "lm_head.weight"
        weights = {
            "model.norm.weight": read_tensor(checkpoint, "norm.weight", dtype),
            "lm_head.weight": read_tensor(checkpoint, projection, dtype),
        }
        self._weight_bytes = sum(weight.nbytes for weight in weights.values())
        self._model.load_state_dict(weights, strict=False, assign=True)
        self._model.model.rotary_emb = type(self._model.model.rotary_emb)(config)

    def logits(self, rows: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            # Row by row, as generation asks for them: a batch could round differently.
            parts = [self._model(inputs_embeds=row[None, None], use_cache=False).logits[0]
                     for row in rows]
        return torch.cat(parts).float()

    def likeliest(
        self, rows: torch.Tensor, wanted: Sequence[int]
    ) -> tuple[list[int | None], torch.Tensor]:
        logits = self.logits(rows)
        finite = logits.isfinite().all(dim=-1).tolist()
        tokens = logits.argmax(dim=-1).tolist()
        return [token if good else None for token, good in zip(tokens, finite, strict=True)
                ], logits[list(wanted)]

    def bytes(self) -> int:
        return self._weight_bytes


def sliced_configuration(checkpoint: Checkpoint, layers: LayerRange) -> PreTrainedConfig:
    """The library's configuration of a model that has just these layers."""
    document = text_part(checkpoint.config)
    kind = document.pop("model_type")
    whole: Any = AutoConfig.for_model(kind, **copy.deepcopy(document))
    kinds = getattr(whole, "layer_types", None)
    whole.num_hidden_layers = len(layers)
    if kinds is not None:
        whole.layer_types = kinds[layers.start : layers.end]
    config: PreTrainedConfig = whole
    return config


def _layer_names(checkpoint: Checkpoint) -> list[str]:
    prefix = "layers.0."
    return [name[len(prefix):] for name in checkpoint.expected if name.startswith(prefix)]


def _build(factory: Any, config: PreTrainedConfig, dtype: torch.dtype) -> Any:
    with torch.device("meta"):
        model = factory.from_config(config, dtype=dtype)
    return model.eval()
