"""From a packet to its flow's slot: a hash table with open addressing, in one array.

An entry holds the hash's upper bits and the slot, so that a flow's own memory is touched only when
it is nearly sure to be the one. What is taken out is closed up at once, without tombstones. The
hash is seeded: nobody can choose packets that all land in one place. It does not know what flows
count.
"""

from __future__ import annotations

from typing import Any

from pcap_tools.compiled import UNCOMPILED, compiled
from pcap_tools.packets import Tunnel

# Unsigned and 64 bits wide in compiled code because they are too large for signed ones.
ALL = 0xFFFF_FFFF_FFFF_FFFF
FACTOR_1 = 0xFF51_AFD7_ED55_8CCD
FACTOR_2 = 0xC4CE_B9FE_1A85_EC53
FACTOR_3 = 0x9E37_79B9_7F4A_7C15
TAG = 31  # bits of an entry below its tag: the slot and one
GTP_U = int(Tunnel.GTP_U)

if UNCOMPILED:
    def unsigned(value: Any) -> int:
        return int(value)

    def signed(value: int) -> int:
        return value >> 1
else:
    import numpy as np

    @compiled
    def unsigned(value: Any) -> int:
        return np.uint64(value)  # type: ignore[return-value]

    @compiled
    def signed(value: int) -> int:
        """The upper 63 bits, as a number that is not negative."""
        return np.int64(value >> np.uint64(1))  # type: ignore[return-value]


@compiled
def mix(state: int, value: int) -> int:
    """One step of a hash over words of 64 bits."""
    state = ((state ^ value) * FACTOR_1) & ALL
    return ((state ^ (state >> unsigned(32))) * FACTOR_2) & ALL


@compiled
def flow_hash(seed: int, packet: Any, source_port: int, destination_port: int) -> int:
    """The same number for both directions, 63 bits wide."""
    there = mix(mix((unsigned(packet["source_0"]) + unsigned(source_port) * FACTOR_3) & ALL, seed),
                unsigned(packet["source_1"]))
    back = mix(mix((unsigned(packet["destination_0"])
                    + unsigned(destination_port) * FACTOR_3) & ALL, seed),
               unsigned(packet["destination_1"]))
    kind = unsigned(packet["protocol"]) + unsigned(packet["tunnel"]) * unsigned(256)
    value = mix((there + back) & ALL, kind)
    return signed(value ^ (value >> unsigned(29)))


@compiled
def side_of(flow: Any, packet: Any, source_port: int, destination_port: int) -> int:
    """0 if the packet goes up in this flow, 1 if down, -1 if it is not this flow's, TEIDs aside."""
    if flow["protocol"] != packet["protocol"] or flow["tunnel"] != packet["tunnel"]:
        return -1
    if flow["version"] != packet["version"]:
        return -1
    if (flow["source_0"] == packet["source_0"] and flow["source_1"] == packet["source_1"]
            and flow["destination_0"] == packet["destination_0"]
            and flow["destination_1"] == packet["destination_1"]
            and flow["source_port"] == source_port
            and flow["destination_port"] == destination_port):
        return 0
    if (flow["source_0"] == packet["destination_0"] and flow["source_1"] == packet["destination_1"]
            and flow["destination_0"] == packet["source_0"]
            and flow["destination_1"] == packet["source_1"]
            and flow["source_port"] == destination_port
            and flow["destination_port"] == source_port):
        return 1
    return -1


@compiled
def find(index: Any, live: Any, key: int, packet: Any, source_port: int, destination_port: int,
         ) -> tuple[int, int]:
    """Slot and side of the packet's flow; slot -1 if there is none.

    In GTP-U a flow must have the packet's TEID in this direction. One that has had no packet in it
    yet will do; of several such the last to begin.
    """
    mask = len(index) - 1
    at = key & mask
    tag = key >> TAG
    tunnelled = packet["tunnel"] == GTP_U
    best, best_side = -1, -1
    while index[at] != 0:
        if index[at] >> TAG == tag:
            slot = (index[at] & ((1 << TAG) - 1)) - 1
            side = side_of(live[slot], packet, source_port, destination_port)
            if side >= 0:
                if not tunnelled:
                    return slot, side
                teid = live[slot]["teid_up"] if side == 0 else live[slot]["teid_down"]
                if teid == packet["teid"]:
                    return slot, side
                if teid == 0 and (best < 0 or live[slot]["flow"] > live[best]["flow"]):
                    best, best_side = slot, side
        at = (at + 1) & mask
    return best, best_side


@compiled
def insert(index: Any, key: int, slot: int) -> None:
    mask = len(index) - 1
    at = key & mask
    while index[at] != 0:
        at = (at + 1) & mask
    index[at] = (key >> TAG << TAG) | (slot + 1)


@compiled
def delete(index: Any, live: Any, slot: int) -> None:
    """Take a slot out, and move back those that it kept from their place."""
    mask = len(index) - 1
    at = live[slot]["hash"] & mask
    while (index[at] & ((1 << TAG) - 1)) - 1 != slot:
        at = (at + 1) & mask
    hole = at
    while True:
        at = (at + 1) & mask
        if index[at] == 0:
            break
        home = live[(index[at] & ((1 << TAG) - 1)) - 1]["hash"] & mask
        if (at - home) & mask >= (at - hole) & mask:
            index[hole] = index[at]
            hole = at
    index[hole] = 0
