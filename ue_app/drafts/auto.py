"""Drafts by whatever is at hand: a repetition where there is a clear one, else a model's guess."""

from __future__ import annotations

from collections.abc import Sequence

from edge_server.messages import Sampling
from ue_app.drafts.drafter import Drafter
from ue_app.drafts.lookup import LookupDrafter

CLEAR = 6  # tokens that stood together before: what followed them then is a better guess


class AutoDrafter:
    """Looks up first, and asks `model` where nothing clear is found."""

    name = "auto"

    def __init__(self, model: Drafter) -> None:
        self._lookup, self._model = LookupDrafter(shortest=CLEAR), model

    def start(self, sampling: Sampling, first: int) -> None:
        self._model.start(sampling, first)

    def read(self, ids: Sequence[int]) -> None:
        self._lookup.read(ids)
        self._model.read(ids)

    def draft(self, ids: Sequence[int], count: int) -> list[int]:
        return self._lookup.draft(ids, count) or self._model.draft(ids, count)

    def bytes(self) -> int:
        return self._model.bytes()
