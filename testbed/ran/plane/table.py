"""From an address or a tunnel's number to a bearer: a hash table with open addressing.

Keys are 64 bits, signed: an IPv4 address; the upper half of an IPv6 address, since a session has a
/64 of its own; a tunnel number with marks that no such address has. What is taken out is closed up
at once. Only the loop changes a table that it works with, by orders that it is given.
"""

from __future__ import annotations

import ipaddress

import numpy as np
from numpy.typing import NDArray

from testbed.ran.plane.compiled import compiled

EMPTY = -1
_FACTOR = 0x1E37_79B9_7F4A_7C15
_POSITIVE = 0x7FFF_FFFF_FFFF_FFFF
# No IPv6 address of a session begins so: those are of 2000::/3 and fc00::/7.
TUNNEL_DOWN, TUNNEL_UP = -(1 << 63), -(1 << 63) | (1 << 32)
Keys = NDArray[np.int64]
Values = NDArray[np.int32]


def address_key(address: str) -> int:
    """The key of a session's address, or of the /64 that an IPv6 one is in."""
    parsed = ipaddress.ip_address(address)
    if parsed.version == 4:
        return int(parsed)
    upper = int(parsed) >> 64
    return upper - (1 << 64) if upper >> 63 else upper


@compiled
def place(key: int, mask: int) -> int:
    value = (key * _FACTOR) & _POSITIVE
    return (value >> 24) & mask


@compiled
def find(keys: Keys, values: Values, key: int) -> int:
    """What stands under `key`, or EMPTY."""
    mask = len(keys) - 1
    at = place(key, mask)
    while values[at] != EMPTY:
        if keys[at] == key:
            return int(values[at])
        at = (at + 1) & mask
    return EMPTY


@compiled
def put(keys: Keys, values: Values, key: int, value: int) -> None:
    """Enter or change; the caller sees to it that there is room."""
    mask = len(keys) - 1
    at = place(key, mask)
    while values[at] != EMPTY and keys[at] != key:
        at = (at + 1) & mask
    keys[at] = key
    values[at] = value


@compiled
def take_out(keys: Keys, values: Values, key: int) -> bool:
    """Whether it was there; those that it kept from their places move back."""
    mask = len(keys) - 1
    hole = place(key, mask)
    while values[hole] != EMPTY and keys[hole] != key:
        hole = (hole + 1) & mask
    if values[hole] == EMPTY:
        return False
    at = hole
    while True:
        at = (at + 1) & mask
        if values[at] == EMPTY:
            break
        if (at - place(keys[at], mask)) & mask >= (at - hole) & mask:
            keys[hole] = keys[at]
            values[hole] = values[at]
            hole = at
    values[hole] = EMPTY
    return True
