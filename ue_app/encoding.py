"""How the phone writes the rows it sends: always in one encoding, or as somebody chooses.

It remembers what an encoding whose rows depend on those before needs. It knows no sockets; what was
sent already is sent again as the `ledger` says, whatever is chosen since.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from edge_server.encodings.registry import RAW, by_name
from edge_server.encodings.wire import Chain, Packed, pack

if TYPE_CHECKING:
    from edge_server.encodings.encoding import Encoding


class RowEncoder:
    """Writes rows, each for the first time."""

    def __init__(self, name: str = RAW, choose: Callable[[], str] | None = None) -> None:
        """`choose` is asked for the encoding of the rows to come; `name` is it otherwise."""
        self._name, self._choose = name, choose
        self._chain = Chain()

    @property
    def name(self) -> str:
        """The encoding of rows that would be sent now."""
        return self._name if self._choose is None else self._choose()

    def encode(self, epoch: int, position: int, rows: torch.Tensor) -> Packed:
        """`rows` that go to `position` in `epoch`, after those that were encoded before."""
        encoding = by_name(self.name)
        packed = pack(rows, encoding, self._chain.before(epoch, position))
        last = packed.rows[-1:] if encoding.chained and packed.coded else None
        self._chain.keep(epoch, position + rows.shape[0], last)
        return packed


def on_the_way_back(name: str) -> Encoding:
    """The encoding in which rows come back in private mode, beside `name` on the way there.

    Rows that come back may be asked for again, so each has to stand by itself.
    """
    encoding = by_name(name)
    return by_name("int8") if encoding.chained else encoding
