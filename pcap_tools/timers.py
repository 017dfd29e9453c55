"""A queue of slots by time, in arrays: the earliest is at hand, and any can be moved or taken out.

A binary heap over (key, identity), so that equal times have an order of their own; `place` tells
where each slot stands. Keys may be left too early on purpose: whoever looks at the first one
corrects it, which costs nothing while packets come. It does not know what the times mean.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pcap_tools.compiled import compiled


class Queue(NamedTuple):
    """`size[0]` entries are in use."""

    size: NDArray[np.int64]
    key: NDArray[np.int64]
    identity: NDArray[np.int64]
    slot: NDArray[np.int32]
    place: NDArray[np.int32]  # by slot


def queue(capacity: int) -> Queue:
    """An empty one."""
    return Queue(np.zeros(1, np.int64), np.zeros(capacity, np.int64), np.zeros(capacity, np.int64),
                 np.zeros(capacity, np.int32), np.zeros(capacity, np.int32))


@compiled
def _put(queue: Any, at: int, key: int, identity: int, slot: int) -> None:
    queue.key[at] = key
    queue.identity[at] = identity
    queue.slot[at] = slot
    queue.place[slot] = at


@compiled
def _before(queue: Any, at: int, key: int, identity: int) -> bool:
    """Whether the entry at `at` comes before this one."""
    other = queue.key[at]
    return bool(other < key or (other == key and queue.identity[at] < identity))


@compiled
def _rise(queue: Any, at: int, key: int, identity: int, slot: int) -> None:
    """Put an entry at `at` or nearer to the front."""
    while at > 0:
        parent = (at - 1) >> 1
        if not _before(queue, parent, key, identity):
            _put(queue, at, queue.key[parent], queue.identity[parent], queue.slot[parent])
            at = parent
        else:
            break
    _put(queue, at, key, identity, slot)


@compiled
def _sink(queue: Any, at: int, key: int, identity: int, slot: int) -> None:
    """Put an entry at `at` or further from the front."""
    size = queue.size[0]
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and _before(queue, child + 1, queue.key[child], queue.identity[child]):
            child += 1
        if not _before(queue, child, key, identity):
            break
        _put(queue, at, queue.key[child], queue.identity[child], queue.slot[child])
        at = child
    _put(queue, at, key, identity, slot)


@compiled
def push(queue: Any, key: int, identity: int, slot: int) -> None:
    """Put a slot in that is not in yet."""
    at = queue.size[0]
    queue.size[0] = at + 1
    _rise(queue, at, key, identity, slot)


@compiled
def move(queue: Any, slot: int, key: int) -> None:
    """Give a slot another key."""
    at = queue.place[slot]
    identity = queue.identity[at]
    if key < queue.key[at]:
        _rise(queue, at, key, identity, slot)
    else:
        _sink(queue, at, key, identity, slot)


@compiled
def remove(queue: Any, slot: int) -> None:
    """Take a slot out."""
    at = queue.place[slot]
    last = queue.size[0] - 1
    queue.size[0] = last
    if at == last:
        return
    key, identity, moved = queue.key[last], queue.identity[last], queue.slot[last]
    if at > 0 and not _before(queue, (at - 1) >> 1, key, identity):
        _rise(queue, at, key, identity, moved)
    else:
        _sink(queue, at, key, identity, moved)
