"""A whole decoder that keeps nothing: weights, inputs and cache come in, scores and cache go out.

transformers' own class, since what crosses the network is its cache as it is: keys and values of
each layer. It serves the mode that sends everything at every step; the others run the engine's
stages.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache

from testbed.modes.errors import BadMessage

TIED = "lm_head.weight"


class Whole:
    """A decoder of one folder's configuration, in one type."""

    def __init__(self, folder: Path, dtype: torch.dtype, device: str = "cpu") -> None:
        self._config: Any = AutoConfig.from_pretrained(folder, local_files_only=True)
        self._folder, self._dtype, self._device = folder, dtype, torch.device(device)
        factory: Any = AutoModelForCausalLM
        model = factory.from_config(self._config, dtype=dtype)
        self._model = model.eval().to(self._device)
        self._expected = {name: tuple(one.shape) for name, one in self._own().items()}

    def load(self) -> None:
        """Read the folder's weights: the client's side."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the library's own
            model: Any = AutoModelForCausalLM.from_pretrained(
                self._folder, dtype=self._dtype, local_files_only=True)
        self._model = model.eval().to(self._device)

    def weights(self) -> dict[str, torch.Tensor]:
        """What has to be sent; a matrix that is used twice goes once."""
        return {name: one.detach() for name, one in self._own().items()}

    def take(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Compute with these from here on."""
        shapes = {name: tuple(one.shape) for name, one in weights.items()}
        if shapes != self._expected or any(
                one.dtype != self._dtype for one in weights.values()):
            raise BadMessage("These weights are not of the model that was loaded.",
                             "Give both sides the same --model and --dtype.")
        self._model.load_state_dict({name: one.to(self._device) for name, one in weights.items()},
                                    strict=False, assign=True)
        self._model.tie_weights()

    def run(self, ids: torch.Tensor, held: int, cache: Sequence[torch.Tensor]
            ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Scores of all of `ids` [n], float32, and the cache after them; `held` came before."""
        past = self._cache(held, [one.to(self._device) for one in cache])
        with torch.inference_mode():
            found = self._model(input_ids=ids.to(self._device)[None], past_key_values=past,
                                use_cache=True)
        after = [tensor.cpu() for layer in past.layers for tensor in (layer.keys, layer.values)]
        return found.logits[0].float().cpu(), after

    def _cache(self, held: int, tensors: Sequence[torch.Tensor]) -> Any:
        past: Any = DynamicCache(config=self._config)
        if not held:
            return past
        if len(tensors) != 2 * len(past.layers):
            raise BadMessage(f"A cache of {len(past.layers)} layers has twice as many tensors, "
                             f"not {len(tensors)}.")
        for layer, keys, values in zip(past.layers, tensors[::2], tensors[1::2], strict=True):
            _check(keys, values, held, self._dtype)
            layer.lazy_initialization(keys, values)
            layer.keys, layer.values = keys, values
            if layer.is_sliding:
                layer.cumulative_length = held
        return past

    def _own(self) -> dict[str, torch.Tensor]:
        found = self._model.state_dict()
        if self._config.tie_word_embeddings:
            found.pop(TIED, None)
        return dict(found)


def _check(keys: torch.Tensor, values: torch.Tensor, held: int, dtype: torch.dtype) -> None:
    if keys.ndim != 4 or keys.shape != values.shape or keys.shape[0] != 1 \
            or not 0 < keys.shape[2] <= held or {keys.dtype, values.dtype} != {dtype}:
        raise BadMessage("A layer's keys and values are not of this conversation.")
