"""The scheduler, compiled: packets in, one slot after another, packets out or dropped.

    reason = enqueue(mac, bearer, direction, packet, size, now)
    run_slot(mac, slot, now)  # then read what is delivered and dropped, up to `ends`; clear that

`oracle` is the same in plain words; tests hold one to the other. It reads no clock.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from testbed.ran.mac.blocks import draw, end_all_blocks, end_blocks, mcs_now
from testbed.ran.mac.grants import serve
from testbed.ran.mac.queues import (
    BYTES,
    KNOWN,
    REPORT_AT,
    REQUEST_AT,
    SINCE,
    drop_all,
    enqueue,
    forget,
    rewind,
)
from testbed.ran.mac.state import (
    GIVEN_UP,
    GONE,
    ORDERS,
    Bearer,
    Line,
    Mac,
    N,
    Order,
    Reason,
    Ue,
)
from testbed.ran.plane.compiled import compiled, inner

__all__ = ["enqueue", "run_slot"]

N_SLOT, N_CELLS, N_UES, N_BEARERS, N_SLICES, N_REQUEST, N_JITTER, N_GRANT, N_REQUEST_BYTES, \
    N_HANDOVER, N_FAILURE, N_REESTABLISH, N_GIVE_UP, N_HEAD, N_TAIL, N_REFUSED = (
        int(one) for one in (
            N.SLOT, N.CELLS, N.UES, N.BEARERS, N.SLICES, N.REQUEST_SLOTS, N.REQUEST_JITTER,
            N.GRANT_SLOTS, N.REQUEST_BYTES, N.HANDOVER_SLOTS, N.FAILURE_SLOTS,
            N.REESTABLISH_SLOTS, N.GIVE_UP_SLOTS, N.ORDER_HEAD, N.ORDER_TAIL, N.REFUSED))
U_CELL, U_UP_AT, U_OUT, U_FAILED, U_CAP, U_BROKEN = (int(one) for one in (
    Ue.CELL, Ue.UP_AT, Ue.OUT_SINCE, Ue.FAILED, Ue.CAP, Ue.BROKEN))
SHARE, CAP, MOVE, CELL, RESTART, LEAVE, RETURN = (int(one) for one in Order)
LINK_FAILED, RESTARTED = int(Reason.LINK_FAILED), int(Reason.RESTARTED)
REPORT, SERVED, LINE_END = int(Bearer.REPORT), int(Bearer.SERVED), int(Line.END)
DOWN, UP = 0, 1


@compiled
def run_slot(mac: Mac, slot: int, now: int) -> None:
    """Orders, links, what was decoded, requests, and the slot's grants."""
    mac.numbers[N_SLOT] = slot
    _obey(mac)
    _links(mac)
    if end_blocks(mac, now):
        _reestablish(mac)
    for cell in range(mac.numbers[N_CELLS]):
        _requests(mac, cell)
        serve(mac, cell, DOWN, now)
        serve(mac, cell, UP, now)


@inner
def _links(mac: Mac) -> None:
    """Who is in range; whose link has failed, and for how long."""
    slot = mac.numbers[N_SLOT]
    for ue in range(mac.numbers[N_UES]):
        row = mac.ues[ue]
        if row[U_FAILED] == GONE:
            continue
        if mac.cell_up[row[U_CELL]] == 1 and mcs_now(
                mac.channel, mac.ues, ue, DOWN, slot) >= 0:
            if row[U_FAILED] != 0:
                row[U_FAILED] = 0
                row[U_UP_AT] = slot + mac.numbers[N_REESTABLISH]
            row[U_OUT] = -1
            continue
        if row[U_OUT] < 0:
            row[U_OUT] = slot
        out = slot - row[U_OUT]
        if row[U_FAILED] == 0 and out >= mac.numbers[N_FAILURE]:
            row[U_FAILED] = 1
            _interrupt(mac, ue, 0)
        if row[U_FAILED] == 1 and out >= mac.numbers[N_GIVE_UP]:
            row[U_FAILED] = GIVEN_UP
            _throw_away(mac, ue, LINK_FAILED)


@inner
def _reestablish(mac: Mac) -> None:
    """Each UE of which RLC gave up in this slot begins anew, unless its link has failed anyway."""
    for ue in range(mac.numbers[N_UES]):
        row = mac.ues[ue]
        if row[U_BROKEN] == 1 and row[U_FAILED] == 0:
            _interrupt(mac, ue, mac.numbers[N_REESTABLISH])
        row[U_BROKEN] = 0


@inner
def _interrupt(mac: Mac, ue: int, slots: int) -> None:
    """A UE hears nothing for so long; what it was sent and did not get is sent anew."""
    mac.ues[ue, U_UP_AT] = max(mac.ues[ue, U_UP_AT], mac.numbers[N_SLOT] + slots)
    for bearer in range(mac.numbers[N_BEARERS]):
        if mac.bearer_ue[bearer] == ue:
            for direction in range(2):
                end_all_blocks(mac, bearer, direction)
                rewind(mac, bearer, direction)


