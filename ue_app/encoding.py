"""How the phone writes the rows it sends: always in one encoding, or as the link asks for.

It remembers what an encoding whose rows depend on those before needs. It knows no sockets; what was
sent already is sent again as the `ledger` says, whatever is chosen since.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from edge_server.encodings.encoding import Encoding
from edge_server.encodings.registry import RAW, by_name
from edge_server.encodings.wire import LOSSLESS, Chain, Packed, pack
from edge_server.engine.checkpoint import Checkpoint
from edge_server.errors import ConfigurationError
from ue_app.encoding_choice import Candidate, Choice, Progress
from ue_app.encoding_table import find

AUTO = "auto"
TIMED_ROWS = 20  # that are written and read to see what an encoding takes here


class RowEncoder:
    """Writes rows, each for the first time."""

    def __init__(self, name: str = RAW, choice: Choice | None = None) -> None:
        """With a `choice` it says how rows are written, and `name` says nothing."""
        self._name, self._choice = name, choice
        self._chain = Chain()
        self._rows = 0  # on their way
        self._since = Progress(0, 0.0)  # when the first of them went

    @property
    def name(self) -> str:
        """The encoding of rows that would be sent now."""
        return self._name if self._choice is None else self._choice.name

    @property
    def adaptive(self) -> bool:
        """Whether it wants to know how exchanges go."""
        return self._choice is not None

    def begin(self) -> None:
        """An answer begins: its first row stands by itself."""
        self._chain.keep(-1, None)
        self._rows = 0

    def encode(self, position: int, rows: torch.Tensor) -> Packed:
        """`rows` that go to `position`, after those that were encoded before.

        They are the same whether a link broke meanwhile or not.
        """
        encoding = by_name(self.name)
        packed = pack(rows, encoding, self._chain.before(position))
        arrived = packed.rows if encoding.chained and packed.coded else None
        self._chain.keep(position + rows.shape[0], arrived)
        return packed

    def builds_on(self, position: int) -> bool:
        """Whether the row at `position` would need the one before it at the edge."""
        return self._chain.before(position) is not None

    def sending(self, rows: int, progress: Progress) -> None:
        """So many rows are about to go."""
        if not self._rows:
            self._since = progress
        self._rows += rows

    def answered(self, progress: Progress) -> None:
        """Their result came."""
        rows, self._rows = self._rows, 0
        if self._choice is not None and rows:  # a new connection counts from 0, and says nothing
            self._choice.exchange(rows, progress.sent - self._since.sent,
                                  progress.seconds - self._since.seconds)


def on_the_way_back(name: str) -> Encoding:
    """The encoding in which rows come back in private mode, beside `name` on the way there.

    Rows that come back may be asked for again, so each has to stand by itself; and nothing is lost
    of them where the encoding is chosen by quality, which was measured for one way.
    """
    if name == AUTO:
        return by_name(LOSSLESS)
    encoding = by_name(name)
    return by_name("int8") if encoding.chained else encoding


def check(name: str, budget: float | None) -> None:
    """Raise `ConfigurationError` unless the two options go together."""
    if name != AUTO:
        by_name(name)
    if (name == AUTO) != (budget is not None):
        raise ConfigurationError(
            "--encoding auto and --max-ppl-increase need each other.",
            "Give both, such as --encoding auto --max-ppl-increase 1, or name an encoding.")


def encoder_for(
    name: str, budget: float | None, checkpoint: Checkpoint, folders: Sequence[Path], split: int,
    row_type: torch.dtype, clock: Callable[[], float],
) -> RowEncoder:
    """What writes the rows of a phone whose first `split` layers run here."""
    check(name, budget)
    if budget is None:
        return RowEncoder(name)
    return RowEncoder(choice=choice_for(budget, checkpoint, folders, split, row_type, clock))


def choice_for(
    budget: float, checkpoint: Checkpoint, folders: Sequence[Path], split: int,
    row_type: torch.dtype, clock: Callable[[], float],
) -> Choice:
    """Among `raw` and what costs at most `budget` percent of perplexity by the model's table."""
    columns = checkpoint.architecture.hidden
    sample = torch.randn(1, columns, generator=torch.Generator().manual_seed(0)).to(row_type)
    raw = Candidate(RAW, columns * row_type.itemsize, 0.0, 0.0)
    costs = {LOSSLESS: 0.0}
    for other, figures in find(checkpoint, folders).at(split).items():
        if by_name(other).lossy and figures.at_worst <= budget:
            costs[other] = max(figures.at_worst, 0.0)
    candidates = [_timed(other, increase, sample, clock) for other, increase in costs.items()]
    return Choice([raw, *candidates], budget)


def _timed(name: str, increase: float, row: torch.Tensor, clock: Callable[[], float]) -> Candidate:
    """An encoding with what it takes on this machine; the edge's is assumed no slower."""
    encoding, columns = by_name(name), row.shape[1]
    payload = encoding.encode(row)
    began = clock()
    for _ in range(TIMED_ROWS):
        encoding.decode(memoryview(encoding.encode(row)), 1, columns, row.dtype)
    return Candidate(name, 1 + len(payload), (clock() - began) / TIMED_ROWS, increase)
