"""Packets out: delivered, refused by their device, or given back by the radio."""

from __future__ import annotations

from testbed.ran.plane.headers import DOWN, UP
from testbed.ran.plane.memory import Mark, Of
from tests.testbed.ran.plane.scene import CORE, packet, received, scene, ue_address


def test_a_device_that_takes_nothing_is_told_of() -> None:
    with scene() as one:
        one.ues[0].close()
        one.core.send(packet(CORE, ue_address(0)))
        one.slot()
        assert one.dropped(DOWN) == {"DEVICE": 1}
        assert (one.used(), one.inside()) == (0, 0)


def test_what_is_inside_when_a_ue_goes_is_dropped() -> None:
    with scene() as one:
        one.plane.backhaul[DOWN, 1] = 1_000_000
        one.core.send(packet(CORE, ue_address(0)))
        one.slot()
        one.plane.bearers[0, Of.ATTACHED] = 0
        one.slot(after_ns=2_000_000_000)
        assert one.dropped(DOWN) == {"DETACHED": 1}
        assert received(one.ues[0]) == []
        assert one.used() == 0


def test_neither_way_works_while_a_ue_is_gone() -> None:
    with scene() as one:
        one.plane.bearers[0, Of.ATTACHED] = 0
        one.core.send(packet(CORE, ue_address(0)))
        one.ues[0].send(packet(ue_address(0), CORE))
        one.slot()
        assert one.dropped(DOWN) == one.dropped(UP) == {"DETACHED": 1}


def test_a_device_that_is_gone_is_asked_no_more() -> None:
    with scene() as one:
        one.ues[1].close()
        one.plane.polled[1, 0] = -1
        one.ues[0].send(packet(ue_address(0), CORE))
        one.slot()
        assert len(received(one.core)) == 1
        assert one.plane.marks[Mark.DEVICES_LOST] == 0
