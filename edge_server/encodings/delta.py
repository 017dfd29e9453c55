"""Each row as its difference to the row before, written in another encoding.

The payload is one byte that says whether the first row is a difference too, one with the number of
the encoding underneath, then that encoding's payload for each row in turn. The difference is taken
to the row as the reader has it, so errors do not add up. Where the reader may not have the row
before, the first row stands by itself.

It depends on what was sent before it, so its rows cannot be sent again in other pieces: whoever
sends keeps the rows as the reader got them, and sends those.
"""

from __future__ import annotations

import torch

from edge_server.encodings.encoding import Encoding, damaged
from edge_server.encodings.registry import by_code, by_name
from edge_server.errors import ConfigurationError

UNDERNEATH = ("int8", "int4", "int8-outliers")  # each row has its own bytes, as many as the others
_HEAD_BYTES = 2
_ALONE, _CHAINED = 0, 1


class Delta:
    """Differences, in a quantised encoding."""

    code, lossy, chained = 5, True, True

    def __init__(self, inner: Encoding) -> None:
        self.inner = inner
        self.parameter = 0 if inner.name == UNDERNEATH[0] else inner.code
        self.name = f"delta:{inner.name}" if self.parameter else "delta"

    def encode(self, rows: torch.Tensor, before: torch.Tensor | None = None) -> bytes:
        parts = [bytes((_ALONE if before is None else _CHAINED, self.inner.code))]
        for index in range(rows.shape[0]):
            row = rows[index : index + 1]
            difference = row if before is None else row.float() - before.float()
            part = self.inner.encode(difference.to(rows.dtype))
            parts.append(part)
            before = self._row(memoryview(part), rows.shape[1], rows.dtype, before)
        return b"".join(parts)

    def decode(
        self, payload: memoryview, rows: int, columns: int, dtype: torch.dtype,
        before: torch.Tensor | None = None,
    ) -> torch.Tensor:
        if len(payload) < _HEAD_BYTES or payload[0] > _CHAINED:
            damaged(self.name, "no rows")
        inner, body = by_code(payload[1]), payload[_HEAD_BYTES:]
        if inner.name not in UNDERNEATH:
            damaged(self.name, f"differences in {inner.name}")
        if payload[0] == _ALONE:
            before = None
        elif before is None:
            damaged(self.name, "a difference to a row that is not here")
        return _summed(inner.decode(body, rows, columns, dtype), before)

    def _row(self, part: memoryview, columns: int, dtype: torch.dtype,
             before: torch.Tensor | None) -> torch.Tensor:
        return _summed(self.inner.decode(part, 1, columns, dtype), before)


def _summed(differences: torch.Tensor, before: torch.Tensor | None) -> torch.Tensor:
    """The rows that follow `before` in these steps; each is rounded before the next is added."""
    for index, row in enumerate(differences):
        if before is not None:
            row.copy_(before.view(-1).float() + row.float())
        before = differences[index]
    return differences


def create(parameter: str = "") -> Delta:
    for inner in map(by_name, UNDERNEATH):
        if parameter in ("", inner.name, str(inner.code)):  # by number where it came off the wire
            return Delta(inner)
    raise ConfigurationError(
        f"delta stands on one of {', '.join(UNDERNEATH)}, not on {parameter!r}.",
        f"Give delta:{UNDERNEATH[0]}.")
