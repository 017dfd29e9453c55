"""What the flow engine keeps: arrays with one slot for each live flow, and what goes out of them.

Memory is that of the live flows alone: slots are used again, and the arrays grow by doubling when
all are in use. It does not know how packets change them (`flow_kernel`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pcap_tools.accumulate import COUNTS, FIRST, SUMS
from pcap_tools.compiled import compiled
from pcap_tools.features import FEATURES
from pcap_tools.lookup import insert
from pcap_tools.octets import borrowed
from pcap_tools.timers import Queue, queue

FLAGS = 8  # of TCP
STAGE, WINDOWS = 0, 3  # accumulators of a flow: since its start, and of each running window
FRAGMENTS = 4096  # packets in fragments whose ports are remembered
OUTPUT = 4096  # closed flows, and samples, that wait in the kernel's own memory

LIVE = np.dtype([
    # First cache line: what finds a flow, as in `packets.PACKET`.
    ("source_0", "<u8"), ("source_1", "<u8"), ("destination_0", "<u8"), ("destination_1", "<u8"),
    ("source_port", "<u2"), ("destination_port", "<u2"),
    ("protocol", "u1"), ("version", "u1"), ("tunnel", "u1"), ("qfi", "u1"),
    ("teid_up", "<u4"), ("teid_down", "<u4"),
    ("last", "<i8"),
    ("vlan", "<u2"), ("quic", "?"), ("state", "u1"), ("stage", "<i2"), ("end", "u1"),
    ("pad", "u1"),
    # Second: both directions together.
    ("first", "<i8"),
    ("flow", "<i8"),
    ("hash", "<i8"),
    ("sampled", "<i8"),  # packets when the last sample of a time was taken
    ("sequence_up", "<u4"), ("sequence_down", "<u4"),  # of each side's SYN
    ("gap_sum", "<f8"), ("gap_square", "<f8"), ("gap_min", "<f8"),
    ("gap_max", "<f8"),  # nanoseconds
], align=True)
SIDE = np.dtype([
    ("packets", "<i8"), ("bytes", "<i8"), ("payload", "<i8"), ("last", "<i8"),
    ("length_square", "<f8"), ("gap_sum", "<f8"), ("gap_square", "<f8"),
    ("gap_min", "<f8"), ("gap_max", "<f8"),
    ("length_min", "<i4"), ("length_max", "<i4"),
    ("flags", "<u4", FLAGS),  # packets with FIN, SYN, RST, PSH, ACK, URG, ECE, CWR
], align=True)
FRAGMENT = np.dtype([
    ("hash", "<i8"), ("time", "<i8"), ("source_port", "<u2"), ("destination_port", "<u2"),
], align=True)
SAMPLED = np.dtype([("kind", "u1"), ("at", "<i8")], align=True)

# Of `State.numbers`.
(CLOCK, NEXT, FREE, SEED, CLOSED, SAMPLES, EVICTED, STATUS) = range(8)
NUMBERS = STATUS + 8


class State(NamedTuple):
    """Everything that the kernel reads and writes."""

    numbers: NDArray[np.int64]
    live: NDArray[Any]  # LIVE by slot
    sides: NDArray[Any]  # SIDE: up and down of each slot in turn
    sums: NDArray[np.float64]  # [slots, accumulators, SUMS]
    counts: NDArray[np.uint32]  # [slots, accumulators, COUNTS]
    firsts: NDArray[np.float32]  # [slots, FIRST]
    free: NDArray[np.int32]  # unused slots, `numbers[FREE]` of them
    table: NDArray[np.int64]  # see `lookup`
    expiry: Queue  # by the time at which a flow will be over if nothing comes
    due: Queue  # by the time at which a flow's next sample is due
    fragments: NDArray[Any]
    closed: NDArray[Any]  # LIVE
    closed_sides: NDArray[Any]
    samples: NDArray[Any]  # SAMPLED
    sample_flows: NDArray[Any]  # LIVE, as it was then
    vectors: NDArray[np.float32]


@compiled
def _lent_queue(queue: Any) -> Any:
    return Queue(borrowed(queue.size), borrowed(queue.key), borrowed(queue.identity),
                 borrowed(queue.slot), borrowed(queue.place))


@compiled
def lent(state: Any) -> Any:
    """The same for compiled functions that are done before the caller goes on."""
    return State(
        borrowed(state.numbers), borrowed(state.live), borrowed(state.sides), borrowed(state.sums),
        borrowed(state.counts), borrowed(state.firsts), borrowed(state.free),
        borrowed(state.table), _lent_queue(state.expiry), _lent_queue(state.due),
        borrowed(state.fragments), borrowed(state.closed), borrowed(state.closed_sides),
        borrowed(state.samples), borrowed(state.sample_flows), borrowed(state.vectors))


def state(slots: int, accumulators: int, seed: int) -> State:
    """An empty one; `accumulators` is 0 where no samples are taken."""
    numbers = np.zeros(NUMBERS, np.int64)
    numbers[FREE], numbers[SEED] = slots, seed
    numbers[CLOCK] = -1
    kept = slots if accumulators else 1
    output = OUTPUT if accumulators else 1
    return State(
        numbers, np.zeros(slots, LIVE), np.zeros(2 * slots, SIDE),
        np.zeros((kept, max(accumulators, 1), SUMS)),
        np.zeros((kept, max(accumulators, 1), COUNTS), np.uint32),
        np.zeros((kept, FIRST), np.float32),
        np.arange(slots - 1, -1, -1, dtype=np.int32),
        np.zeros(_table_size(slots), np.int64),
        queue(slots), queue(slots if accumulators else 1),
        np.zeros(FRAGMENTS, FRAGMENT), np.zeros(OUTPUT, LIVE), np.zeros(2 * OUTPUT, SIDE),
        np.zeros(output, SAMPLED), np.zeros(output, LIVE),
        np.zeros((output, len(FEATURES)), np.float32))


def grown(old: State, slots: int) -> State:
    """The same with more slots."""
    before = len(old.live)
    samples = len(old.due.key) > 1
    numbers = old.numbers.copy()
    numbers[FREE] += slots - before
    table = np.zeros(_table_size(slots), np.int64)
    for slot in old.expiry.slot[:old.expiry.size[0]]:
        insert(table, int(old.live["hash"][slot]), int(slot))
    free = np.concatenate([np.arange(slots - 1, before - 1, -1, dtype=np.int32),
                           old.free[:old.numbers[FREE]]])
    return old._replace(
        numbers=numbers, live=_longer(old.live, slots), sides=_longer(old.sides, 2 * slots),
        sums=_longer(old.sums, slots) if samples else old.sums,
        counts=_longer(old.counts, slots) if samples else old.counts,
        firsts=_longer(old.firsts, slots) if samples else old.firsts,
        free=_longer(free, slots), table=table, expiry=_longer_queue(old.expiry, slots),
        due=_longer_queue(old.due, slots) if samples else old.due)


def _table_size(slots: int) -> int:
    """A power of two that is never more than half full."""
    return 1 << (2 * slots - 1).bit_length()


def _longer(array: NDArray[Any], length: int) -> NDArray[Any]:
    longer = np.zeros((length, *array.shape[1:]), array.dtype)
    longer[:len(array)] = array
    return longer


def _longer_queue(old: Queue, length: int) -> Queue:
    return Queue(old.size, *(_longer(array, length) for array in old[1:]))
