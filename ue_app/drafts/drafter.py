"""What guesses the tokens to come: the interface every drafter has.

A drafter runs on the phone. Its guesses are sent along with the certain token, and the edge takes
as many of them as it would have chosen itself: a bad guess costs a little time and changes nothing.
It does not know links or how guesses are verified; `registry` knows which drafters there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from edge_server.messages import Sampling


class Drafter(Protocol):
    """Guesses what follows."""

    name: str

    def start(self, sampling: Sampling, first: int) -> None:
        """A new answer begins, its first token at position `first`, and is to be chosen so."""

    def read(self, ids: Sequence[int]) -> None:
        """Take in a conversation that is certain so far, while the phone waits anyway."""

    def draft(self, ids: Sequence[int], count: int) -> list[int]:
        """Up to `count` tokens that may follow `ids`, the whole conversation so far."""

    def bytes(self) -> int:
        """Memory held in weights and caches."""
