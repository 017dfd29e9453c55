"""A transformers model cut in two by hand, as an experiment's script would: for the peers.

The head is the embedding and the first layers, the tail the rest and the output matrix; each has a
cache of its own. No engine of ours is in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


def load(folder: Path) -> Any:
    """The whole model, bf16."""
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    return model.eval()


class Head:
    """Embedding and first layers."""

    def __init__(self, folder: Path, split: int) -> None:
        self._model = load(folder).model
        self._embed = self._model.embed_tokens
        self._layers, self._cache = _cut(self._model, 0, split), None

    def start(self) -> None:
        self._cache = None

    def rows(self, ids: list[int]) -> Any:
        with torch.inference_mode():
            hidden = self._embed(torch.tensor([ids]))
            found = self._layers(inputs_embeds=hidden, past_key_values=self._cache, use_cache=True)
        self._cache = found.past_key_values
        return found.last_hidden_state


class Tail:
    """The other layers, and scores."""

    def __init__(self, folder: Path, split: int) -> None:
        whole = load(folder)
        self._output, self._norm = whole.lm_head, whole.model.norm
        self._layers, self._cache = _cut(whole.model, split, None), None

    def step(self, hidden: Any, position: int) -> Any:
        """Scores of what follows; position 0 begins anew."""
        with torch.inference_mode():
            if position == 0:
                self._cache = None
            found = self._layers(inputs_embeds=hidden, past_key_values=self._cache, use_cache=True)
            self._cache = found.past_key_values
            return self._output(self._norm(found.last_hidden_state[:, -1:]))[0, -1].float()


class RemoteTail(torch.nn.Module):
    """The same as a module, that torch's `RemoteModule` makes at the server by these arguments."""

    def __init__(self, folder: str, split: int) -> None:
        super().__init__()
        self._tail = Tail(Path(folder), split)

    def forward(self, hidden: Any, position: int) -> Any:
        return self._tail.step(hidden, position)


class Whole:
    """All of it, with or without a cache."""

    def __init__(self, folder: Path) -> None:
        self._model, self._cache = load(folder), None

    def stateless(self, ids: Any) -> Any:
        """Scores of every position: nothing is kept, so all ids come each time."""
        with torch.inference_mode():
            return self._model(input_ids=ids, use_cache=False).logits

    def stateful(self, ids: Any, position: int) -> Any:
        with torch.inference_mode():
            if position == 0:
                self._cache = None
            found = self._model(input_ids=ids, past_key_values=self._cache, use_cache=True)
            self._cache = found.past_key_values
            return found.logits


def _cut(model: Any, start: int, end: int | None) -> Any:
    """A model of some layers, without its last norm: a smaller one of the same class."""
    import copy

    config = copy.deepcopy(model.config)
    layers = list(model.layers)[start:end]
    config.num_hidden_layers = len(layers)
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[start:end]
    part = type(model)(config).to(torch.bfloat16).eval()
    part.layers = torch.nn.ModuleList(layers)
    for place, layer in enumerate(part.layers):
        layer.self_attn.layer_idx = place
        if hasattr(layer, "layer_idx"):
            layer.layer_idx = place
    part.norm = torch.nn.Identity()
    part.embed_tokens = torch.nn.Identity()
    return part
