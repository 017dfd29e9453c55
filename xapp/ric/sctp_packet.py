"""Whether bytes can be an SCTP packet (RFC 9260, section 3): lengths that add up, chunks we know.

It stands before the library of `usrsctp_library`, whose 0.9.5 reads a parameter of length 0 again
and again without an end: one packet of anybody would stop the process. Chunks of extensions that we
do not negotiate are refused, too. What is in a chunk is not looked at beyond that.
"""

from __future__ import annotations

HEADER = 12  # bytes: ports, verification tag, checksum
SMALLEST = HEADER + 4  # and a chunk's head
HEAD = 4  # bytes of a chunk's, parameter's or cause's: type (and flags), length
INIT, INIT_ACK, SACK = 1, 2, 3
# Chunks with lists of parameters or causes, and where these begin.
LISTS = {INIT: 20, INIT_ACK: 20, 4: 4, 5: 4, 6: 4, 9: 4}  # heartbeat and its answer; abort, error
# Data, acknowledgements, ends, cookies, congestion; and padding, with which packet sizes are tried.
OTHERS = frozenset({0, 3, 7, 8, 10, 11, 12, 13, 14, 132})


def acknowledges_alone(packet: bytes) -> bool:
    """Whether `packet`, of our own, says which messages came, and nothing else."""
    length = packet[HEADER + 2] << 8 | packet[HEADER + 3]
    return packet[HEADER] == SACK and HEADER + length >= len(packet)


def association_of(packet: bytes) -> bytes:
    """What names the association that a packet is of: ports, and the receiver's tag."""
    return packet[:8]


def is_sound(packet: bytes | bytearray, begin: int, end: int) -> bool:
    """Whether `packet[begin:end]` may be given to the library."""
    at = begin + HEADER
    if end - at < HEAD:
        return False
    while end - at >= HEAD:
        kind, length = packet[at], packet[at + 2] << 8 | packet[at + 3]
        if length < HEAD or at + length > end:
            return False
        if kind not in OTHERS:
            first = LISTS.get(kind)
            if first is None or not _adds_up(packet, at + first, at + length):
                return False
        at += (length + 3) & ~3
    return True


def _adds_up(packet: bytes | bytearray, at: int, end: int) -> bool:
    """Whether a list of parameters or causes ends where its chunk does."""
    while end - at >= HEAD:
        length = packet[at + 2] << 8 | packet[at + 3]
        if length < HEAD or at + length > end:
            return False
        at += (length + 3) & ~3
    return True
