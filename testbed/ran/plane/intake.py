"""What the loop reads: packets of UEs and of the core, straight into the pool, to their bearers.

A packet that is not what it should be is counted by its reason and goes no further. Where there is
a tunnel between core and base station, this reads both of its ends too: the core's side puts user
packets in and takes them out, as a UPF does.
"""

from __future__ import annotations

from testbed.ran.plane.batches import (
    GNB_NAME,
    UPF_NAME,
    from_peer,
    keep_for_tunnel,
    lies_at,
    receive,
    send_all,
    size_of,
    stage_at,
)
from testbed.ran.plane.calls import (
    DONT_WAIT,
    POLL_ERROR,
    POLL_IN,
    memcpy,
    poll,
    read,
    sendto,
    write,
)
from testbed.ran.plane.compiled import inner
from testbed.ran.plane.counting import (
    count,
    drop,
    is_lost,
    next_place,
    now_ns,
)
from testbed.ran.plane.headers import (
    DOWN,
    ECHO_REQUEST,
    G_PDU,
    GTP_BYTES,
    MALFORMED,
    UP,
    address_of,
    answer_echo,
    decapsulate,
    encapsulate,
)
from testbed.ran.plane.memory import (
    BATCH,
    HEADROOM,
    NAME_BYTES,
    OF_DELIVERED,
    OF_READ,
    PLACES,
    STRIDE,
    Count,
    Kind,
    Mark,
    Of,
    Plane,
)
from testbed.ran.plane.rules import rule_of
from testbed.ran.plane.table import TUNNEL_DOWN, TUNNEL_UP, find

AT_ONCE = 64  # packets of one device before the others get their turn
SEEN = 16  # bits above which `poll` says what it saw
GNB, UPF, MTU, OFFERED, FREE, TURN, MOST_TAKEN, RULES = (int(one) for one in (
    Mark.GNB, Mark.UPF, Mark.MTU, Mark.OFFERED, Mark.FREE, Mark.TURN, Mark.MOST_TAKEN,
    Mark.RULES))
BUDGET_SPENT, DEVICES_LOST = int(Mark.BUDGET_SPENT), int(Mark.DEVICES_LOST)
GARBAGE, UNKNOWN, OTHER = (int(one) for one in (
    Mark.TUNNEL_GARBAGE, Mark.TUNNEL_UNKNOWN, Mark.TUNNEL_OTHER))
READ, DELIVERED = int(Count.READ), int(Count.DELIVERED)
SENT, TAKEN = int(Count.TUNNEL_SENT), int(Count.TUNNEL_TAKEN)
R_MALFORMED, R_OVERSIZE, R_NO_BEARER, R_FOREIGN, R_DETACHED, R_BACKHAUL, R_POOL, R_TUNNEL, \
    R_DEVICE = (int(one) for one in (
        Count.MALFORMED, Count.OVERSIZE, Count.NO_BEARER, Count.FOREIGN_SOURCE, Count.DETACHED,
        Count.BACKHAUL, Count.POOL_FULL, Count.TUNNEL, Count.DEVICE))
OF_UE, OF_N6, OF_GNB = int(Kind.UE), int(Kind.N6), int(Kind.GNB)
N6_DEVICE, QFI, ATTACHED = int(Of.N6_DEVICE), int(Of.QFI), int(Of.ATTACHED)
DOWN_TUNNEL = int(Of.TUNNEL_DOWN)
NOTHING_READ = -1


@inner
def take_all(plane: Plane, first: int, last: int, now: int, deadline: int) -> None:
    """Read devices `first` to `last` in turn until they are empty or the slot's budget is spent."""
    _take_all(plane, first, last, now, deadline)
    if plane.send_count[DOWN] > 0:
        send_all(plane, DOWN, plane.marks[UPF])


@inner
def _take_all(plane: Plane, first: int, last: int, now: int, deadline: int) -> None:
    _look(plane, first, last)
    devices = last - first
    taken, left = 0, devices
    while left > 0:
        left = 0
        for step in range(devices):
            device = first + (plane.marks[TURN] + step) % devices
            if plane.polled[device, 1] >> SEEN & POLL_IN == 0:
                continue
            if taken >= plane.marks[MOST_TAKEN] or now_ns(plane) > deadline:
                plane.marks[BUDGET_SPENT] += 1
                plane.marks[TURN] = device - first  # it is first next time
                return
            read_now = _take_some(plane, device, now)
            taken += read_now
            if read_now < AT_ONCE:
                plane.polled[device, 1] = 0  # empty
            else:
                left += 1


@inner
def _look(plane: Plane, first: int, last: int) -> None:
    """Ask which devices have packets; those that are gone are not asked again."""
    for device in range(first, last):
        plane.polled[device, 1] = POLL_IN
    poll(plane.polled.ctypes.data + 8 * first, last - first, 0)
    for device in range(first, last):
        seen = plane.polled[device, 1] >> SEEN
        if seen & POLL_ERROR and plane.kind[device] < OF_GNB:
            plane.polled[device, 0] = -1
            plane.polled[device, 1] = 0
            plane.marks[DEVICES_LOST] += 1


