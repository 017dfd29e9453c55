"""What several sequences bring to one step, and how a message says so. Pure.

A piece is one sequence's new tokens, one after the other from a position on: a prompt's, or the one
that was chosen last. Pieces of one step may differ in length, so nothing is padded but where an
interface of plain tensors needs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from testbed.modes.errors import BadMessage

MOST_SEQUENCES = 256  # in one step: beyond it a step only gets longer, not more efficient


@dataclass(frozen=True)
class Piece:
    """New tokens of one sequence."""

    sequence: int
    position: int  # of the first
    count: int
    ids: tuple[int, ...] = ()  # the server of a mode that sends rows does not learn them

    @property
    def end(self) -> int:
        """The position after it: of the token that follows."""
        return self.position + self.count


def piece_of(sequence: int, position: int, ids: Sequence[int]) -> Piece:
    return Piece(sequence, position, len(ids), tuple(ids))


def meta_of(pieces: Sequence[Piece]) -> dict[str, Any]:
    """What a STEP says of its pieces; their ids or rows are tensors."""
    return {"at": [[one.sequence, one.position, one.count] for one in pieces]}


def pieces_of(meta: Mapping[str, Any], sequences: int, capacity: int) -> list[Piece]:
    """What a STEP said, checked: each sequence once, and none longer than its place."""
    listed = meta.get("at")
    if not isinstance(listed, list) or not 0 < len(listed) <= sequences:
        raise BadMessage(f"A step is of 1 to {sequences} sequences.")
    found = []
    for one in listed:
        if not isinstance(one, list) or len(one) != 3 or not all(type(it) is int for it in one):
            raise BadMessage("A step lists sequence, position and count of each piece.")
        sequence, position, count = one
        if not (0 <= sequence < sequences and 0 <= position < capacity
                and 0 < count <= capacity - position):
            raise BadMessage(f"A piece of sequence {sequence} is outside of {sequences} sequences "
                             f"of {capacity} tokens.")
        found.append(Piece(sequence, position, count))
    if len({one.sequence for one in found}) < len(found):
        raise BadMessage("A step has one piece of each sequence.")
    return found


def lasts(pieces: Sequence[Piece]) -> list[int]:
    """Which row is the last of each piece."""
    return [end - 1 for end in accumulate(one.count for one in pieces)]


def positions(pieces: Sequence[Piece]) -> list[int]:
    """Of each row."""
    return [position for one in pieces for position in range(one.position, one.end)]


def ids(pieces: Sequence[Piece]) -> list[int]:
    """Of each row."""
    return [token for one in pieces for token in one.ids]


def owners(pieces: Sequence[Piece], slots: Sequence[int]) -> list[int]:
    """The slot of each row."""
    return [slots[one.sequence] for one in pieces for _ in range(one.count)]
