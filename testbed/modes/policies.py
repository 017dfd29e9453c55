"""The execution modes: what a step sends, and what is kept where. One policy a mode.

A policy is a head and a link for the product's own generation loop (`ue_app.generate`): the head
turns token ids into what is sent, the link sends it and gives back a token or scores. What the
modes share is therefore the loop itself, and what differs is in here:

| mode | weights | cache | sent for a step |
|---|---|---|---|
| `local` | client | client | nothing |
| `naive` | sent every step | sent both ways | weights, inputs, cache; scores and cache back |
| `remote_cache` | server | server | the step's input tensors; all scores back |
| `handle` | server | server, by id | ids; all scores back |
| `semantic` | server | server, by id | ids up, a token (or k scores) down; prefixes reused |
| `split` | each its layers | each its own | a row up, a token down |
| `split_compressed` | the same | the same | the row in an encoding |
| `private` | head and tail at the client | each its own | a row up, a row down |

It opens no connection; `opening` does.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import torch

from edge_server.frame import Flags
from edge_server.messages import Sampling
from testbed.modes.channel import Channel
from testbed.modes.errors import BadMessage
from testbed.modes.wire import Kind, Message, word
from ue_app.head import Placement
from ue_app.link import LinkState, LinkStatus, Result, Traffic

if TYPE_CHECKING:
    from testbed.modes.whole import Whole


class Mode(StrEnum):
    """Which parts of the work and of its state are where."""

    LOCAL = "local"
    NAIVE = "naive"
    REMOTE_CACHE = "remote_cache"
    HANDLE = "handle"
    SEMANTIC = "semantic"
    SPLIT = "split"
    SPLIT_COMPRESSED = "split_compressed"
    PRIVATE = "private"


BY_SERVER = frozenset({Mode.NAIVE, Mode.REMOTE_CACHE, Mode.HANDLE, Mode.SEMANTIC})
BY_EDGE = frozenset({Mode.SPLIT, Mode.SPLIT_COMPRESSED, Mode.PRIVATE})
REUSES_PREFIX = BY_EDGE | {Mode.LOCAL, Mode.SEMANTIC}  # the others begin anew with each prompt


# The score of a token that was not among the likeliest: finite, also over a small temperature.
UNLIKELY = -1e30


class IdsHead:
    """A head that computes nothing: what is sent is ids."""

    step_flags, chunk_flags = Flags.RESULT_WANTED, Flags.NONE

    def __init__(self, placement: Placement) -> None:
        self.placement = placement

    def rows(self, ids: Sequence[int], position: int) -> torch.Tensor:
        return torch.tensor(ids, dtype=torch.int32)

    def absorb(self, hidden: torch.Tensor, position: int) -> torch.Tensor:
        return hidden

    def logits(self, row: torch.Tensor) -> torch.Tensor:
        return row

    def bytes(self) -> int:
        return 0


@dataclass
class Reported:
    """What the server said of the step that it answered last, by its own clock in seconds."""

    whole: float  # all of it was there, and read
    ready: float  # the answer could be made a message of, and sent
    computed: float  # seconds in the layers and the output matrix


class ServerLink:
    """What the modes of the modes' server share: one connection, one answer at a time."""

    mode: Mode
    scored = True
    logits: torch.Tensor | None = None

    def __init__(self, channel: Channel, vocabulary: int) -> None:
        self.channel, self._vocabulary = channel, vocabulary
        self.status = LinkStatus(LinkState.CONNECTED)
        self.interrupted = threading.Event()
        self.reported: Reported | None = None
        self._counted = Traffic()

    @property
    def traffic(self) -> Traffic:
        self._counted.sent, self._counted.received = self.channel.sent, self.channel.received
        return self._counted

    @traffic.setter
    def traffic(self, value: Traffic | None) -> None:
        raise AttributeError("the channel counts")

    def start(self, sampling: Sampling, kept: int, first: int) -> None:
        self.channel.send(Message(Kind.START, {
            "kept": kept, "first": first, "sampling": sampling.pack().hex()}))

    def send(
        self, position: int, rows: torch.Tensor, flags: Flags, drafts: Sequence[int] = ()
    ) -> None:
        assert not drafts  # these ways are measured without any
        meta, tensors = self._step(position, rows)
        self.channel.send(Message(Kind.STEP, meta | {"position": position}, tensors))

    def receive(self) -> Result:
        message = self.channel.expect(Kind.RESULT)
        self.reported = reported_of(message.meta)
        return self._result(message)

    def cancel(self, kept: int) -> int:
        return kept  # the next START says what stays

    def close(self) -> None:
        self.channel.close()

    def _step(self, position: int, ids: torch.Tensor
              ) -> tuple[dict[str, Any], Sequence[torch.Tensor]]:
        return {}, [ids]

    def _result(self, message: Message) -> Result:
        """The last row's scores, of all that came back."""
        scores = message.tensors[0] if message.tensors else torch.empty(0)
        if scores.ndim != 2 or not len(scores) or scores.shape[1] != self._vocabulary:
            raise BadMessage("The server sent no scores.")
        self.logits = message.tensors[0][-1]
        return self.logits


