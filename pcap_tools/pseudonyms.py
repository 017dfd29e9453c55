"""Other addresses for addresses: the same one always becomes the same, and networks stay together.

Two addresses that share a prefix of n bits get pseudonyms that share exactly n bits (the idea of
Crypto-PAn, with keyed BLAKE2 as the function): who talks within a network stays visible, and which
network it is does not. Whoever has the key, or can add traffic of known addresses before the
capture is anonymised, can undo it; that is the price of keeping prefixes. Pure: the key comes in.
"""

from __future__ import annotations

import hashlib
import ipaddress

KEY_BYTES = 32
# Leading bits that stay: multicast must stay multicast, and link-local IPv6 link-local.
KEPT_BITS = {4: 4, 6: 10}
MOST_KNOWN = 1 << 20  # addresses remembered; beyond it they are computed anew


class Pseudonyms:
    """A key's mapping of addresses."""

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.blake2b(key, person=b"airsplit-pseudo").digest()
        self._known: dict[bytes, bytes] = {}

    def address(self, packed: bytes) -> bytes:
        """The pseudonym of an IPv4 (4 bytes) or IPv6 address (16)."""
        found = self._known.get(packed)
        if found is None:
            found = self._address(packed)
            if len(self._known) < MOST_KNOWN:
                self._known[packed] = found
        return found

    def station(self, packed: bytes) -> bytes:
        """The pseudonym of a MAC address: group bit kept, marked as locally administered."""
        if packed in (b"\xff" * 6, bytes(6)):
            return packed
        found = self._known.get(b"M" + packed)
        if found is None:
            drawn = bytearray(self._draw(b"M" + packed)[:6])
            drawn[0] = drawn[0] & 0xFC | 2 | packed[0] & 1
            found = bytes(drawn)
            if len(self._known) < MOST_KNOWN:
                self._known[b"M" + packed] = found
        return found

    def _address(self, packed: bytes) -> bytes:
        version = 4 if len(packed) == 4 else 6
        if _says_nothing(packed):
            return packed
        bits = 8 * len(packed)
        number, mask = int.from_bytes(packed), 0
        for position in range(KEPT_BITS[version], bits):
            # One bit for each prefix: whoever shares the prefix shares the bit.
            prefix = number >> (bits - position)
            flip = self._draw(b"%d/%d/%x" % (version, position, prefix))[0] & 1
            mask |= flip << (bits - position - 1)
        return (number ^ mask).to_bytes(len(packed))

    def _draw(self, text: bytes) -> bytes:
        return hashlib.blake2b(text, key=self._key, digest_size=8).digest()


def _says_nothing(packed: bytes) -> bool:
    """Addresses that mean the same everywhere: they stay as they are."""
    address = ipaddress.ip_address(packed)
    if isinstance(address, ipaddress.IPv4Address):
        return (address.is_unspecified or address.is_loopback or address.is_multicast
                or packed == b"\xff" * 4)
    # A multicast address with an interface's last bytes in it (solicited node) says something.
    return address.is_unspecified or address.is_loopback or (
        address.is_multicast and not packed.startswith(bytes.fromhex("ff0200000000000000000001ff")))
