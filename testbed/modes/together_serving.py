"""What the modes' server does for a batch of sequences that are answered in step. No sockets.

One connection holds a slot for each sequence. A step is one forward pass over the rows of all, and
one answer. It serves the modes that split as well: their rows come as rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from edge_server.engine.sampling import Sampler
from edge_server.messages import Sampling
from edge_server.split import LayerRange
from testbed.modes.coding import RowsDecoder
from testbed.modes.errors import BadMessage, Refused
from testbed.modes.pieces import MOST_SEQUENCES, Piece, lasts, owners, pieces_of, positions
from testbed.modes.policies import BY_EDGE, BY_SERVER, Mode, result_of, sampling_of
from testbed.modes.together_ways import chosen
from testbed.modes.wire import Message, number

if TYPE_CHECKING:
    from testbed.modes.serving import Served

CODED_BYTES = 80  # that an encoding may add to a row: its scales, and its part's entry


class Batch:
    """Sequences in step; all modes but `local`, which needs nobody, and `naive`."""

    def __init__(self, served: Served, mode: Mode, hello: Mapping[str, Any]) -> None:
        if mode not in BY_SERVER | BY_EDGE:
            raise Refused(f"{mode} needs no server.", "Leave out --server.")
        self._served, self._mode = served, mode
        count = number(hello, "sequences", 1, MOST_SEQUENCES)
        self._likeliest = number(hello, "likeliest", 0, served.vocabulary)
        layers = self._layers(hello)
        self._all_rows = layers.end < served.checkpoint.architecture.layers
        self._view = served.view(layers)
        hidden, kind = served.checkpoint.architecture.hidden, served.engine.row_type
        self._decoder = RowsDecoder(count, kind, hidden)
        # Ids, a mask and positions in 8 bytes each, or a row in the longest of its forms.
        row = 3 * 8 if mode in BY_SERVER else hidden * 4 + CODED_BYTES
        self.most_bytes = row * served.capacity * count
        self._samplers = [Sampler(Sampling()) for _ in range(count)]
        self._slots = served.take_slots(count)

    def _layers(self, hello: Mapping[str, Any]) -> LayerRange:
        total = self._served.checkpoint.architecture.layers
        if self._mode in BY_SERVER:
            return LayerRange(0, total)
        split = number(hello, "split", 0, total)
        tail = number(hello, "tail", 0, total - split) if self._mode is Mode.PRIVATE else 0
        return LayerRange(split, total - tail)

    def start(self, meta: Mapping[str, Any]) -> None:
        served, count = self._served, len(self._slots)
        kept, first = (_numbers(meta, name, count, served.capacity) for name in ("kept", "first"))
        sampling = sampling_of(meta)
        self._samplers = [Sampler(sampling, one) for one in first]
        self._decoder.begin()
        with served.turn:
            for slot, length in zip(self._slots, kept, strict=True):
                self._view.truncate(slot, min(length, self._view.length(slot)))

    def step(self, message: Message) -> Message:
        served = self._served
        pieces = pieces_of(message.meta, len(self._slots), served.capacity)
        with served.turn:
            began = served.clock()
            rows = (self._decoder.decode(message.meta, pieces, message.tensors)
                    if self._mode in BY_EDGE else served.embedding.rows(_ids(message, pieces)))
            rows = self._view.forward(owners(pieces, self._slots), positions(pieces), rows)
            meta, tensors = self._answer(pieces, rows)
            return result_of(meta | {"computed": served.clock() - began}, *tensors)

    def _answer(self, pieces: Sequence[Piece], rows: torch.Tensor
                ) -> tuple[dict[str, Any], Sequence[torch.Tensor]]:
        output = self._served.output
        if self._mode is Mode.PRIVATE:
            return {}, [rows if self._all_rows else rows[lasts(pieces)]]
        if self._mode in (Mode.HANDLE, Mode.REMOTE_CACHE):
            return {}, [output.logits(rows)]
        rows = rows[lasts(pieces)]
        if self._mode is Mode.SEMANTIC and self._likeliest:
            values, which = output.logits(rows).topk(self._likeliest)
            return {}, [values, which.to(torch.int32)]
        return {"tokens": chosen(output, rows, self._samplers, pieces)}, []

    def close(self) -> None:
        self._served.give_back(self._slots)


def _ids(message: Message, pieces: Sequence[Piece]) -> list[int]:
    """One after the other, or a row of each piece, padded on the left."""
    tensor = message.tensors[0] if message.tensors else torch.empty(0)
    counts = [one.count for one in pieces]
    if tensor.dtype not in (torch.int32, torch.int64):
        raise BadMessage("A step brings token ids.")
    if tuple(tensor.shape) == (sum(counts),):
        return [int(one) for one in tensor.tolist()]
    if tuple(tensor.shape) != (len(pieces), max(counts)):
        raise BadMessage("A step brings the token ids of its pieces.")
    return [int(one) for row, count in zip(tensor.tolist(), counts, strict=True)
            for one in row[len(row) - count :]]


def _numbers(meta: Mapping[str, Any], name: str, count: int, most: int) -> list[int]:
    values = meta.get(name)
    if not isinstance(values, list) or len(values) != count:
        raise BadMessage(f"{name} is no list of {count} numbers.")
    return [number({name: one}, name, 0, most) for one in values]
