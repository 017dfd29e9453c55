"""What the modes' server does with messages: one conversation's state for each mode. No sockets.

A conversation holds a slot of the engine's caches (`naive` holds nothing) and answers START and
STEP.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.identity import identity_of
from edge_server.engine.load import Engine
from edge_server.engine.sampling import Sampler
from edge_server.engine.stage import Stage, warm_up
from edge_server.messages import Sampling
from edge_server.split import LayerRange
from testbed.modes.errors import BadMessage, Refused
from testbed.modes.pieces import MOST_SEQUENCES
from testbed.modes.policies import BY_SERVER, Mode, result_of, sampling_of
from testbed.modes.wire import MOST_DATA, Message, number, word

if TYPE_CHECKING:
    from testbed.modes.whole import Whole

MOST_VIEWS = 8  # ways of splitting in use: some backends hold weights of each


class Conversation(Protocol):
    """One connection's state."""

    most_bytes: int  # of one message's tensors

    def start(self, meta: Mapping[str, Any]) -> None: ...

    def step(self, message: Message) -> Message: ...

    def close(self) -> None: ...


class Served:
    """One model, loaded once, for all connections."""

    def __init__(self, engine: Engine, folder: Path,
                 clock: Callable[[], float] = time.monotonic) -> None:
        began = clock()
        self.engine, self.folder, self.clock = engine, folder, clock
        self.checkpoint: Checkpoint = engine.checkpoint
        architecture = self.checkpoint.architecture
        self.vocabulary, self.capacity = architecture.vocabulary, engine.options.capacity
        self.embedding = engine.embedding()
        self.stage = engine.stage(LayerRange(0, architecture.layers))
        self._views: dict[LayerRange, Stage] = {self.stage.layers: self.stage}
        self.output = engine.output()
        self.identity = identity_of(self.checkpoint)
        warm_up(self.stage, self.output, architecture.hidden)
        self.turn = threading.Lock()  # of whoever computes
        self._free = list(range(engine.options.slots))
        self._whole: Whole | None = None
        self.load_seconds = clock() - began

    def open(self, hello: Message) -> Conversation:
        """What the client asked for; a refusal where it cannot be."""
        try:
            mode = Mode(word(hello.meta, "mode"))
        except ValueError as error:
            raise Refused("There is no such mode.", "Use the same version on both sides."
                          ) from error
        if word(hello.meta, "identity") != self.identity:
            raise Refused("The client has another model.", "Give both sides the same --model.")
        if mode is Mode.NAIVE:
            return Naive(self)
        if "sequences" in hello.meta:
            from testbed.modes.together_serving import Batch

            return Batch(self, mode, hello.meta)
        if mode not in BY_SERVER:
            raise Refused(f"{mode} is not served here.",
                          "Start `airsplit edge`, and name it with --edge.")
        return ById(self, mode, number(hello.meta, "likeliest", 0, self.vocabulary))

    def take_slots(self, count: int) -> list[int]:
        with self.turn:
            if len(self._free) < count:
                raise Refused("All conversations of this server are taken." if count == 1 else
                              f"{len(self._free)} conversations of this server are free, and "
                              f"{count} were asked for.", "Wait, or start it with more --slots.")
            return [self._free.pop() for _ in range(count)]

    def give_back(self, slots: Sequence[int]) -> None:
        with self.turn:
            for slot in slots:
                for view in self._views.values():
                    view.truncate(slot, 0)
                self._free.append(slot)

    def view(self, layers: LayerRange) -> Stage:
        """Just these layers; a slot is used through one of them at a time."""
        with self.turn:
            if layers not in self._views:
                if len(self._views) >= MOST_VIEWS:
                    raise Refused(f"{MOST_VIEWS} ways of splitting are in use here.",
                                  "Split as others do, or start another server.")
                self._views[layers] = self.stage.narrowed(layers)
            return self._views[layers]

    def whole(self) -> Whole:
        """The decoder that is sent its weights; made when first asked for."""
        from testbed.modes.whole import Whole

        with self.turn:
            if self._whole is None:
                self._whole = Whole(self.folder, self.engine.row_type,
                                    self.engine.options.device)
            return self._whole