class HandleLink(ServerLink):
    """Ids up, by a handle on the cache; all scores back, for a client that knows tensors alone."""

    mode = Mode.HANDLE


class RemoteCacheLink(ServerLink):
    """The step's input tensors up, as a model's call takes them; all scores back."""

    mode = Mode.REMOTE_CACHE

    def _step(self, position: int, ids: torch.Tensor
              ) -> tuple[dict[str, Any], Sequence[torch.Tensor]]:
        end = position + len(ids)
        return {}, [ids.to(torch.int64)[None], torch.ones(1, end, dtype=torch.int64),
                    torch.arange(position, end)[None]]


class SemanticLink(ServerLink):
    """Ids up, one token back (or the k likeliest scores): the server knows that it generates."""

    mode = Mode.SEMANTIC

    def __init__(self, channel: Channel, vocabulary: int, likeliest: int = 0) -> None:
        super().__init__(channel, vocabulary)
        self.scored = likeliest > 0

    def _result(self, message: Message) -> Result:
        if not self.scored:
            token = message.meta.get("token")
            if type(token) is not int or not 0 <= token < self._vocabulary:
                raise BadMessage("The server sent no token.")
            return token
        values, ids = _likeliest(message, self._vocabulary)
        scores = torch.full((self._vocabulary,), UNLIKELY)
        scores[ids.long()] = values
        self.logits = scores
        return scores


class NaiveLink(ServerLink):
    """Weights, inputs and cache up at every step; scores and cache back. Nothing is kept there."""

    mode = Mode.NAIVE

    def __init__(self, channel: Channel, vocabulary: int, whole: Whole) -> None:
        super().__init__(channel, vocabulary)
        self._weights = whole.weights()
        self._cache: Sequence[torch.Tensor] = ()

    def start(self, sampling: Sampling, kept: int, first: int) -> None:
        super().start(sampling, 0, first)
        self._cache = ()

    def _step(self, position: int, ids: torch.Tensor
              ) -> tuple[dict[str, Any], Sequence[torch.Tensor]]:
        return {"weights": list(self._weights)}, [
            ids.to(torch.int64), *self._weights.values(), *self._cache]

    def _result(self, message: Message) -> Result:
        self._cache = message.tensors[1:]
        return super()._result(message)


def _likeliest(message: Message, vocabulary: int) -> Sequence[torch.Tensor]:
    """Scores and their ids, float32 and int32."""
    kinds = [(one.dtype, one.ndim) for one in message.tensors]
    if kinds != [(torch.float32, 1), (torch.int32, 1)]:
        raise BadMessage("The server sent no scores.")
    values, ids = message.tensors
    if not len(values) or len(values) != len(ids) or not (
            0 <= int(ids.min()) <= int(ids.max()) < vocabulary):
        raise BadMessage("The server's scores are of no tokens of this model.")
    return values, ids


def times_of(whole: float, ready: float, computed: float) -> list[int]:
    """What a result says of its times: few bytes, since they cross the link that is measured."""
    return [round(one * 1e6) for one in (whole, ready - whole, computed)]


def reported_of(meta: Any) -> Reported:
    """What a result said of its times."""
    values = meta.get("at")
    if not isinstance(values, list) or len(values) != 3 or not all(
            type(one) is int and abs(one) < 2**60 for one in values):
        raise BadMessage("The server did not say when it computed.")
    whole, took, computed = (one / 1e6 for one in values)
    return Reported(whole, whole + took, computed)


def result_of(meta: Mapping[str, Any], *tensors: torch.Tensor) -> Message:
    """A step's answer."""
    return Message(Kind.RESULT, meta, tensors)


def sampling_of(meta: Mapping[str, Any]) -> Sampling:
    """How START says that tokens are chosen."""
    try:
        return Sampling.unpack(bytes.fromhex(word(meta, "sampling")))
    except ValueError as error:
        raise BadMessage("START says no sampling.") from error