@inner
def _take_some(plane: Plane, device: int, now: int) -> int:
    kind = plane.kind[device]
    if kind >= OF_GNB:
        return _take_datagrams(plane, device, kind, now)
    for number in range(AT_ONCE):
        more = _from_ue(plane, device, now) if kind == OF_UE else _from_core(plane, device, now)
        if not more:
            return number
    return AT_ONCE


@inner
def _take_datagrams(plane: Plane, device: int, kind: int, now: int) -> int:
    """Of a tunnel's end."""
    taken = 0
    while taken < AT_ONCE:
        came = receive(plane, plane.polled[device, 0], AT_ONCE - taken)
        for number in range(came):
            if kind == OF_GNB:
                _at_base_station(plane, device, number, now)
            else:
                _at_core(plane, device, number)
        taken += came
        if came < BATCH:
            break
    return taken


@inner
def _read(plane: Plane, device: int, at: int) -> int:
    """The size of a packet that lies at `at` now; NOTHING_READ where there was none.

    One byte more than the link takes is asked for: what fills it is too long.
    """
    size = read(plane.polled[device, 0], plane.pool.ctypes.data + at, plane.marks[MTU] + 1)
    return size if size >= 0 else NOTHING_READ


@inner
def _from_ue(plane: Plane, device: int, now: int) -> bool:
    """Uplink: whether there was a packet."""
    place = next_place(plane)
    at = place * STRIDE + HEADROOM
    size = _read(plane, device, at)
    if size < 0:
        return False
    bearer = int(plane.owner[device])
    count(plane, UP, READ, size)
    plane.of_bearer[bearer, UP, OF_READ] += 1
    key = address_of(plane.pool, at, size, False)
    if size > plane.marks[MTU]:
        drop(plane, UP, R_OVERSIZE, bearer, size)
    elif key == MALFORMED:
        drop(plane, UP, R_MALFORMED, bearer, size)
    elif plane.bearers[bearer, ATTACHED] == 0:
        drop(plane, UP, R_DETACHED, bearer, size)
    elif find(plane.keys, plane.values, key) != bearer:
        drop(plane, UP, R_FOREIGN, bearer, size)
    elif plane.marks[FREE] == 0:
        drop(plane, UP, R_POOL, bearer, size)
    else:
        _keep(plane, place, at, size, _carrier(plane, at, bearer, UP), UP, now)
        offer(plane, place)
    return True


@inner
def _from_core(plane: Plane, device: int, now: int) -> bool:
    """Downlink, where the core's network begins: whether there was a packet."""
    place = next_place(plane)
    tunnelled = plane.marks[UPF] >= 0
    at = stage_at(plane, DOWN) if tunnelled else place * STRIDE + HEADROOM
    size = _read(plane, device, at)
    if size < 0:
        return False
    count(plane, DOWN, READ, size)
    key = address_of(plane.pool, at, size, True)
    bearer = -1
    if size > plane.marks[MTU]:
        drop(plane, DOWN, R_OVERSIZE, bearer, size)
        return True
    if key == MALFORMED:
        drop(plane, DOWN, R_MALFORMED, bearer, size)
        return True
    bearer = find(plane.keys, plane.values, key)
    if bearer < 0 or plane.bearers[bearer, N6_DEVICE] != device:
        drop(plane, DOWN, R_NO_BEARER, -1, size)
        return True
    plane.of_bearer[bearer, DOWN, OF_READ] += 1
    if tunnelled:
        _into_tunnel(plane, at, size, bearer)
    else:
        arrive(plane, place, at, size, bearer, now)
    return True


@inner
def _into_tunnel(plane: Plane, at: int, size: int, bearer: int) -> None:
    flow = rule_of(plane, at, DOWN) if plane.marks[RULES] > 0 else -1
    begin = encapsulate(plane.pool, at, size, plane.bearers[bearer, DOWN_TUNNEL],
                        plane.bearers[flow if flow >= 0 else bearer, QFI], DOWN)
    keep_for_tunnel(plane, DOWN, plane.marks[UPF], GNB_NAME, begin, size + GTP_BYTES, size, bearer,
                    -1)


@inner
def arrive(plane: Plane, place: int, at: int, size: int, bearer: int, now: int) -> None:
    """A downlink packet has come to the base station's side of the core."""
    if plane.bearers[bearer, ATTACHED] == 0:
        drop(plane, DOWN, R_DETACHED, bearer, size)
    elif is_lost(plane, DOWN):
        drop(plane, DOWN, R_BACKHAUL, bearer, size)
    elif plane.marks[FREE] == 0:
        drop(plane, DOWN, R_POOL, bearer, size)
    else:
        _keep(plane, place, at, size, _carrier(plane, at, bearer, DOWN), DOWN, now)
        if plane.backhaul[DOWN, 1] > 0 or plane.line_ends[DOWN, 0] != plane.line_ends[DOWN, 1]:
            put_on_line(plane, place, now)
        else:
            offer(plane, place)


