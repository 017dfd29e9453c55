"""The flow table's work on each packet, compiled: find or begin its flow, count, close, sample.

Time is the packets' own and may run backwards a little; after a jump back by more than the idle
time the clock is set back with it. A flow is over once it was silent for the idle time, or for a
short while after its connection was ended. Whenever the output or the slots are full the kernel
returns early, and is called again with the same packet. It allocates nothing.
"""

from __future__ import annotations

from typing import Any

from pcap_tools import accumulate as kept
from pcap_tools import flow_state as own
from pcap_tools.accumulate import add
from pcap_tools.compiled import compiled, inlined
from pcap_tools.flow_update import (
    ACK_FLAG,
    OPENING,
    OVER,
    PARKED,
    SYN_FLAG,
    count,
    deadline,
    ending,
    is_over,
    note,
    payload_of,
    ports_of_fragment,
)
from pcap_tools.flows import End
from pcap_tools.lookup import delete, find, flow_hash, insert, unsigned
from pcap_tools.packets import Status
from pcap_tools.parse import parse_frame
from pcap_tools.sampling import (
    begin_samples,
    in_later_window,
    is_due,
    next_due,
    take_counted,
    take_due,
    take_last,
)
from pcap_tools.timers import move, push, remove
from pcap_tools.transport import NO_QFI, TCP

FLOW, FRAGMENT = int(Status.FLOW), int(Status.FRAGMENT)
LATEST = 1 << 62  # times are brought into 0 to this, so that sums do not overflow
MARGIN = 16  # more samples than one packet, or one closed flow, can give
IDLE_END, FINISHED_END = int(End.IDLE), int(End.FINISHED)
EVICTED_END, SOURCE_END = int(End.EVICTED), int(End.SOURCE)

# What `run` stops for.
DONE, OUTPUT_FULL, SLOTS_FULL = 0, 1, 2
BLOCK = 256  # frames parsed at a time: their rows stay in the nearest cache


@compiled
def close(state: Any, limits: Any, slot: int, end: int, now: int) -> None:
    """A flow is over: out it goes."""
    flow = state.live[slot]
    flow["end"] = end
    if limits.samples:
        take_last(state, limits, slot, now)
        remove(state.due, slot)
    number = state.numbers[own.CLOSED]
    state.numbers[own.CLOSED] = number + 1
    state.closed[number] = flow
    state.closed_sides[2 * number] = state.sides[2 * slot]
    state.closed_sides[2 * number + 1] = state.sides[2 * slot + 1]
    remove(state.expiry, slot)
    delete(state.table, state.live, slot)
    state.free[state.numbers[own.FREE]] = slot
    state.numbers[own.FREE] += 1


@compiled
def full(state: Any, limits: Any) -> bool:
    """Whether the output may have no room for what one more packet or end gives."""
    if limits.samples and state.numbers[own.SAMPLES] + MARGIN > len(state.samples):
        return True
    return bool(state.numbers[own.CLOSED] + MARGIN > len(state.closed))


@compiled
def expire(state: Any, limits: Any, now: int) -> bool:
    """Close the flows whose time is over; False if the output is full before that is done."""
    while state.expiry.size[0] > 0 and state.expiry.key[0] < now:
        slot = int(state.expiry.slot[0])
        flow = state.live[slot]
        moment = deadline(flow, limits)
        if moment >= now:
            move(state.expiry, slot, moment)
            continue
        if full(state, limits):
            return False
        close(state, limits, slot, FINISHED_END if is_over(flow) else IDLE_END, moment)
    return True


@compiled
def evict(state: Any, limits: Any) -> None:
    """Close the flow that would be over first: of equal ones the one silent for longest."""
    while True:
        slot = int(state.expiry.slot[0])
        moment = deadline(state.live[slot], limits)
        if moment <= state.expiry.key[0]:
            break
        move(state.expiry, slot, moment)
    state.numbers[own.EVICTED] += 1
    close(state, limits, slot, EVICTED_END, state.numbers[own.CLOCK])