class ById:
    """The server keeps weights and cache; `handle`, `remote_cache` and `semantic`."""

    def __init__(self, served: Served, mode: Mode, likeliest: int) -> None:
        self._served, self._mode, self._likeliest = served, mode, likeliest
        # Ids, a mask and positions, as whole numbers of 8 bytes, are the most that a step brings.
        self.most_bytes = 3 * 8 * served.capacity
        (self._slot,) = served.take_slots(1)
        self._sampler = Sampler(Sampling())

    def start(self, meta: Mapping[str, Any]) -> None:
        kept = number(meta, "kept", 0, self._served.capacity)
        self._sampler = Sampler(sampling_of(meta), number(meta, "first", 0, self._served.capacity))
        with self._served.turn:
            stage = self._served.stage
            stage.truncate(self._slot, min(kept, stage.length(self._slot)))

    def step(self, message: Message) -> Message:
        ids = self._ids(message)
        position = number(message.meta, "position", 0, self._served.capacity)
        served = self._served
        with served.turn:
            began = served.clock()
            rows = served.stage.forward(
                [self._slot] * len(ids), range(position, position + len(ids)),
                served.embedding.rows(ids))
            if self._mode is not Mode.SEMANTIC:
                logits = served.output.logits(rows)
                return result_of({"computed": served.clock() - began}, logits)
            scores = served.output.logits(rows[-1:])[0]
            if self._likeliest:
                values, places = scores.topk(min(self._likeliest, len(scores)))
                return result_of({"computed": served.clock() - began}, values,
                               places.to(torch.int32))
            token = self._sampler.choose(scores, position + len(ids))
            return result_of({"computed": served.clock() - began, "token": token})

    def close(self) -> None:
        self._served.give_back([self._slot])

    def _ids(self, message: Message) -> list[int]:
        if not message.tensors or message.tensors[0].dtype not in (torch.int32, torch.int64):
            raise BadMessage("A step brings token ids.")
        ids = message.tensors[0].reshape(-1).tolist()
        if not 0 < len(ids) <= self._served.capacity:
            raise BadMessage(f"{len(ids)} tokens are not 1 to {self._served.capacity}.")
        return [int(one) for one in ids]


class Naive:
    """The server keeps nothing: each step brings weights, inputs and cache of its sequences."""

    most_bytes = MOST_DATA  # the server's own limit holds

    def __init__(self, served: Served) -> None:
        self._served, self._whole = served, served.whole()

    def start(self, meta: Mapping[str, Any]) -> None:
        sampling_of(meta)

    def step(self, message: Message) -> Message:
        served, names = self._served, message.meta.get("weights")
        if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
            raise BadMessage("A step of this mode names its weights.")
        held = number(message.meta, "position", 0, served.capacity)
        if not message.tensors:
            raise BadMessage("A step brings token ids.")
        ids, rest = message.tensors[0], message.tensors[1:]
        if ids.ndim not in (1, 2) or len(rest) < len(names) or ids.dtype != torch.int64 \
                or not 0 < ids.shape[-1] <= served.capacity - held \
                or not 0 < len(ids) <= (MOST_SEQUENCES if ids.ndim == 2 else served.capacity) \
                or not 0 <= int(ids.min()) <= int(ids.max()) < served.vocabulary:
            raise BadMessage("A step brings token ids of the model, and the weights it names.")
        with served.turn:
            began = served.clock()
            self._whole.take(dict(zip(names, rest, strict=False)))
            logits, cache = self._whole.run_many(
                ids.view(-1, ids.shape[-1]), held, rest[len(names):])
            return result_of({"computed": served.clock() - began}, logits.flatten(0, 1), *cache)

    def close(self) -> None:
        """It holds nothing."""
