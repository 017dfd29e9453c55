"""How the kernel lays captured frames out in a TPACKET_V3 ring, and the way out of it.

`take_block` copies the frames of one block into a buffer of their own, tight behind each other,
with the VLAN tags that the kernel keeps beside them put back. The copy costs three hundredths of a
core at 600 Mbit/s (`bench_live`), and what was delivered stays true after the block has gone back
to the kernel. It knows no sockets.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcap_tools.compiled import compiled

# linux/if_packet.h; all numbers in the machine's own byte order.
REQUEST = struct.Struct("=7I")  # struct tpacket_req3
STATISTICS = struct.Struct("=3I")  # struct tpacket_stats_v3: packets, drops, freezes
BLOCK_STATUS, BLOCK_FRAMES, BLOCK_FIRST = 8, 12, 16  # bytes from a block's begin
BLOCK_LENGTH = 20  # bytes of the block that are in use
OF_KERNEL, OF_USER = 0, 1  # whose a block is
NEXT, SECONDS, NANOSECONDS, CAPTURED, LENGTH, STATUS = 0, 1, 2, 3, 4, 5  # words of a frame's header
MAC, NET = 12, 13  # its halves
VLAN_TCI, VLAN_TYPE = 8, 18  # a word and a half of it
STATUS_VLAN, STATUS_VLAN_TYPE = 1 << 4, 1 << 6
ADDRESS = 48  # bytes from a frame's header to its struct sockaddr_ll
HEADER_BYTES = 68  # both of them
COOKED_BYTES = 20  # of a Linux SLL2 header
TAG_BYTES, TAG_PLACE = 4, 12
MOST_ADDED = 20  # bytes that a frame can gain over its place in the ring
SMALLEST_PLACE = 80  # bytes in the ring of the smallest frame: aligned headers, one byte


@dataclass(frozen=True)
class RingShape:
    """The ring's memory: `blocks` times `block_bytes`, locked by the kernel."""

    block_bytes: int = 1 << 20  # a multiple of the page; a frame has to fit into one
    blocks: int = 64  # what the reader may be behind with before frames are lost
    retire_ms: int = 10  # milliseconds after which a block is handed out that is not full

    @property
    def total(self) -> int:
        """Bytes of the whole ring."""
        return self.block_bytes * self.blocks

    def request(self, frame_bytes: int = 2048) -> bytes:
        """What PACKET_RX_RING is asked for; a frame's size says nothing in this version."""
        return REQUEST.pack(self.block_bytes, self.blocks, frame_bytes,
                            self.total // frame_bytes, self.retire_ms, 0, 0)


@compiled
def take_block(
    ring: NDArray[np.uint8], begin: int, size: int, cooked: bool, tagged: bool,
    data: NDArray[np.uint8], start: NDArray[np.int64], captured: NDArray[np.int32],
    length: NDArray[np.int32], time: NDArray[np.int64],
) -> tuple[int, int]:
    """Copy the frames of the block at `begin` out; returns how many frames and bytes there were.

    `cooked` frames begin with their IP header and get an SLL2 header; `tagged` frames are Ethernet
    and get their VLAN tag back. Frames that would not lie within the block are not delivered.
    """
    words, halves = ring.view(np.uint32), ring.view(np.uint16)
    end = begin + size
    frames = int(words[(begin + BLOCK_FRAMES) >> 2])
    at = begin + int(words[(begin + BLOCK_FIRST) >> 2])
    count, filled = 0, 0
    while count < frames and count < len(start) and at + HEADER_BYTES <= end:
        word = at >> 2
        kept = int(words[word + CAPTURED])
        source = at + int(halves[(at >> 1) + (NET if cooked else MAC)])
        if source + kept > end or filled + kept + MOST_ADDED > len(data):
            break
        start[count] = filled
        added = 0
        tag = tagged and kept >= TAG_PLACE and (words[word + STATUS] & STATUS_VLAN) != 0
        if cooked:
            added = COOKED_BYTES
            _cook(ring, words, halves, at + ADDRESS, data, filled)
            data[filled + added:filled + added + kept] = ring[source:source + kept]
        elif tag:
            added = TAG_BYTES
            _tag(words, halves, at, data, filled + TAG_PLACE)
            data[filled:filled + TAG_PLACE] = ring[source:source + TAG_PLACE]
            data[filled + TAG_PLACE + added:filled + added + kept] = (
                ring[source + TAG_PLACE:source + kept])
        else:
            data[filled:filled + kept] = ring[source:source + kept]
        captured[count] = kept + added
        length[count] = int(words[word + LENGTH]) + added
        time[count] = int(words[word + SECONDS]) * 1_000_000_000 + int(words[word + NANOSECONDS])
        filled += kept + added
        count += 1
        following = int(words[word + NEXT])
        if following == 0:
            break
        at += following
    return count, filled


@compiled
def _cook(
    ring: NDArray[np.uint8], words: NDArray[np.uint32], halves: NDArray[np.uint16], address: int,
    data: NDArray[np.uint8], at: int,
) -> None:
    """Linux SLL2 of a struct sockaddr_ll: protocol, 2 unused bytes, interface, device, kind,
    address."""
    interface, device = int(words[(address + 4) >> 2]), int(halves[(address + 8) >> 1])
    data[at:at + 2] = ring[address + 2:address + 4]  # in network order already
    data[at + 2] = 0
    data[at + 3] = 0
    for place in range(4):
        data[at + 4 + place] = (interface >> (24 - 8 * place)) & 255
    data[at + 8] = device >> 8
    data[at + 9] = device & 255
    data[at + 10:at + 20] = ring[address + 10:address + 20]


@compiled
def _tag(
    words: NDArray[np.uint32], halves: NDArray[np.uint16], at: int, data: NDArray[np.uint8],
    place: int,
) -> None:
    """The VLAN tag of the frame at `at`, at `place` of the copy."""
    kind = 0x8100
    if words[(at >> 2) + STATUS] & STATUS_VLAN_TYPE:
        kind = int(halves[(at >> 1) + VLAN_TYPE])
    control = int(words[(at >> 2) + VLAN_TCI])
    data[place] = kind >> 8
    data[place + 1] = kind & 255
    data[place + 2] = (control >> 8) & 255
    data[place + 3] = control & 255


def frames_fit(block_bytes: int) -> int:
    """How many frames a block can hold at most."""
    return block_bytes // SMALLEST_PLACE + 1
