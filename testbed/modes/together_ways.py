"""The ways of `together`: what a step of several sequences sends in each mode, and who keeps what.

They are those of `policies`, for a batch: one message with all rows or ids, one answer. All but
`local` go to the modes' server, the modes that split too: an edge has a session for each phone, and
puts their rows together by itself. It opens no connection; `together_opening` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from edge_server.engine.load import Engine
from edge_server.engine.sampling import Sampler, choose_many
from edge_server.engine.stage import Output
from edge_server.errors import ConfigurationError, SessionError
from edge_server.messages import Sampling
from edge_server.split import LayerRange
from testbed.modes.channel import Channel
from testbed.modes.coding import RowsCoder
from testbed.modes.errors import BadMessage
from testbed.modes.pieces import Piece, ids, lasts, meta_of, owners, positions
from testbed.modes.policies import UNLIKELY, Mode, Reported, reported_of
from testbed.modes.wire import Kind, Message
from ue_app.link import Traffic

if TYPE_CHECKING:
    from testbed.modes.whole import Whole


class Layers:
    """Some of the model's layers on this side, with a cache for each sequence."""

    def __init__(self, engine: Engine, layers: LayerRange, sequences: int) -> None:
        self._stage, self._slots = engine.stage(layers), list(range(sequences))

    def forward(self, pieces: Sequence[Piece], rows: torch.Tensor) -> torch.Tensor:
        return self._stage.forward(owners(pieces, self._slots), positions(pieces), rows)


class LocalWay:
    """All of it here."""

    reuses_prefix = True
    channel: Channel | None = None
    reported: Reported | None = None
    traffic: Traffic | None = None

    def __init__(self, engine: Engine, sequences: int) -> None:
        self._embedding, self._output = engine.embedding(), engine.output()
        whole = LayerRange(0, engine.checkpoint.architecture.layers)
        self._layers = Layers(engine, whole, sequences)
        self._samplers: list[Sampler] = []

    def start(self, sampling: Sampling, kept: Sequence[int], first: Sequence[int]) -> None:
        self._samplers = [Sampler(sampling, one) for one in first]

    def rows(self, pieces: Sequence[Piece]) -> torch.Tensor:
        return self._embedding.rows(ids(pieces))

    def exchange(self, pieces: Sequence[Piece], rows: torch.Tensor) -> list[int]:
        """With nobody: what a server would do."""
        rows = self._layers.forward(pieces, rows)[lasts(pieces)]
        return chosen(self._output, rows, self._samplers, pieces)

    def tokens(self, pieces: Sequence[Piece], answer: list[int]) -> list[int]:
        return answer

    def close(self) -> None:
        """It holds nothing that its process does not free."""