@compiled
def _clear_side(side: Any) -> None:
    side["packets"], side["bytes"], side["payload"], side["last"] = 0, 0, 0, 0
    side["length_square"], side["gap_sum"], side["gap_square"] = 0.0, 0.0, 0.0
    side["gap_min"], side["gap_max"] = 0.0, 0.0
    side["length_min"], side["length_max"] = 0, 0
    for flag in range(own.FLAGS):
        side["flags"][flag] = 0


@compiled
def begin(state: Any, limits: Any, packet: Any, key: int, source_port: int, destination_port: int,
          now: int) -> tuple[int, int]:
    """A new flow's slot, and this first packet's side of it.

    Whoever sent the first packet goes up, except where that is a SYN-ACK: it answers.
    """
    state.numbers[own.FREE] -= 1
    slot = int(state.free[state.numbers[own.FREE]])
    flow = state.live[slot]
    side = 0
    if packet["protocol"] == TCP and packet["flags"] & OPENING == SYN_FLAG | ACK_FLAG:
        side = 1
    if side == 0:
        flow["source_0"], flow["source_1"] = packet["source_0"], packet["source_1"]
        flow["destination_0"] = packet["destination_0"]
        flow["destination_1"] = packet["destination_1"]
        flow["source_port"], flow["destination_port"] = source_port, destination_port
    else:
        flow["source_0"], flow["source_1"] = packet["destination_0"], packet["destination_1"]
        flow["destination_0"], flow["destination_1"] = packet["source_0"], packet["source_1"]
        flow["source_port"], flow["destination_port"] = destination_port, source_port
    flow["protocol"], flow["version"] = packet["protocol"], packet["version"]
    flow["tunnel"], flow["vlan"] = packet["tunnel"], packet["vlan"]
    flow["qfi"], flow["quic"] = NO_QFI, False
    flow["teid_up"], flow["teid_down"] = 0, 0
    flow["state"], flow["stage"], flow["end"], flow["sampled"] = 0, 0, 0, 0
    flow["sequence_up"], flow["sequence_down"] = 0, 0
    flow["first"], flow["last"], flow["hash"] = now, now, key
    flow["gap_sum"], flow["gap_square"] = 0.0, 0.0
    flow["gap_min"], flow["gap_max"] = 0.0, 0.0
    identity = state.numbers[own.NEXT]
    flow["flow"] = identity
    state.numbers[own.NEXT] = identity + 1
    _clear_side(state.sides[2 * slot])
    _clear_side(state.sides[2 * slot + 1])
    insert(state.table, key, slot)
    push(state.expiry, now + limits.idle, identity, slot)
    if limits.samples:
        begin_samples(state, limits, slot)
        push(state.due, now, identity, slot)
    return slot, side


@inlined
def accumulate(state: Any, limits: Any, slot: int, side: int, payload: int, now: int) -> None:
    """A packet into what samples are made of, and the sample of a number of packets."""
    flow = state.live[slot]
    elapsed = float(now - flow["first"])
    for window in range(1, limits.windows + 1):
        if in_later_window(state, limits, slot, window):
            add(state.sums[slot, window], state.counts[slot, window], state.firsts[slot], False,
                side, float(payload), elapsed)
    sums = state.sums[slot, own.STAGE]
    add(sums, state.counts[slot, own.STAGE], state.firsts[slot], True, side, float(payload),
        elapsed)
    packets = sums[kept.PACKETS_UP] + sums[kept.PACKETS_DOWN]
    if packets == 5.0 or packets == 10.0 or packets == 20.0:
        take_counted(state, slot, now)
    if flow["state"] & PARKED:
        flow["state"] &= PARKED - 1
        move(state.due, slot, next_due(state, limits, slot))


