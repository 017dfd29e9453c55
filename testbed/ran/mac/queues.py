"""Packets of one bearer and direction: in, as stretches of a stream out and back, and delivered.

All of it is compiled; `oracle` says the same in plain words. It knows no cells, PRBs or HARQ.
"""

from __future__ import annotations

import math

from testbed.ran.mac.state import (
    BITS,
    DROPPED,
    GIVEN_UP,
    GONE,
    LATE,
    WAITED,
    Bearer,
    Mac,
    N,
    Reason,
    Ue,
)
from testbed.ran.plane.compiled import compiled, inner
from testbed.ran.plane.histogram import note

FIRST, NEXT, TAIL, BYTES, SENT, ARRIVED, PART, AGAIN, EARLY, RLC_TIMES = (int(one) for one in (
    Bearer.FIRST, Bearer.NEXT, Bearer.TAIL, Bearer.BYTES, Bearer.SENT, Bearer.ARRIVED,
    Bearer.PART, Bearer.AGAIN, Bearer.LATE, Bearer.RLC_TIMES))
KNOWN, REQUEST_AT, REPORT_AT, SINCE = (int(one) for one in (
    Bearer.KNOWN, Bearer.REQUEST_AT, Bearer.REPORT_AT, Bearer.SINCE))
ABOVE, DROP_AT, DROP_COUNT, DROPPING = (int(one) for one in (
    Bearer.CODEL_ABOVE, Bearer.CODEL_NEXT, Bearer.CODEL_COUNT, Bearer.CODEL_DROPPING))
N_BEARERS, N_RING, N_QUEUE, N_CODEL, N_TARGET, N_INTERVAL, N_PACKETS, N_INSIDE, N_CAPACITY = (
    int(one) for one in (N.BEARERS, N.RING, N.QUEUE_BYTES, N.CODEL, N.CODEL_TARGET,
                         N.CODEL_INTERVAL, N.PACKETS, N.INSIDE, N.CAPACITY))
U_FAILED = int(Ue.FAILED)
QUEUE_FULL, DROPPED_BY_CODEL, LINK_FAILED, UNKNOWN, TOO_LONG = (int(one) for one in (
    Reason.QUEUE_FULL, Reason.CODEL, Reason.LINK_FAILED, Reason.UNKNOWN, Reason.TOO_LONG))
STANDING = 3000  # bytes: CoDel leaves queues of less than two packets alone
STALLED = LATE - 32  # stretches out of order beyond which nothing new is sent, as RLC's window


@compiled
def enqueue(mac: Mac, bearer: int, direction: int, packet: int, size: int, now: int) -> int:
    """Take a packet: 0, or the reason why not."""
    numbers = mac.numbers
    if bearer < 0 or bearer >= numbers[N_BEARERS] or size <= 0:
        mac.dropped_packets[direction, UNKNOWN] += 1
        return UNKNOWN
    numbers[N_PACKETS] += 1
    st = mac.bearers[bearer, direction]
    reason = 0
    if size > numbers[N_QUEUE]:
        reason = TOO_LONG
    elif _given_up(mac, mac.bearer_ue[bearer]):
        reason = LINK_FAILED
    elif (st[TAIL] - st[FIRST] >= numbers[N_RING] or st[BYTES] + size > numbers[N_QUEUE]
          or numbers[N_INSIDE] >= numbers[N_CAPACITY]):
        reason = QUEUE_FULL
    if reason != 0:
        mac.dropped_packets[direction, reason] += 1
        mac.counts[bearer, direction, DROPPED] += 8.0 * size
        return reason
    at = st[TAIL] & (numbers[N_RING] - 1)
    mac.packet[bearer, direction, at] = packet
    mac.size[bearer, direction, at] = size
    mac.came[bearer, direction, at] = now
    st[TAIL] += 1
    st[BYTES] += size
    numbers[N_INSIDE] += 1
    return 0


@inner
def _given_up(mac: Mac, ue: int) -> bool:
    """Whether a UE left, or has been without a link for too long."""
    failed = mac.ues[ue, U_FAILED]
    return bool(failed in (GONE, GIVEN_UP))


@inner
def give_back(mac: Mac, bearer: int, direction: int, at: int, reason: int) -> None:
    """A packet that is inside is dropped. Its place stays, of no size."""
    size = mac.size[bearer, direction, at]
    mac.dropped[mac.ends[1]] = mac.packet[bearer, direction, at]
    mac.reasons[mac.ends[1]] = reason
    mac.ends[1] += 1
    mac.numbers[N_INSIDE] -= 1
    mac.dropped_packets[direction, reason] += 1
    mac.counts[bearer, direction, DROPPED] += 8.0 * size
    mac.size[bearer, direction, at] = 0


@inner
def codel_drops(mac: Mac, bearer: int, direction: int, at: int, now: int) -> bool:
    """Whether the packet that is next has to go: RFC 8289, section 4."""
    st, numbers = mac.bearers[bearer, direction], mac.numbers
    if numbers[N_CODEL] == 0:
        return False
    waited = now - mac.came[bearer, direction, at]
    if waited < numbers[N_TARGET] or st[BYTES] <= STANDING:
        st[ABOVE] = 0
        st[DROPPING] = 0
        return False
    if st[ABOVE] == 0:
        st[ABOVE] = now + numbers[N_INTERVAL]
        return False
    if st[DROPPING] == 0:
        if now < st[ABOVE]:
            return False
        # Soon after the last time, it goes on nearly as often as it then did.
        recent = now - st[DROP_AT] < 16 * numbers[N_INTERVAL] and st[DROP_COUNT] > 2
        st[DROP_COUNT] = st[DROP_COUNT] - 2 if recent else 1
        st[DROPPING] = 1
        st[DROP_AT] = now
    elif now < st[DROP_AT]:
        return False
    else:
        st[DROP_COUNT] += 1
    st[DROP_AT] += int(numbers[N_INTERVAL] / math.sqrt(st[DROP_COUNT]))
    return True


