"""IP and GTP-U headers in the packets' memory: looked at, put before a packet, taken off it.

Compiled, one packet a call; no byte outside the given ones is read, whatever they say. GTP-U after
3GPP TS 29.281 (5.1, 5.2), with the PDU session container of TS 38.415 (5.5.2) that bears the QFI.
It knows no bearers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pcap_tools.octets import byte, long, short
from testbed.ran.plane.compiled import compiled

Bytes = NDArray[np.uint8]
MALFORMED = -1  # no key of an address is: 255.255.255.255's is above 0, ffff:.. is multicast
GTP_U_PORT = 2152
GTP_BYTES = 16  # header, its four optional bytes, and the container
ECHO_REQUEST, ECHO_RESPONSE, ERROR_INDICATION, END_MARKER, G_PDU = 1, 2, 26, 254, 255
_SESSION_CONTAINER = 0x85
_MOST_EXTENSIONS = 8  # of one packet: more are made up
DOWN, UP = 0, 1  # also the PDU types of a container


@compiled
def address_of(data: Bytes, at: int, size: int, destination: bool) -> int:
    """The key of a packet's source or destination, or MALFORMED where it is no whole packet."""
    if size < 20:
        return MALFORMED
    version = byte(data, at) >> 4
    if version == 4:
        header = (byte(data, at) & 15) * 4
        total = short(data, at + 2)
        if header < 20 or total < header or total > size:
            return MALFORMED
        return long(data, at + (16 if destination else 12))
    if version != 6 or size < 40 or short(data, at + 4) + 40 > size:
        return MALFORMED
    place = at + (24 if destination else 8)
    upper = long(data, place)
    if upper >> 31:
        upper -= 1 << 32  # keys are signed
    return (upper << 32) | long(data, place + 4)


@compiled
def encapsulate(data: Bytes, at: int, size: int, tunnel: int, qfi: int, direction: int) -> int:
    """Write a GTP-U header before the packet at `at`; where it begins."""
    at -= GTP_BYTES
    length = size + GTP_BYTES - 8
    data[at] = 0x34  # version 1, GTP, extension header
    data[at + 1] = G_PDU
    data[at + 2] = length >> 8
    data[at + 3] = length & 255
    for place in range(4):
        data[at + 4 + place] = (tunnel >> (24 - 8 * place)) & 255
    data[at + 8] = 0
    data[at + 9] = 0
    data[at + 10] = 0
    data[at + 11] = _SESSION_CONTAINER
    data[at + 12] = 1  # of four bytes
    data[at + 13] = direction << 4
    data[at + 14] = qfi & 63
    data[at + 15] = 0
    return at


@compiled
def decapsulate(data: Bytes, at: int, size: int) -> tuple[int, int, int, int]:
    """Message type, tunnel, and the user packet's begin and size; the type MALFORMED if it lies.

    The begin and size of what is no user packet say nothing.
    """
    if size < 8 or byte(data, at) >> 4 != 3 or short(data, at + 2) + 8 > size:
        return MALFORMED, 0, at, 0
    kind, tunnel, options = byte(data, at + 1), long(data, at + 4), byte(data, at) & 7
    end = at + 8 + short(data, at + 2)
    at += 8
    if options:
        if at + 4 > end:
            return MALFORMED, tunnel, at, 0
        following = byte(data, at + 3) if options & 4 else 0
        at += 4
        for _ in range(_MOST_EXTENSIONS):
            if following == 0:
                break
            if at + 4 > end:
                return MALFORMED, tunnel, at, 0
            length = byte(data, at) * 4
            if length == 0 or at + length > end:
                return MALFORMED, tunnel, at, 0
            at += length
            following = byte(data, at - 1)
        if following != 0:
            return MALFORMED, tunnel, at, 0
    return kind, tunnel, at, end - at


@compiled
def answer_echo(data: Bytes, at: int) -> int:
    """Make the echo request at `at` its response (7.2.2); the bytes of it."""
    sequence = short(data, at + 8) if byte(data, at) & 2 else 0
    data[at] = 0x32  # with a sequence number
    data[at + 1] = ECHO_RESPONSE
    data[at + 2] = 0
    data[at + 3] = 6
    for place in range(4, 14):
        data[at + place] = 0
    data[at + 8] = sequence >> 8
    data[at + 9] = sequence & 255
    data[at + 12] = 14  # recovery, always 0
    return 14
