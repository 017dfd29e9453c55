"""The `reference` backend: transformers' own model class, built from a sliced configuration.

A range of layers is a smaller model of the same family: the configuration is cut to those layers,
the class is built without weights and filled from the checkpoint, and called with `inputs_embeds`
and a cache. Rotary embeddings, masks and sliding windows therefore stay the library's own; this is
what every faster backend is compared with. Final norm and output projection are the same family's
model with no layers at all. What a class does besides its layers is taken out where it is another
side's: the final norm, and GPT-2's position embeddings unless layer 0 is here.
It is simple rather than fast: slots run one after another, and a slot that is rolled back is
computed again from the rows it was given. Layers and caches are on the device that it is told, as
torch names it; rows come from the processor's memory and go back there.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, DynamicCache, PreTrainedConfig
from transformers.models.gptj.modeling_gptj import create_sinusoidal_positions

from edge_server.engine.architecture import layer_tensors, text_part
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.device import CPU
from edge_server.engine.family import PROJECTION, PROJECTION_BIAS, Architecture
from edge_server.engine.gpt import Gpt2Architecture, GptJArchitecture
from edge_server.engine.stage import check_rows
from edge_server.engine.tensors import read_tensor
from edge_server.split import LayerRange


class ReferenceStage:
    """Layers `[start, end)`, run by transformers."""

    def __init__(
        self, checkpoint: Checkpoint, layers: LayerRange, dtype: torch.dtype, slots: int,
        capacity: int, device: str = CPU,
    ) -> None:
        self._device = torch.device(device)
        self.layers, self.dtype, self.slots, self.capacity = layers, dtype, slots, capacity
        self._checkpoint = checkpoint
        self._hidden = checkpoint.architecture.hidden
        self._config = sliced_configuration(checkpoint, layers)
        self._model = _build(AutoModel, self._config, dtype)
        names = checkpoint.names
        weights = {
            names.layer(index - layers.start) + name: read_tensor(
                checkpoint, names.layer(index) + name, dtype).to(self._device)
            for index in range(layers.start, layers.end)
            for name in layer_tensors(checkpoint.architecture)
        }
        if names.positions and 0 in layers:
            weights[names.positions] = read_tensor(
                checkpoint, names.positions, dtype).to(self._device)
        self._weight_bytes = sum(weight.nbytes for weight in weights.values())
        # The embedding stays on meta and the final norm is the output head's: neither is used here.
        self._model.load_state_dict(weights, strict=False, assign=True)
        setattr(self._model, names.norm, torch.nn.Identity())
        _complete(self._model, checkpoint.architecture, layers, dtype, self._device)
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
            output = self._model(inputs_embeds=rows[None].to(self._device), past_key_values=cache,
                                 use_cache=True)
        hidden: torch.Tensor = output.last_hidden_state
        return hidden[0].to(rows.device)

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
        return ReferenceStage(self._checkpoint, layers, self.dtype, self.slots, self.capacity,
                              str(self._device))

    def bytes(self) -> int:
        cached = sum(tensor.nbytes for cache in self._caches if cache is not None
                     for layer in cache.layers for tensor in vars(layer).values()
                     if isinstance(tensor, torch.Tensor))
        return self._weight_bytes + cached


class ReferenceOutput:
    """Final norm and output projection, run by transformers."""

    def __init__(self, checkpoint: Checkpoint, dtype: torch.dtype, device: str = CPU) -> None:
        self._device = torch.device(device)
        config = sliced_configuration(checkpoint, LayerRange(0, 0))
        self._model = _build(AutoModelForCausalLM, config, dtype)
        names = checkpoint.names
        weights = {names.prefixes[0] + name: read_tensor(checkpoint, name, dtype)
                   for name in names.norm_tensors}
        weights[PROJECTION] = read_tensor(checkpoint, checkpoint.projection, dtype)
        if names.projection_bias:
            weights[PROJECTION_BIAS] = read_tensor(checkpoint, PROJECTION_BIAS, dtype)
        weights = {name: weight.to(self._device) for name, weight in weights.items()}
        self._weight_bytes = sum(weight.nbytes for weight in weights.values())
        self._model.load_state_dict(weights, strict=False, assign=True)
        _complete(self._model.base_model, checkpoint.architecture, LayerRange(0, 0), dtype,
                  self._device)

    def logits(self, rows: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            # Row by row, as generation asks for them: a batch could round differently.
            parts = [self._model(inputs_embeds=row[None, None], use_cache=False).logits[0]
                     for row in rows.to(self._device)]
        return torch.cat(parts).float().to(rows.device)

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


class _NoPositions(torch.nn.Module):
    """In the place of learned position embeddings: they were added before layer 0, elsewhere."""

    def __init__(self, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__()
        self._nothing = torch.zeros((), dtype=dtype, device=device)

    def forward(self, positions: torch.Tensor) -> torch.Tensor:
        return self._nothing


def _complete(
    model: Any, architecture: Architecture, layers: LayerRange, dtype: torch.dtype,
    device: torch.device,
) -> None:
    """Give a decoder what no checkpoint stores, and what a layer's own number decides."""
    if isinstance(architecture, Gpt2Architecture):
        if 0 not in layers:
            model.wpe = _NoPositions(dtype, device)
        for index, block in enumerate(model.h, layers.start):
            block.attn.scaling = architecture.attention_scale(index)
    elif isinstance(architecture, GptJArchitecture):
        # As the library does when it loads: in fp32 whatever the type, and the same in each layer.
        table = create_sinusoidal_positions(
            architecture.positions, architecture.rotary_dimension).to(device)
        for block in model.h:
            block.attn.embed_positions = table
    else:
        model.rotary_emb = type(model.rotary_emb)(model.config).to(device)


def _build(factory: Any, config: PreTrainedConfig, dtype: torch.dtype) -> Any:
    with torch.device("meta"):
        model = factory.from_config(config, dtype=dtype)
    return model.eval()