class ServerWay:
    """What the ways through the modes' server share."""

    reuses_prefix = False

    def __init__(self, vocabulary: int) -> None:
        self.channel: Channel | None = None
        self._vocabulary = vocabulary
        self.reported: Reported | None = None
        self._samplers: list[Sampler] = []

    def connect(self, channel: Channel) -> None:
        """What it loads is loaded; this is where it goes."""
        self.channel = channel

    @property
    def traffic(self) -> Traffic | None:
        return None if self.channel is None else Traffic(self.channel.sent, self.channel.received)

    @property
    def _channel(self) -> Channel:
        assert self.channel is not None  # nothing is asked before it is connected
        return self.channel

    def start(self, sampling: Sampling, kept: Sequence[int], first: Sequence[int]) -> None:
        self._samplers = [Sampler(sampling, one) for one in first]
        self._channel.send(Message(Kind.START, {
            "kept": list(kept), "first": list(first), "sampling": sampling.pack().hex()}))

    def rows(self, pieces: Sequence[Piece]) -> Sequence[torch.Tensor]:
        """The tensors of a step."""
        return [torch.tensor(ids(pieces), dtype=torch.int32)]

    def exchange(self, pieces: Sequence[Piece], rows: Any) -> Message:
        self._channel.send(Message(Kind.STEP, meta_of(pieces) | self._more(), rows))
        message = self._channel.expect(Kind.RESULT)
        self.reported = reported_of(message.meta)
        return message

    def tokens(self, pieces: Sequence[Piece], answer: Message) -> list[int]:
        """Chosen here, by the last of each piece's scores."""
        scores = answer.tensors[0] if answer.tensors else torch.empty(0)
        if tuple(scores.shape) != (sum(one.count for one in pieces), self._vocabulary):
            raise BadMessage("The server sent no scores of these rows.")
        return self._choose(pieces, scores[lasts(pieces)])

    def _choose(self, pieces: Sequence[Piece], scores: torch.Tensor) -> list[int]:
        return [self._samplers[one.sequence].choose(row, one.end)
                for one, row in zip(pieces, scores, strict=True)]

    def _more(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        if self.channel is not None:
            self.channel.close()


class HandleWay(ServerWay):
    """Ids up, all scores back."""


class RemoteCacheWay(ServerWay):
    """Tensors as a model's call takes them: padded on the left where prompts differ in length."""

    def rows(self, pieces: Sequence[Piece]) -> Sequence[torch.Tensor]:
        width, end = max(one.count for one in pieces), max(one.end for one in pieces)
        tokens, where = (torch.zeros(len(pieces), width, dtype=torch.int64) for _ in range(2))
        mask = torch.zeros(len(pieces), end, dtype=torch.int64)
        for place, one in enumerate(pieces):
            tokens[place, width - one.count :] = torch.tensor(one.ids)
            where[place, width - one.count :] = torch.arange(one.position, one.end)
            mask[place, end - one.end :] = 1
        return [tokens, mask, where]


class TokensWay(ServerWay):
    """The server chooses: a token of each sequence comes back."""

    reuses_prefix = True

    def tokens(self, pieces: Sequence[Piece], answer: Message) -> list[int]:
        found = answer.meta.get("tokens")
        if not isinstance(found, list) or len(found) != len(pieces) or not all(
                type(one) is int and 0 <= one < self._vocabulary for one in found):
            raise BadMessage("The server sent no tokens of these sequences.")
        return found


class SemanticWay(TokensWay):
    """Ids up; with `likeliest`, so many scores of each sequence back instead of its token."""

    def __init__(self, vocabulary: int, likeliest: int = 0) -> None:
        super().__init__(vocabulary)
        self._likeliest = likeliest

    def tokens(self, pieces: Sequence[Piece], answer: Message) -> list[int]:
        if not self._likeliest:
            return super().tokens(pieces, answer)
        shape = [(one.dtype, tuple(one.shape)) for one in answer.tensors]
        size = (len(pieces), min(self._likeliest, self._vocabulary))
        if shape != [(torch.float32, size), (torch.int32, size)]:
            raise BadMessage("The server sent no scores of these sequences.")
        values, which = answer.tensors
        if not 0 <= int(which.min()) <= int(which.max()) < self._vocabulary:
            raise BadMessage("The server's scores are of no tokens of this model.")
        scores = torch.full((len(pieces), self._vocabulary), UNLIKELY)
        return self._choose(pieces, scores.scatter_(1, which.long(), values))


class SplitWay(TokensWay):
    """Rows of the first layers up, in an encoding or as they are."""

    def __init__(self, engine: Engine, first: LayerRange, sequences: int, encoding: str) -> None:
        super().__init__(engine.checkpoint.architecture.vocabulary)
        self._embedding, self._first = engine.embedding(), Layers(engine, first, sequences)
        self._coder = RowsCoder(encoding, sequences)
        self._said: dict[str, Any] = {}

    def start(self, sampling: Sampling, kept: Sequence[int], first: Sequence[int]) -> None:
        super().start(sampling, kept, first)
        self._coder.begin()

    def rows(self, pieces: Sequence[Piece]) -> Sequence[torch.Tensor]:
        rows = self._first.forward(pieces, self._embedding.rows(ids(pieces)))
        self._said, tensor = self._coder.encode(pieces, rows)
        return [tensor]

    def _more(self) -> dict[str, Any]:
        return self._said


class PrivateWay(SplitWay):
    """Rows up and rows down: the last layers, and the choice, are here."""

    def __init__(self, engine: Engine, first: LayerRange, last: LayerRange, sequences: int,
                 encoding: str) -> None:
        super().__init__(engine, first, sequences, encoding)
        self._last, self._output = Layers(engine, last, sequences), engine.output()
        self._all = bool(len(last))  # their caches need every row
        self._row = (engine.row_type, engine.checkpoint.architecture.hidden)

    def tokens(self, pieces: Sequence[Piece], answer: Message) -> list[int]:
        (rows, *rest), (kind, hidden) = answer.tensors or [torch.empty(0)], self._row
        count = sum(one.count for one in pieces) if self._all else len(pieces)
        if rest or rows.dtype != kind or tuple(rows.shape) != (count, hidden):
            raise BadMessage("The server sent other rows than were asked for.")
        if self._all:
            rows = self._last.forward(pieces, rows)[lasts(pieces)]
        return chosen(self._output, rows, self._samplers, pieces)


class NaiveWay(ServerWay):
    """Weights, inputs and caches up at every step; scores and caches back."""

    def __init__(self, vocabulary: int, whole: Whole) -> None:
        super().__init__(vocabulary)
        self._weights = whole.weights()
        self._cache: Sequence[torch.Tensor] = ()
        self._whose: list[int] = []  # the sequences in the cache, in order

    def start(self, sampling: Sampling, kept: Sequence[int], first: Sequence[int]) -> None:
        if len(set(first)) > 1:
            raise ConfigurationError(
                f"In {Mode.NAIVE} a batch is one tensor, and these prompts differ in length.",
                "Give prompts of one length.")
        super().start(sampling, kept, first)
        self._cache, self._whose = (), []

    def rows(self, pieces: Sequence[Piece]) -> Sequence[torch.Tensor]:
        mine = [one.sequence for one in pieces]
        if self._whose and mine != self._whose:  # who ended leaves the cache as well
            where = [self._whose.index(one) for one in mine]
            self._cache = [one[where] for one in self._cache]
        self._whose = mine
        tokens = torch.tensor([one.ids for one in pieces])
        return [tokens, *self._weights.values(), *self._cache]

    def _more(self) -> dict[str, Any]:
        return {"weights": list(self._weights)}

    def exchange(self, pieces: Sequence[Piece], rows: Any) -> Message:
        self._channel.send(Message(Kind.STEP, {"position": pieces[0].position} | self._more(),
                                   rows))
        message = self._channel.expect(Kind.RESULT)
        self.reported = reported_of(message.meta)
        self._cache = message.tensors[1:]
        return message


def chosen(output: Output, rows: torch.Tensor, samplers: Sequence[Sampler],
           pieces: Sequence[Piece]) -> list[int]:
    """The token after each piece, one pass of the output matrix for all."""
    found = []
    for one in choose_many(output, rows, [samplers[piece.sequence] for piece in pieces],
                           [piece.end for piece in pieces]):
        if isinstance(one, SessionError):
            raise one
        found.append(one)
    return found