@inner
def put_on_line(plane: Plane, packet: int, now: int) -> None:
    """On its way between base station and core. All places fit on it."""
    direction = plane.direction[packet]
    at = plane.line_ends[direction, 1] % PLACES
    plane.line[direction, at] = packet
    plane.line_due[direction, at] = now + plane.backhaul[direction, 1]
    plane.line_ends[direction, 1] += 1


@inner
def from_line(plane: Plane, direction: int, now: int) -> int:
    """The next packet that has travelled long enough, or -1. None overtakes another."""
    head = plane.line_ends[direction, 0]
    if head == plane.line_ends[direction, 1]:
        return -1
    at = head % PLACES
    if plane.line_due[direction, at] > now:
        return -1
    plane.line_ends[direction, 0] = head + 1
    return int(plane.line[direction, at])


@inner
def _keep(plane: Plane, place: int, at: int, size: int, bearer: int, direction: int,
          now: int) -> None:
    """The place at the top of the stack is in use from here on."""
    plane.marks[FREE] -= 1
    plane.begin[place] = at
    plane.length[place] = size
    plane.bearer[place] = bearer
    plane.direction[place] = direction
    plane.taken[place] = now


@inner
def _carrier(plane: Plane, at: int, bearer: int, direction: int) -> int:
    """The bearer of a session's packet: another one of its UE where its flow was put there."""
    if plane.marks[RULES] == 0:
        return bearer
    found = rule_of(plane, at, direction)
    if found < 0:
        return bearer
    plane.of_bearer[bearer, direction, OF_READ] -= 1  # counted where it is carried
    plane.of_bearer[found, direction, OF_READ] += 1
    return found


@inner
def offer(plane: Plane, packet: int) -> None:
    """For the radio to take in this slot."""
    plane.offered[plane.marks[OFFERED]] = packet
    plane.marks[OFFERED] += 1


@inner
def _user_packet(plane: Plane, device: int, number: int, peer: int, tunnels: int,
                 ) -> tuple[int, int, int]:
    """Bearer, first byte and size of what a datagram carries; -1 where that is no user packet."""
    at, size = lies_at(number), size_of(plane, number)
    kind, tunnel, inner, length = decapsulate(plane.pool, at, size)
    if size > plane.marks[MTU] + HEADROOM or kind == MALFORMED:
        plane.marks[GARBAGE] += 1
        return -1, 0, 0
    if kind == ECHO_REQUEST:
        plane.marks[OTHER] += 1
        sendto(plane.polled[device, 0], plane.pool.ctypes.data + at, answer_echo(plane.pool, at),
               DONT_WAIT, plane.senders.ctypes.data + number * NAME_BYTES, plane.name_size[0])
        return -1, 0, 0
    if kind != G_PDU:
        plane.marks[OTHER] += 1
        return -1, 0, 0
    if not from_peer(plane, number, peer) or length > plane.marks[MTU]:
        plane.marks[GARBAGE] += 1
        return -1, 0, 0
    bearer = find(plane.keys, plane.values, tunnels | tunnel)
    if bearer < 0:
        plane.marks[UNKNOWN] += 1
    return bearer, inner, length


@inner
def _at_base_station(plane: Plane, device: int, number: int, now: int) -> None:
    """Downlink, out of the tunnel."""
    bearer, inner, length = _user_packet(plane, device, number, UPF_NAME, TUNNEL_DOWN)
    if bearer >= 0:
        count(plane, DOWN, TAKEN, length)
        place = next_place(plane)
        at = place * STRIDE + HEADROOM
        memcpy(plane.pool.ctypes.data + at, plane.pool.ctypes.data + inner, length)
        arrive(plane, place, at, length, bearer, now)


@inner
def _at_core(plane: Plane, device: int, number: int) -> None:
    """Uplink, out of the tunnel."""
    bearer, inner, length = _user_packet(plane, device, number, GNB_NAME, TUNNEL_UP)
    if bearer < 0:
        return
    count(plane, UP, TAKEN, length)
    key = address_of(plane.pool, inner, length, False)
    if key == MALFORMED or find(plane.keys, plane.values, key) != bearer:
        drop(plane, UP, R_FOREIGN, bearer, length)
    else:
        flow = rule_of(plane, inner, UP) if plane.marks[RULES] > 0 else -1
        to_network(plane, inner, length, flow if flow >= 0 else bearer)


@inner
def to_network(plane: Plane, at: int, size: int, bearer: int) -> None:
    """Uplink's last step: into the network that the session is of."""
    device = plane.bearers[bearer, N6_DEVICE]
    if write(plane.polled[device, 0], plane.pool.ctypes.data + at, size) == size:
        count(plane, UP, DELIVERED, size)
        plane.of_bearer[bearer, UP, OF_DELIVERED] += 1
    else:
        drop(plane, UP, R_DEVICE, bearer, size)
