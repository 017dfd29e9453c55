"""What every encoding of activation rows offers.

An encoding turns rows into bytes and back. All but `delta` are of each row by itself: however rows
are put into frames, every row comes out the same, so rows may be sent again in other pieces. It
does not know frames, sessions or what the rows mean.
"""

from __future__ import annotations

from typing import NoReturn, Protocol

import torch

from edge_server.errors import ConfigurationError, FrameError


class Encoding(Protocol):
    """One way of writing rows [rows, columns] as bytes.

    `before` is the row ahead of the first, as the reader has it, or None; only an encoding with
    `chained` looks at it. Readers take bytes from anybody: what is no payload is a `FrameError`,
    and nothing larger than the rows announced is allocated.
    """

    code: int  # on the wire
    name: str  # by which `registry.by_name` finds it again
    parameter: int  # that `registry.by_code` makes the same from; 0 is the default
    lossy: bool
    chained: bool  # rows depend on the row before

    def encode(self, rows: torch.Tensor, before: torch.Tensor | None = None) -> bytes:
        """Raises `FrameError` for rows it cannot write, as those that hold no numbers."""

    def decode(
        self, payload: memoryview, rows: int, columns: int, dtype: torch.dtype,
        before: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The rows, in memory of their own."""


def plain(parameter: str, name: str) -> None:
    """Refuse a parameter for an encoding that has none."""
    if parameter:
        raise ConfigurationError(f"The encoding {name} takes no parameter {parameter!r}.",
                                 f"Leave it out: {name}.")


def check_length(payload: memoryview, expected: int, name: str) -> None:
    """Refuse a payload that has another length than its rows need."""
    if len(payload) != expected:
        raise FrameError(f"Rows in {name} take {expected:,} B, and {len(payload):,} came.")


def damaged(name: str, what: str) -> NoReturn:
    """Refuse a payload whose bytes say what no writer says."""
    raise FrameError(f"Rows in {name} hold {what}.", "Send them again.")