@inlined
def take(state: Any, limits: Any, packet: Any, now: int) -> None:
    """One packet into its flow; there is room for all that comes of it."""
    source_port, destination_port = int(packet["source_port"]), int(packet["destination_port"])
    if packet["fragment"] != 0:
        source_port, destination_port = ports_of_fragment(state.fragments, packet, now)
    key = flow_hash(unsigned(state.numbers[own.SEED]), packet, source_port, destination_port)
    slot, side = find(state.table, state.live, key, packet, source_port, destination_port)
    if slot >= 0:
        end = ending(limits, state.live[slot], state.sides[2 * slot], state.sides[2 * slot + 1],
                     packet, side, now)
        if end >= 0:
            close(state, limits, slot, end, now)
            slot = -1
    if slot < 0:
        if state.numbers[own.FREE] == 0:
            evict(state, limits)
        slot, side = begin(state, limits, packet, key, source_port, destination_port, now)
    elif limits.samples and is_due(state.live[slot], state.sums, limits, slot, now):
        take_due(state, limits, slot, now)
    flow = state.live[slot]
    payload = payload_of(packet)
    note(flow, packet, side)
    count(flow, state.sides[2 * slot + side], state.sides[2 * slot + 1 - side], packet, payload,
          now)
    if limits.samples:
        accumulate(state, limits, slot, side, payload, now)
    if flow["state"] & OVER and is_over(flow):
        moment = deadline(flow, limits)
        if moment < state.expiry.key[state.expiry.place[slot]]:
            move(state.expiry, slot, moment)


@compiled
def run(state: Any, limits: Any, packets: Any, begin_at: int, end_at: int) -> tuple[int, int]:
    """Take packets in until all are, or the output or the slots are full: how far, and why."""
    state = own.lent(state)
    numbers = state.numbers
    room = len(state.closed) - MARGIN
    sample_room = len(state.samples) - MARGIN if limits.samples else 0
    for index in range(begin_at, end_at):
        packet = packets[index]
        status = int(packet["status"])
        if status > FRAGMENT:
            numbers[own.STATUS + min(status, 7)] += 1
            continue
        if numbers[own.CLOSED] > room or numbers[own.SAMPLES] > sample_room:
            return index, OUTPUT_FULL
        if numbers[own.FREE] == 0 and len(state.live) < limits.most:
            return index, SLOTS_FULL
        now = min(max(int(packet["time"]), 0), LATEST)
        if now > numbers[own.CLOCK] or now < numbers[own.CLOCK] - limits.idle:
            numbers[own.CLOCK] = now
        if state.expiry.size[0] > 0 and state.expiry.key[0] < numbers[own.CLOCK] and not expire(
                state, limits, numbers[own.CLOCK]):
            return index, OUTPUT_FULL
        take(state, limits, packet, now)
        numbers[own.STATUS + status] += 1
    return end_at, DONE


@compiled
def run_records(state: Any, limits: Any, data: Any, start: Any, captured: Any, length: Any,
                time: Any, link: Any, rows: Any, begin_at: int) -> tuple[int, int]:
    """The same from frames; `rows` has room for BLOCK packets."""
    at = begin_at
    while at < len(start):
        block = min(BLOCK, len(start) - at)
        for index in range(block):
            rows[index]["time"] = time[at + index]
            parse_frame(data, int(start[at + index]), int(captured[at + index]),
                        int(length[at + index]), int(link[at + index]), rows[index])
        reached, why = run(state, limits, rows, 0, block)
        at += reached
        if why != DONE:
            return at, why
    return at, DONE


@compiled
def advance(state: Any, limits: Any, now: int) -> bool:
    """Time passes without packets: flows end and samples are taken; False if there is no room."""
    if now > state.numbers[own.CLOCK]:
        state.numbers[own.CLOCK] = now
    if not expire(state, limits, state.numbers[own.CLOCK]):
        return False
    while limits.samples and state.due.size[0] > 0 and state.due.key[0] <= now:
        slot = int(state.due.slot[0])
        if full(state, limits):
            return False
        take_due(state, limits, slot, now)
        move(state.due, slot, next_due(state, limits, slot))
        state.live[slot]["state"] |= PARKED
    return True


@compiled
def finish(state: Any, limits: Any) -> bool:
    """Close all that live; False if there is no room for all."""
    while state.expiry.size[0] > 0:
        if full(state, limits):
            return False
        close(state, limits, int(state.expiry.slot[0]), SOURCE_END, state.numbers[own.CLOCK])
    return True
