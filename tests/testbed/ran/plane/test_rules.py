"""Single flows in another bearer of their UE: the table, whose packets it is for, the account."""

from __future__ import annotations

import socket
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.ran.plane.headers import DOWN, UP, decapsulate
from testbed.ran.plane.memory import (
    MOST_RULES,
    OF_DELIVERED,
    OF_READ,
    RULE_WORDS,
    Mark,
    Of,
    Plane,
    make,
)
from testbed.ran.plane.obeying import Order, give
from testbed.ran.plane.rules import find_rule, flow_words, put_rule, take_rule_out
from testbed.ran.plane.table import EMPTY
from tests.testbed.ran.plane.scene import (
    CORE,
    CORE_6,
    Scene,
    packet,
    received,
    scene,
    ue_address,
    ue_address_6,
)
from tests.testbed.ran.plane.test_intake import fragments
from xapp.flow_ends import FlowEnds

SECOND = 7  # UE 0's other bearer
UE_PORT, CORE_PORT = 1, 2  # of `packet`, from the UE
WORDS = st.tuples(*[st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-2, 2)] * RULE_WORDS)
Flows = dict[tuple[int, ...], int]


def second(one: Scene) -> None:
    """UE 0 has another bearer."""
    one.plane.bearers[SECOND] = one.plane.bearers[0]
    one.plane.bearers[SECOND, Of.QFI] = 9


def mapped(one: Scene, flow: FlowEnds, on: bool = True) -> None:
    words = flow_words(flow)
    give(one.plane, 0, *((Order.RULE, *words, SECOND) if on else (Order.NO_RULE, *words)))
    one.slot()


def ends(ue: str, core: str, ue_port: int = UE_PORT, core_port: int = CORE_PORT) -> FlowEnds:
    return FlowEnds(ue, ue_port, core, core_port, "udp")


def carried(one: Scene, direction: int) -> tuple[int, int]:
    """Packets delivered in UE 0's own bearer, and in its second."""
    return (int(one.plane.of_bearer[0, direction, OF_DELIVERED]),
            int(one.plane.of_bearer[SECOND, direction, OF_DELIVERED]))


def answer(core: str, ue: str, core_port: int = CORE_PORT, ue_port: int = UE_PORT) -> bytes:
    """A packet to the UE, with these ports."""
    data = bytearray(packet(core, ue))
    head = 40 if ":" in core else 20
    data[head:head + 4] = struct.pack(">HH", core_port, ue_port)
    return bytes(data)


@pytest.mark.parametrize("tunnel", [False, True], ids=["plain", "tunnel"])
@pytest.mark.parametrize(("core", "ue"), [(CORE, ue_address(0)), (CORE_6, ue_address_6(0))],
                         ids=["IPv4", "IPv6"])
def test_one_flow_goes_through_the_second_bearer_both_ways(core: str, ue: str,
                                                           tunnel: bool) -> None:
    with scene(tunnel=tunnel) as one:
        second(one)
        mapped(one, ends(ue, core))
        down, up = answer(core, ue), packet(ue, core)
        for data in (down, answer(core, ue, 9), answer(core, ue, CORE_PORT, 9)):
            one.core.send(data)
        one.ues[0].send(up)
        for _ in range(2):
            one.slot()
        assert (received(one.ues[0])[0], received(one.core)) == (down, [up])
        assert (carried(one, DOWN), carried(one, UP)) == ((2, 1), (0, 1))
        mapped(one, ends(ue, core), on=False)
        assert one.plane.marks[Mark.RULES] == 0
        one.core.send(down)
        one.ues[0].send(up)
        for _ in range(2):
            one.slot()
        assert (carried(one, DOWN), carried(one, UP)) == ((3, 1), (1, 1))
        assert (one.used(), one.inside()) == (0, 0)
        read = one.plane.of_bearer[:, :, OF_READ]
        assert (read == one.plane.of_bearer[:, :, OF_DELIVERED]).all()


def test_the_tunnel_shows_the_flows_own_qos_flow_in_the_sessions_tunnel() -> None:
    with scene(tunnel=True) as one, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as heard:
        second(one)
        mapped(one, ends(ue_address(0), CORE))
        heard.bind(("127.0.0.1", 0))
        heard.settimeout(10)
        # The base station's end is somebody who listens.
        name = struct.pack("=H", socket.AF_INET) + struct.pack(">H", heard.getsockname()[1])
        name += socket.inet_aton("127.0.0.1") + bytes(8)
        one.plane.names[0, :len(name)] = np.frombuffer(name, np.uint8)
        seen = []
        for data in (answer(CORE, ue_address(0)), answer(CORE, ue_address(0), 9)):
            one.core.send(data)
            one.slot()
            told = np.frombuffer(heard.recv(2000), np.uint8)
            _, tunnel, _, _ = decapsulate(told, 0, len(told))
            seen.append((tunnel, int(told[14]) & 63))
        assert [qfi for _, qfi in seen] == [9, 1]
        assert seen[0][0] == seen[1][0]


@pytest.mark.parametrize(("core", "ue"), [(CORE, ue_address(0)), (CORE_6, ue_address_6(0))],
                         ids=["IPv4", "IPv6"])
