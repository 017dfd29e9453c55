"""Flows that leave their session's own bearer: a table of 5-tuples, looked at as packets come in.

    words = flow_words(FlowEnds("10.45.0.2", 40000, "10.45.0.1", 8470))     # for Order.RULE

One entry is of both directions, the UE's side first. A fragment has no ports but in its first part,
so that all parts of a packet stay where their session is, as does what is neither TCP nor UDP, and
IPv6 with headers between. No packet is moved: what waits in a queue when its flow is put elsewhere
is delivered from there, and may be overtaken by what comes after. With an empty table nothing of
this is looked at. Only the loop changes it, by orders.
"""

from __future__ import annotations

import ipaddress

import numpy as np
from numpy.typing import NDArray

from pcap_tools.octets import byte, long, short
from testbed.ran.plane.compiled import compiled, inner
from testbed.ran.plane.headers import DOWN
from testbed.ran.plane.memory import MOST_RULES, RULE_TABLE, RULE_WORDS, Mark, Plane
from testbed.ran.plane.table import EMPTY
from xapp.flow_ends import PROTOCOLS, FlowEnds

TCP, UDP = 6, 17
FRAGMENT = 0x3FFF  # more fragments follow, or this is not the first
IPV4 = -1  # upper half of an IPv4 address; of an IPv6 one it would be multicast
RULES = int(Mark.RULES)
_FACTOR = 0x1E37_79B9_7F4A_7C15
_POSITIVE = 0x7FFF_FFFF_FFFF_FFFF
_MASK = RULE_TABLE - 1
_WORD = (1 << 64) - 1


def flow_words(flow: FlowEnds) -> tuple[int, int, int, int, int]:
    """A flow's key."""
    ports = PROTOCOLS[flow.protocol] << 32 | flow.ue_port << 16 | flow.peer_port
    return (*_halves(flow.ue), *_halves(flow.peer), ports)


def _halves(address: str) -> tuple[int, int]:
    parsed = ipaddress.ip_address(address)
    if parsed.version == 4:
        return IPV4, int(parsed)
    return _signed(int(parsed) >> 64), _signed(int(parsed) & _WORD)


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


@compiled
def _place(ue: int, own: int, peer: int, other: int, ports: int) -> int:
    value = (int(ue) * _FACTOR) & _POSITIVE
    value = ((value ^ int(own)) * _FACTOR) & _POSITIVE
    value = (((value >> 23) ^ int(peer)) * _FACTOR) & _POSITIVE
    value = ((value ^ int(other)) * _FACTOR) & _POSITIVE
    value = (((value >> 23) ^ int(ports)) * _FACTOR) & _POSITIVE
    return (value >> 24) & _MASK


@compiled
def _is(row: NDArray[np.int64], ue: int, own: int, peer: int, other: int, ports: int) -> bool:
    return bool(row[4] == ports and row[1] == own and row[3] == other and row[0] == ue
                and row[2] == peer)


@compiled
def find_rule(plane: Plane, ue: int, own: int, peer: int, other: int, ports: int) -> int:
    """The bearer of a flow, or EMPTY."""
    at = _place(ue, own, peer, other, ports)
    while plane.rule_values[at] != EMPTY:
        if _is(plane.rule_keys[at], ue, own, peer, other, ports):
            return int(plane.rule_values[at])
        at = (at + 1) & _MASK
    return EMPTY


@compiled
def put_rule(plane: Plane, ue: int, own: int, peer: int, other: int, ports: int,
             bearer: int) -> bool:
    """Enter a flow or change its bearer; False where the table is full."""
    at = _place(ue, own, peer, other, ports)
    while plane.rule_values[at] != EMPTY:
        if _is(plane.rule_keys[at], ue, own, peer, other, ports):
            plane.rule_values[at] = bearer
            return True
        at = (at + 1) & _MASK
    if plane.marks[RULES] >= MOST_RULES:
        return False
    row = plane.rule_keys[at]
    row[0], row[1], row[2], row[3], row[4] = ue, own, peer, other, ports
    plane.rule_values[at] = bearer
    plane.marks[RULES] += 1
    return True


@compiled
def take_rule_out(plane: Plane, ue: int, own: int, peer: int, other: int, ports: int) -> bool:
    """Whether it was there; those that it kept from their places move back."""
    hole = _place(ue, own, peer, other, ports)
    while plane.rule_values[hole] != EMPTY and not _is(
            plane.rule_keys[hole], ue, own, peer, other, ports):
        hole = (hole + 1) & _MASK
    if plane.rule_values[hole] == EMPTY:
        return False
    at = hole
    while True:
        at = (at + 1) & _MASK
        if plane.rule_values[at] == EMPTY:
            break
        row = plane.rule_keys[at]
        if (at - _place(row[0], row[1], row[2], row[3], row[4])) & _MASK >= (at - hole) & _MASK:
            for word in range(RULE_WORDS):
                plane.rule_keys[hole, word] = row[word]
            plane.rule_values[hole] = plane.rule_values[at]
            hole = at
    plane.rule_values[hole] = EMPTY
    plane.marks[RULES] -= 1
    return True


@inner
def rule_of(plane: Plane, at: int, direction: int) -> int:
    """The bearer that a packet's flow was put into, or EMPTY; `address_of` has passed it as whole.
    """
    data = plane.pool
    if byte(data, at) >> 4 == 4:
        head = (byte(data, at) & 15) * 4
        protocol, body = byte(data, at + 9), short(data, at + 2) - head
        if short(data, at + 6) & FRAGMENT:
            return EMPTY
        upper, first, above, second = IPV4, long(data, at + 12), IPV4, long(data, at + 16)
    else:
        head, protocol, body = 40, byte(data, at + 6), short(data, at + 4)
        upper, first = _word(data, at + 8), _word(data, at + 16)
        above, second = _word(data, at + 24), _word(data, at + 32)
    if body < 4 or (protocol != TCP and protocol != UDP):
        return EMPTY
    source, destination = short(data, at + head), short(data, at + head + 2)
    if direction == DOWN:
        return find_rule(plane, above, second, upper, first,
                         protocol << 32 | destination << 16 | source)
    return find_rule(plane, upper, first, above, second,
                     protocol << 32 | source << 16 | destination)


@inner
def _word(data: NDArray[np.uint8], at: int) -> int:
    """64 bits, signed."""
    upper = long(data, at)
    if upper >> 31:
        upper -= 1 << 32
    return (upper << 32) | long(data, at + 4)