@compiled
def fill(mac: Mac, bearer: int, direction: int, room: int, now: int) -> int:
    """Send up to `room` bytes that were not sent before; how many those are."""
    st = mac.bearers[bearer, direction]
    mask = mac.numbers[N_RING] - 1
    before = st[SENT]
    while room > 0 and st[NEXT] < st[TAIL]:
        at = st[NEXT] & mask
        size = mac.size[bearer, direction, at]
        if size > 0 and st[PART] == 0 and codel_drops(mac, bearer, direction, at, now):
            st[BYTES] -= size
            give_back(mac, bearer, direction, at, DROPPED_BY_CODEL)
            size = 0
        left = size - st[PART]
        taken = min(left, room)
        room -= taken
        st[SENT] += taken
        st[BYTES] -= taken
        if taken < left:
            st[PART] += taken
        else:
            mac.end[bearer, direction, at] = st[SENT]
            st[NEXT] += 1
            st[PART] = 0
    return int(st[SENT] - before)


@compiled
def receive(mac: Mac, bearer: int, direction: int, first: int, last: int, now: int) -> None:
    """A stretch has arrived; packets that are whole now are delivered, in their order."""
    st = mac.bearers[bearer, direction]
    if first > st[ARRIVED]:
        mac.late[bearer, direction, st[EARLY], 0] = first
        mac.late[bearer, direction, st[EARLY], 1] = last
        st[EARLY] += 1
        return
    st[ARRIVED] = max(st[ARRIVED], last)
    st[RLC_TIMES] = 0
    more = True
    while more:
        more = False
        for place in range(st[EARLY]):
            if mac.late[bearer, direction, place, 0] <= st[ARRIVED]:
                st[ARRIVED] = max(st[ARRIVED], mac.late[bearer, direction, place, 1])
                st[EARLY] -= 1
                mac.late[bearer, direction, place, 0] = mac.late[bearer, direction, st[EARLY], 0]
                mac.late[bearer, direction, place, 1] = mac.late[bearer, direction, st[EARLY], 1]
                more = True
                break
    _deliver(mac, bearer, direction, now)


@inner
def _deliver(mac: Mac, bearer: int, direction: int, now: int) -> None:
    st = mac.bearers[bearer, direction]
    mask = mac.numbers[N_RING] - 1
    while st[FIRST] < st[NEXT]:
        at = st[FIRST] & mask
        if mac.end[bearer, direction, at] > st[ARRIVED]:
            return
        size = mac.size[bearer, direction, at]
        if size > 0:
            mac.delivered[mac.ends[0]] = mac.packet[bearer, direction, at]
            mac.ends[0] += 1
            mac.numbers[N_INSIDE] -= 1
            mac.delivered_packets[direction] += 1
            mac.counts[bearer, direction, BITS] += 8.0 * size
            waited = now - mac.came[bearer, direction, at]
            mac.counts[bearer, direction, WAITED] += 8e-9 * size * waited
            note(mac.delays[bearer, direction], waited)
        st[FIRST] += 1


@inner
def lose(mac: Mac, bearer: int, direction: int, first: int, last: int) -> int:
    """A stretch did not arrive: it is sent anew. How often in a row that was."""
    st = mac.bearers[bearer, direction]
    mac.again[bearer, direction, st[AGAIN], 0] = first
    mac.again[bearer, direction, st[AGAIN], 1] = last
    st[AGAIN] += 1
    st[RLC_TIMES] += 1
    return int(st[RLC_TIMES])


@compiled
def rewind(mac: Mac, bearer: int, direction: int) -> None:
    """What was sent and has not arrived waits again, as after a handover; nothing is lost."""
    st = mac.bearers[bearer, direction]
    mask = mac.numbers[N_RING] - 1
    if st[FIRST] < st[NEXT]:
        at = st[FIRST] & mask
        begun = mac.end[bearer, direction, at] - mac.size[bearer, direction, at]
    else:
        begun = st[SENT] - st[PART]
    st[PART] = max(0, st[ARRIVED] - begun)
    st[NEXT] = st[FIRST]
    st[SENT] = st[ARRIVED]
    total = 0
    for place in range(st[FIRST], st[TAIL]):
        total += mac.size[bearer, direction, place & mask]
    st[BYTES] = total - st[PART]
    st[AGAIN] = 0
    st[EARLY] = 0
    st[RLC_TIMES] = 0
    forget(mac, bearer, direction)


@inner
def forget(mac: Mac, bearer: int, direction: int) -> None:
    """The base station knows nothing of what a UE has to send."""
    st = mac.bearers[bearer, direction]
    st[KNOWN] = 0
    st[REQUEST_AT] = -1
    st[REPORT_AT] = -1
    st[SINCE] = 0


@compiled
def drop_all(mac: Mac, bearer: int, direction: int, reason: int) -> None:
    """Throw away what is inside. Blocks that are on their way have to be ended before."""
    st = mac.bearers[bearer, direction]
    mask = mac.numbers[N_RING] - 1
    for place in range(st[FIRST], st[TAIL]):
        if mac.size[bearer, direction, place & mask] > 0:
            give_back(mac, bearer, direction, place & mask, reason)
    st[FIRST] = st[TAIL]
    st[NEXT] = st[TAIL]
    st[BYTES] = 0
    st[PART] = 0
    st[ARRIVED] = st[SENT]
    st[AGAIN] = 0
    st[EARLY] = 0
    st[RLC_TIMES] = 0
    forget(mac, bearer, direction)