def test_fragments_stay_in_the_sessions_own_bearer_all_of_them(core: str, ue: str) -> None:
    with scene() as one:
        second(one)
        mapped(one, ends(ue, core))
        sent = fragments(ue, core)
        for data in sent:
            one.ues[0].send(data)
        one.slot()
        assert received(one.core) == sent
        assert carried(one, UP) == (2, 0)


@pytest.mark.parametrize("protocol", [1, 47, 132])
def test_what_is_neither_tcp_nor_udp_stays(protocol: int) -> None:
    with scene() as one:
        second(one)
        mapped(one, ends(ue_address(0), CORE))
        data = bytearray(packet(ue_address(0), CORE))
        data[9] = protocol
        one.ues[0].send(bytes(data))
        one.slot()
        assert carried(one, UP) == (1, 0)


def test_a_packet_too_short_for_ports_stays() -> None:
    """Though there is more behind it: what its header does not count is none of it."""
    with scene() as one:
        second(one)
        mapped(one, ends(ue_address(0), CORE))
        data = bytearray(packet(ue_address(0), CORE))
        data[2:4] = struct.pack(">H", 22)
        one.ues[0].send(bytes(data))
        one.slot()
        assert carried(one, UP) == (1, 0)


def test_a_flow_of_another_ue_or_protocol_is_another() -> None:
    with scene() as one:
        second(one)
        mapped(one, ends(ue_address(0), CORE))
        one.ues[1].send(packet(ue_address(1), CORE))
        tcp = bytearray(packet(ue_address(0), CORE))
        tcp[9] = 6
        one.ues[0].send(bytes(tcp))
        one.slot()
        assert carried(one, UP) == (1, 0)


def test_what_is_on_its_way_when_a_flow_is_put_elsewhere_is_delivered_from_there() -> None:
    """No packet is lost or doubled by it; each bearer keeps its own order."""
    with scene() as one:
        second(one)
        one.plane.backhaul[UP, 1] = 5_000_000_000
        flow = ends(ue_address(0), CORE)
        sent = [packet(ue_address(0), CORE, mark=number) for number in range(6)]
        for data in sent[:3]:
            one.ues[0].send(data)
        one.slot()
        mapped(one, flow)
        for data in sent[3:5]:
            one.ues[0].send(data)
        one.slot()
        mapped(one, flow, on=False)
        one.ues[0].send(sent[5])
        one.slot()
        one.slot(after_ns=6_000_000_000)
        assert received(one.core) == sent
        assert carried(one, UP) == (4, 2)
        assert (one.used(), one.inside()) == (0, 0)


def test_a_second_bearer_of_a_ue_that_is_gone_carries_nothing() -> None:
    with scene() as one:
        second(one)
        mapped(one, ends(ue_address(0), CORE))
        for bearer in (0, SECOND):
            give(one.plane, 0, Order.DETACH, bearer)
        one.core.send(answer(CORE, ue_address(0)))
        one.slot()
        assert one.dropped(DOWN) == {"DETACHED": 1}


def test_the_table_has_an_end_and_says_so() -> None:
    plane = make(1400, 1, 1, 1, 16)
    for number in range(MOST_RULES):
        assert put_rule(plane, 1, 2, 3, 4, number, 5)
    assert not put_rule(plane, 1, 2, 3, 4, MOST_RULES, 5)
    assert put_rule(plane, 1, 2, 3, 4, 0, 6)  # what is there may change
    assert find_rule(plane, 1, 2, 3, 4, 0) == 6
    assert take_rule_out(plane, 1, 2, 3, 4, 1)
    assert put_rule(plane, 1, 2, 3, 4, MOST_RULES, 5)


@pytest.fixture(scope="module")
def plane() -> Plane:
    return make(1400, 1, 1, 1, 16)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), WORDS, st.integers(0, 4095)), max_size=60))
def test_the_table_is_a_dictionary(plane: Plane,
                                   moves: list[tuple[bool, tuple[int, ...], int]]) -> None:
    plane.rule_values[:] = EMPTY
    plane.marks[Mark.RULES] = 0
    known: Flows = {}
    for entered, (ue, own, peer, other, ports), bearer in moves:
        words = ue, own, peer, other, ports
        if entered:
            assert put_rule(plane, *words, bearer)
            known[words] = bearer
        else:
            assert take_rule_out(plane, *words) == (known.pop(words, None) is not None)
        assert plane.marks[Mark.RULES] == len(known)
        for one in [*known, words]:
            assert find_rule(plane, one[0], one[1], one[2], one[3], one[4]) == known.get(one, EMPTY)


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1, max_size=120), st.booleans())
def test_hostile_bytes_crash_nothing_with_flows_in_the_table(data: bytes, up: bool) -> None:
    with scene(1) as one:
        second(one)
        mapped(one, ends(ue_address(0), CORE))
        (one.ues[0] if up else one.core).send(data)
        one.slot()
        assert (one.used(), one.inside()) == (0, 0)


@settings(max_examples=60, deadline=None)
@given(st.ip_addresses(v=4), st.integers(1, 65535))
def test_different_flows_have_different_keys(address: object, port: int) -> None:
    first, other = FlowEnds(str(address), port, CORE, 443), FlowEnds(str(address), port, CORE, 444)
    assert len({flow_words(first), flow_words(other),
                flow_words(FlowEnds(str(address), port, CORE, 443, "udp"))}) == 3
