"""Drafts by a small model that shares the big one's tokenizer, run here by the same engine.

It keeps the rows of what both it and the conversation hold, so a draft that was accepted is not
computed again. It knows no links, and not where its model comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from edge_server.engine.checkpoint import Checkpoint, read_json
from edge_server.engine.load import Engine, EngineOptions, open_engine
from edge_server.engine.stage import warm_up
from edge_server.errors import ConfigurationError, SessionError
from edge_server.messages import Sampling
from edge_server.split import LayerRange
from ue_app.drafts.coupled import Coupled

CHUNK = 128  # rows of a prompt at a time: bounds scratch memory
TOKENIZER_NAME = "tokenizer.json"


class ModelDrafter:
    """A whole model, small enough to run ahead."""

    def __init__(self, engine: Engine, vocabulary: int, name: str = "model") -> None:
        """`vocabulary` is the size of the model's that is drafted for."""
        self.name = name
        self._vocabulary = vocabulary
        architecture = engine.checkpoint.architecture
        self._capacity = engine.options.capacity
        self._embedding, self._output = engine.embedding(), engine.output()
        self._stage = engine.stage(LayerRange(0, architecture.layers))
        self._known = min(vocabulary, architecture.vocabulary)  # ids that mean the same to both
        warm_up(self._stage, self._output, architecture.hidden)
        self._held: list[int] = []  # ids whose rows the stage holds
        self._last: torch.Tensor | None = None  # the row after the last of them
        self._first = 0
        self._coupled = Coupled(Sampling(), 0, vocabulary)

    def start(self, sampling: Sampling, first: int) -> None:
        self._first = first
        self._coupled = Coupled(sampling, first, self._vocabulary)

    def read(self, ids: Sequence[int]) -> None:
        if len(ids) > self._capacity or any(token >= self._known for token in ids):
            self._held, self._last = [], None  # it cannot follow this conversation
            return
        held = _common(self._held, ids)
        if held == len(ids) and (held < len(self._held) or self._last is None):
            held -= 1  # the row that follows the last id is gone: run that one again
        self._held = self._held[:held]
        for start in range(held, len(ids), CHUNK):
            self._run(ids[start : start + CHUNK])

    def draft(self, ids: Sequence[int], count: int) -> list[int]:
        self.read(ids)
        drafts: list[int] = []
        chosen = list(ids[self._first :])
        while self._last is not None and len(drafts) < count:
            logits = self._output.logits(self._last)[0, : self._known]
            try:
                token = self._coupled.choose(logits, chosen)
            except SessionError:
                break  # scores that allow no choice allow no guess either
            drafts.append(token)
            chosen.append(token)
            if len(drafts) == count or len(self._held) >= self._capacity:
                break
            self._run([token])
        return drafts

    def bytes(self) -> int:
        return self._stage.bytes() + self._output.bytes()

    def _run(self, ids: Sequence[int]) -> None:
        start = len(self._held)
        rows = self._stage.forward(
            [0] * len(ids), range(start, start + len(ids)), self._embedding.rows(ids))
        self._held += ids
        self._last = rows[-1:]


def _common(left: Sequence[int], right: Sequence[int]) -> int:
    """How many ids both begin with alike."""
    length = min(len(left), len(right))
    if list(left[:length]) == list(right[:length]):
        return length
    return next(index for index in range(length) if left[index] != right[index])


def open_model_drafter(
    folder: Path, model: Path, checkpoint: Checkpoint, options: EngineOptions
) -> ModelDrafter:
    """The draft model in `folder`, for `checkpoint`, whose tokenizer lies in `model`."""
    draft = Checkpoint.open(folder)
    ours, theirs = folder / TOKENIZER_NAME, model / TOKENIZER_NAME
    if _tokens(ours) != _tokens(theirs):
        raise ConfigurationError(f"The draft model {folder} has another tokenizer than {model}.",
                                 "Give --draft-model one of the same family and vocabulary.")
    return ModelDrafter(open_engine(draft, options), checkpoint.architecture.vocabulary)


def _tokens(file: Path) -> object:
    """What a tokenizer's file says of its tokens."""
    model = read_json(file).get("model")
    return (model.get("vocab"), model.get("merges")) if isinstance(model, dict) else model
