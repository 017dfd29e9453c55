"""What one packet changes in its flow, and whether it is the flow's at all; compiled.

Sizes, gaps, flags and tunnels; whether a connection is over, or its ports are another's now. It
works on single rows and does not know how they are found or kept (`flow_kernel`).
"""

from __future__ import annotations

from typing import Any

from pcap_tools import flow_state as own
from pcap_tools.compiled import compiled, inlined
from pcap_tools.flows import End
from pcap_tools.lookup import mix, signed, unsigned
from pcap_tools.packets import Status, Tunnel
from pcap_tools.transport import NO_QFI, TCP, UDP

FIN_UP, FIN_DOWN, RST, SYN_UP, SYN_DOWN = 1, 2, 4, 8, 16  # of a flow's state
OVER = FIN_UP | FIN_DOWN | RST
PARKED = 32  # `State.due` knows when the next sample is due, if no packet comes
FIN_FLAG, SYN_FLAG, RST_FLAG, ACK_FLAG = 1, 2, 4, 16
OPENING = FIN_FLAG | SYN_FLAG | RST_FLAG | ACK_FLAG  # those that tell a SYN from its answer
GTP_U = int(Tunnel.GTP_U)
FRAGMENT = int(Status.FRAGMENT)
ACTIVE_END, FINISHED_END, REUSED_END = int(End.ACTIVE), int(End.FINISHED), int(End.REUSED)

SECOND = 1_000_000_000
LINGER = 5 * SECOND  # an ended connection waits so long for its last packets
REMEMBERED = 30 * SECOND  # a fragment waits no longer for the others
WAYS = 8  # places that a packet in fragments may have; the oldest is given up


@inlined
def payload_of(packet: Any) -> int:
    """Payload bytes; where they are not known, the length less the headers that are usual."""
    if packet["payload"] >= 0:
        return int(packet["payload"])
    header = 40 if packet["version"] == 6 else 20
    if packet["protocol"] == TCP:
        # With time stamps; what is then left of an acknowledgement is selective ones.
        rest = int(packet["length"]) - header - 32
        return rest if rest > 20 else 0
    if packet["protocol"] == UDP:
        header += 8
    return max(int(packet["length"]) - header, 0)


@inlined
def is_over(flow: Any) -> bool:
    """Both sides said FIN, or one RST."""
    return bool(flow["state"] & OVER >= FIN_UP | FIN_DOWN)


@inlined
def deadline(flow: Any, limits: Any) -> int:
    """When a flow is over if nothing more comes."""
    last = int(flow["last"])
    return last + int(min(LINGER, limits.idle) if is_over(flow) else limits.idle)


@compiled
def is_reused(flow: Any, up: Any, down: Any, packet: Any, side: int) -> bool:
    """Whether this packet begins another connection between the same ports.

    It is a SYN: it does, unless it is the flow's own once more, or comes after the answer to it.
    """
    if packet["protocol"] != TCP:
        return False
    if is_over(flow):
        return True
    if flow["state"] & (SYN_UP << side):
        sequence = flow["sequence_up"] if side == 0 else flow["sequence_down"]
        return bool(sequence != packet["sequence"])
    return bool(up["packets"] + down["packets"] > 1)


@inlined
def ending(limits: Any, flow: Any, up: Any, down: Any, packet: Any, side: int, now: int) -> int:
    """Why the flow ends before this packet of its own; -1 if it does not."""
    if now - flow["first"] > limits.active:
        return ACTIVE_END
    if packet["flags"] & OPENING == SYN_FLAG and is_reused(flow, up, down, packet, side):
        return FINISHED_END if is_over(flow) else REUSED_END
    return -1


@compiled
def note(flow: Any, packet: Any, side: int) -> None:
    """What a packet tells of its flow beside sizes and times."""
    if packet["protocol"] == TCP:
        flags = packet["flags"]
        if flags & 7:
            if flags & FIN_FLAG:
                flow["state"] |= FIN_UP << side
            if flags & RST_FLAG:
                flow["state"] |= RST
            if flags & OPENING == SYN_FLAG:
                flow["state"] |= SYN_UP << side
                if side == 0:
                    flow["sequence_up"] = packet["sequence"]
                else:
                    flow["sequence_down"] = packet["sequence"]
    elif packet["quic"]:
        flow["quic"] = True
    if packet["tunnel"] == GTP_U:
        if side == 0:
            flow["teid_up"] = packet["teid"]
        else:
            flow["teid_down"] = packet["teid"]
        if packet["qfi"] != NO_QFI:
            flow["qfi"] = packet["qfi"]


@compiled
def count(flow: Any, mine: Any, other: Any, packet: Any, payload: int, now: int) -> None:
    """Sizes, gaps and flags of a packet; `mine` are its direction's numbers."""
    packets = mine["packets"]
    if packets + other["packets"] > 0:
        gap = float(max(now - flow["last"], 0))
        flow["gap_sum"] += gap
        flow["gap_square"] += gap * gap
        if packets + other["packets"] == 1 or gap < flow["gap_min"]:
            flow["gap_min"] = gap
        if gap > flow["gap_max"]:
            flow["gap_max"] = gap
    length = int(packet["length"])
    if packets > 0:
        gap = float(max(now - mine["last"], 0))
        mine["gap_sum"] += gap
        mine["gap_square"] += gap * gap
        if packets == 1 or gap < mine["gap_min"]:
            mine["gap_min"] = gap
        if gap > mine["gap_max"]:
            mine["gap_max"] = gap
        mine["last"] = max(mine["last"], now)
        mine["length_min"] = min(mine["length_min"], length)
    else:
        mine["last"] = now
        mine["length_min"] = length
    mine["length_max"] = max(mine["length_max"], length)
    mine["length_square"] += float(length) * float(length)
    mine["packets"] = packets + 1
    mine["bytes"] += length
    mine["payload"] += payload
    flow["last"] = max(flow["last"], now)
    if packet["protocol"] == TCP:
        flags = int(packet["flags"])
        for flag in range(own.FLAGS):
            mine["flags"][flag] += (flags >> flag) & 1


@compiled
def ports_of_fragment(fragments: Any, packet: Any, now: int) -> tuple[int, int]:
    """The ports of a packet in fragments: the first one's, or 0 where that is not known."""
    source, destination = int(packet["source_port"]), int(packet["destination_port"])
    value = mix(mix(unsigned(packet["source_0"]), unsigned(packet["source_1"])),
                unsigned(packet["fragment"]))
    value = mix(mix(value, unsigned(packet["destination_0"])), unsigned(packet["destination_1"]))
    key = signed(mix(value, unsigned(packet["protocol"]) + unsigned(packet["tunnel"])
                     * unsigned(256) + unsigned(packet["teid"]) * unsigned(65536)))
    at = key & (len(fragments) - WAYS)
    place = at
    for way in range(at, at + WAYS):
        if fragments[way]["hash"] == key:
            place = way
            break
        if fragments[way]["time"] < fragments[place]["time"]:
            place = way
    row = fragments[place]
    if packet["status"] == FRAGMENT:
        if row["hash"] == key and abs(now - row["time"]) <= REMEMBERED:
            return int(row["source_port"]), int(row["destination_port"])
        return 0, 0
    row["hash"], row["time"] = key, now
    row["source_port"], row["destination_port"] = source, destination
    return source, destination
