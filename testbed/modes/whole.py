"""A whole decoder that keeps nothing: weights, inputs and cache come in, scores and cache go out.

transformers' own class, since what crosses the network is its cache as it is: keys and values of
each layer. It serves the mode that sends everything at every step; the others run the engine's
stages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache
from transformers.utils import logging as library_logging

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
        # [heads, channels] of each layer's keys and values, which no two families name alike.
        self._parts = [(one.shape[1], one.shape[3])
                       for one in self.run(torch.zeros(1, dtype=torch.int64), 0, [])[1]]

    def load(self) -> None:
        """Read the folder's weights: the client's side."""
        bars: Any = library_logging  # which says nothing of types
        shown = bars.is_progress_bar_enabled()
        bars.disable_progress_bar()  # a line for each load, in the middle of a run's own
        try:
            model: Any = AutoModelForCausalLM.from_pretrained(
                self._folder, dtype=self._dtype, local_files_only=True)
        finally:
            if shown:
                bars.enable_progress_bar()
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
        scores, after = self.run_many(ids[None], held, cache)
        return scores[0], after

    def run_many(self, ids: torch.Tensor, held: int, cache: Sequence[torch.Tensor]
                 ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """The same of several sequences [sequences, n], of which all hold as much."""
        past = self._cache(len(ids), held, [one.to(self._device) for one in cache])
        with torch.inference_mode():
            found = self._model(input_ids=ids.to(self._device), past_key_values=past,
                                use_cache=True)
        after = [tensor.cpu() for layer in past.layers for tensor in (layer.keys, layer.values)]
        return found.logits.float().cpu(), after

    def _cache(self, sequences: int, held: int, tensors: Sequence[torch.Tensor]) -> Any:
        past: Any = DynamicCache(config=self._config)
        if not held:
            return past
        if len(tensors) != 2 * len(past.layers):
            raise BadMessage(f"A cache of {len(past.layers)} layers has twice as many tensors, "
                             f"not {len(tensors)}.")
        for place, layer in enumerate(past.layers):
            # A layer with a window holds all but one of the tokens that it sees.
            length = min(held, layer.sliding_window - 1) if layer.is_sliding else held
            for one, (heads, channels) in zip(tensors[2 * place : 2 * place + 2],
                                              self._parts[2 * place : 2 * place + 2], strict=True):
                _check(one, (sequences, heads, length, channels), self._dtype)
            keys, values = tensors[2 * place : 2 * place + 2]
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


def _check(tensor: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    if tuple(tensor.shape) != shape or tensor.dtype != dtype:
        raise BadMessage("A layer's keys and values are not of this conversation.")
