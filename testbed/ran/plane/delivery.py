"""What the loop writes: packets that the radio gave back, to the UE or towards the core."""

from __future__ import annotations

from testbed.ran.plane.batches import UPF_NAME, keep_for_tunnel, send_all
from testbed.ran.plane.calls import write
from testbed.ran.plane.compiled import inner
from testbed.ran.plane.counting import count, drop, drop_packet, is_lost, release
from testbed.ran.plane.headers import DOWN, GTP_BYTES, UP, encapsulate
from testbed.ran.plane.histogram import note
from testbed.ran.plane.intake import from_line, put_on_line, to_network
from testbed.ran.plane.memory import OF_DELIVERED, Count, Mark, Of, Plane
from testbed.ran.plane.radio import Radio

GNB = int(Mark.GNB)
R_BACKHAUL, R_DETACHED, R_DEVICE, R_AIR = (int(one) for one in (
    Count.BACKHAUL, Count.DETACHED, Count.DEVICE, Count.AIR))
DELIVERED = int(Count.DELIVERED)
UE_DEVICE, QFI, ATTACHED, UP_TUNNEL = (int(one) for one in (
    Of.UE_DEVICE, Of.QFI, Of.ATTACHED, Of.TUNNEL_UP))


@inner
def deliver_all(plane: Plane, air: Radio, now: int) -> None:
    """Hand on what the radio gave back in this slot, in its order."""
    for place in range(air.ends[1]):
        drop_packet(plane, air.dropped[place], R_AIR + air.reasons[place])
    for place in range(air.ends[0]):
        _deliver(plane, air.delivered[place], now)
    air.ends[0] = 0
    air.ends[1] = 0
    while True:
        packet = from_line(plane, UP, now)
        if packet < 0:
            break
        _to_core(plane, packet)
    if plane.send_count[UP] > 0:
        send_all(plane, UP, plane.marks[GNB])


@inner
def _deliver(plane: Plane, packet: int, now: int) -> None:
    direction = plane.direction[packet]
    if plane.bearers[plane.bearer[packet], ATTACHED] == 0:
        drop_packet(plane, packet, R_DETACHED)
        return
    note(plane.delay[direction], now - plane.taken[packet])
    if direction == DOWN:
        _to_ue(plane, packet)
    elif is_lost(plane, UP):
        drop_packet(plane, packet, R_BACKHAUL)
    elif plane.backhaul[UP, 1] > 0 or plane.line_ends[UP, 0] != plane.line_ends[UP, 1]:
        put_on_line(plane, packet, now)
    else:
        _to_core(plane, packet)


@inner
def _to_ue(plane: Plane, packet: int) -> None:
    bearer, size = plane.bearer[packet], plane.length[packet]
    device = plane.bearers[bearer, UE_DEVICE]
    written = write(plane.polled[device, 0], plane.pool.ctypes.data + plane.begin[packet], size)
    if written == size:
        count(plane, DOWN, DELIVERED, size)
        plane.of_bearer[bearer, DOWN, OF_DELIVERED] += 1
    else:
        drop(plane, DOWN, R_DEVICE, bearer, size)
    release(plane, packet)


@inner
def _to_core(plane: Plane, packet: int) -> None:
    bearer, at, size = plane.bearer[packet], plane.begin[packet], plane.length[packet]
    if plane.marks[GNB] < 0:
        to_network(plane, at, size, bearer)
        release(plane, packet)
        return
    begin = encapsulate(plane.pool, at, size, plane.bearers[bearer, UP_TUNNEL],
                        plane.bearers[bearer, QFI], UP)
    keep_for_tunnel(plane, UP, plane.marks[GNB], UPF_NAME, begin, size + GTP_BYTES, size, bearer,
                    packet)