@inner
def _throw_away(mac: Mac, ue: int, reason: int) -> None:
    for bearer in range(mac.numbers[N_BEARERS]):
        if mac.bearer_ue[bearer] == ue:
            for direction in range(2):
                end_all_blocks(mac, bearer, direction)
                drop_all(mac, bearer, direction, reason)


@inner
def _requests(mac: Mac, cell: int) -> None:
    """What the base station comes to know of uplink queues, and who asks."""
    slot = mac.numbers[N_SLOT]
    for place in range(mac.member_count[cell]):
        bearer = mac.members[cell, place]
        st = mac.bearers[bearer, UP]
        if st[REPORT_AT] == slot:
            st[KNOWN] = max(0, st[REPORT] - st[SINCE])
            st[REPORT_AT] = -1
        if st[REQUEST_AT] == slot:
            st[KNOWN] = max(st[KNOWN], mac.numbers[N_REQUEST_BYTES])
            st[REQUEST_AT] = -1
        if st[BYTES] <= 0 or st[KNOWN] > 0 or st[REQUEST_AT] >= 0 or st[REPORT_AT] >= 0:
            continue
        row = mac.ues[mac.bearer_ue[bearer]]
        if row[U_FAILED] == 0 and row[U_UP_AT] <= slot:
            period = mac.numbers[N_REQUEST]
            wait = (mac.bearer_ue[bearer] - slot) % period
            late = draw(mac) % (mac.numbers[N_JITTER] + 1)
            st[REQUEST_AT] = slot + wait + late + mac.numbers[N_GRANT]


@inner
def _obey(mac: Mac) -> None:
    """Orders that were given since the last slot."""
    while mac.numbers[N_TAIL] != mac.numbers[N_HEAD]:
        row = mac.orders[mac.numbers[N_TAIL] % ORDERS]
        if not _obey_one(mac, row):
            mac.numbers[N_REFUSED] += 1
        mac.numbers[N_TAIL] += 1


@inner
def _obey_one(mac: Mac, row: NDArray[np.int64]) -> bool:
    """Whether it named what is there."""
    kind, one, two = row[0], row[1], row[2]
    numbers = mac.numbers
    if kind == SHARE:
        if one < -1 or one >= numbers[N_CELLS] or two < 0 or two >= numbers[N_SLICES]:
            return False
        for cell in range(numbers[N_CELLS]):
            if one in (-1, cell):
                mac.shares[cell, two, 0] = row[3]
                mac.shares[cell, two, 1] = row[4]
                mac.shares[cell, two, 2] = row[5]
        return True
    if kind == RESTART:
        _restart(mac)
        return True
    if kind == CELL:
        if one < 0 or one >= numbers[N_CELLS]:
            return False
        mac.cell_up[one] = two
        return True
    if one < 0 or one >= numbers[N_UES]:
        return False
    if kind == CAP:
        mac.ues[one, U_CAP] = two
    elif kind == MOVE:
        return _move(mac, one, two)
    elif kind == LEAVE:
        _throw_away(mac, one, LINK_FAILED)
        mac.ues[one, U_FAILED] = GONE
    elif kind == RETURN:
        mac.ues[one, U_FAILED] = 0
        mac.ues[one, U_OUT] = -1
        mac.ues[one, U_UP_AT] = numbers[N_SLOT] + numbers[N_REESTABLISH]
    else:
        return False
    return True


@inner
def _move(mac: Mac, ue: int, cell: int) -> bool:
    """Hand a UE over."""
    before = mac.ues[ue, U_CELL]
    if cell < 0 or cell >= mac.numbers[N_CELLS] or cell == before:
        return False
    _interrupt(mac, ue, mac.numbers[N_HANDOVER])
    mac.ues[ue, U_CELL] = cell
    mac.ues[ue, U_OUT] = -1
    for bearer in range(mac.numbers[N_BEARERS]):
        if mac.bearer_ue[bearer] != ue:
            continue
        last = mac.members[before, mac.member_count[before] - 1]
        mac.members[before, mac.member_at[bearer]] = last
        mac.member_at[last] = mac.member_at[bearer]
        mac.member_count[before] -= 1
        mac.member_at[bearer] = mac.member_count[cell]
        mac.members[cell, mac.member_count[cell]] = bearer
        mac.member_count[cell] += 1
        for direction in range(2):
            mac.bearers[bearer, direction, SERVED] = mac.lines[
                cell, direction, mac.bearer_slice[bearer], LINE_END]
    return True


@inner
def _restart(mac: Mac) -> None:
    """The base station begins anew: nothing is inside, counters are 0."""
    for bearer in range(mac.numbers[N_BEARERS]):
        for direction in range(2):
            end_all_blocks(mac, bearer, direction)
            drop_all(mac, bearer, direction, RESTARTED)
            forget(mac, bearer, direction)
    mac.counts[:] = 0
    mac.cell_used[:] = 0
    mac.ues[:, U_CAP] = 100
    mac.ues[:, U_UP_AT] = mac.numbers[N_SLOT] + mac.numbers[N_REESTABLISH]
