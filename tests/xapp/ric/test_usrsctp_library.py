"""libusrsctp through ctypes: two sockets that talk through a list, without a network."""

from __future__ import annotations

import ctypes
import errno
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from tests.xapp.ric.scene import HANG_SECONDS, HASTY
from xapp.ric import usrsctp, usrsctp_library, usrsctp_stack
from xapp.ric.association import reason_of
from xapp.ric.transport import PPID_CU_CP, PPID_DU, Limits
from xapp.ric.usrsctp_library import END_OF_MESSAGE, NOTIFICATION, Library

pytestmark = pytest.mark.skipif(not usrsctp.available(), reason="libusrsctp2 is not installed")
PORT = 36421
RIC, NODE = 1, 2  # the numbers under which each knows the other


class Wire:
    """Hands packets from one to the other, where `lost` does not say otherwise."""

    def __init__(self) -> None:
        self.packets: list[tuple[int, bytes]] = []
        self.lost = False
        self.library = Library(lambda peer, packet: self.packets.append((peer, packet)))
        for number in (RIC, NODE):
            self.library.know(number)
        self.listening = self.library.open(HASTY)
        self.library.bind(self.listening, PORT)
        self.library.listen(self.listening)

    def carry(self) -> None:
        while self.packets:
            peer, packet = self.packets.pop(0)
            buffer = ctypes.create_string_buffer(packet, len(packet))
            if not self.lost:
                self.library.receive(RIC + NODE - peer, ctypes.addressof(buffer), len(packet))

    def connected(self) -> tuple[int, int]:
        node = self.library.open(HASTY)
        self.library.set_path(node, HASTY, 1400)
        self.library.connect(node, PORT, RIC)
        self.carry()
        accepted = self.library.accept(self.listening)
        assert accepted is not None
        ric, number, port = accepted
        assert number == NODE
        self.library.set_path(ric, HASTY, 1400, (number, port))
        for handle in (ric, node):
            change = usrsctp_library.CHANGE.unpack_from(self.read(handle)[0])
            assert change[0] == usrsctp_library.ASSOCIATION_CHANGE
            assert change[3] == usrsctp_library.UP
        return ric, node

    def read(self, handle: int) -> tuple[bytes, int, int]:
        return self.library.read(handle)

    def until(self, condition: Callable[[], bool]) -> None:
        """Let time go by, which the library also looks up itself."""
        begun = ticked = time.monotonic()
        while not condition():
            time.sleep(0.001)
            now = time.monotonic()
            assert now < begun + HANG_SECONDS
            passed = int((now - ticked) * 1e3)
            ticked += passed / 1e3
            self.library.tick(passed)
            self.carry()

    def readable(self, handle: int) -> Callable[[], bool]:
        self.library.ready.pop(handle, None)
        return lambda: handle in self.library.ready


@pytest.fixture
def wire() -> Iterator[Wire]:
    assert usrsctp_stack._stack is None
    made = Wire()
    yield made
    made.library.close(made.listening)
    made.carry()
    assert made.library.finish()


def test_a_message_has_its_identifier_and_its_end(wire: Wire) -> None:
    ric, node = wire.connected()
    assert wire.library.send(node, b"setup", PPID_DU)
    wire.carry()
    assert ric in wire.library.ready
    assert wire.read(ric) == (b"setup", PPID_DU, END_OF_MESSAGE)
    with pytest.raises(BlockingIOError):
        wire.read(ric)
    # The identifier is in network order in the packet: Wireshark and kernels read it so.
    wire.library.send(node, b"look", PPID_CU_CP)
    assert PPID_CU_CP.to_bytes(4, "big") + b"look" in wire.packets[0][1]
    wire.carry()
    for handle in (ric, node):
        wire.library.close(handle)


def test_what_is_lost_is_sent_again_in_time(wire: Wire) -> None:
    ric, node = wire.connected()
    wire.lost = True
    wire.library.send(node, b"again", PPID_DU)
    wire.carry()
    wire.lost = False
    with pytest.raises(BlockingIOError):
        wire.read(ric)
    wire.until(wire.readable(ric))
    assert wire.read(ric) == (b"again", PPID_DU, END_OF_MESSAGE)
    for handle in (ric, node):
        wire.library.close(handle)


def test_a_peer_that_answers_nothing_is_lost_within_the_limits(wire: Wire) -> None:
    ric, node = wire.connected()
    wire.lost = True
    wire.until(wire.readable(ric))
    data, _, flags = wire.read(ric)
    assert flags & NOTIFICATION
    assert usrsctp_library.CHANGE.unpack_from(data)[3] == usrsctp_library.LOST
    with pytest.raises(OSError, match=r".") as caught:
        wire.read(ric)
    assert caught.value.errno == errno.ECONNABORTED
    assert "does not answer" in reason_of(caught.value)
    for handle in (ric, node):
        wire.library.close(handle)


def test_a_full_buffer_takes_no_more_and_says_when_it_does(wire: Wire) -> None:
    ric, node = wire.connected()
    sent = 0
    while wire.library.send(node, bytes(10_000), PPID_DU):
        sent += 1
        assert sent < 1000
    wire.library.ready.clear()
    received = 0
    wire.carry()
    while received < sent:
        try:
            data, _, flags = wire.read(ric)
        except BlockingIOError:
            wire.until(wire.readable(ric))
            continue
        assert (len(data), flags) == (10_000, END_OF_MESSAGE)
        received += 1
    assert node in wire.library.ready
    assert wire.library.send(node, b"room", PPID_DU)
    for handle in (ric, node):
        wire.library.close(handle)


def test_a_port_is_one_sockets(wire: Wire) -> None:
    other = wire.library.open(Limits())
    with pytest.raises(OSError, match="in use"):
        wire.library.bind(other, PORT)
    wire.library.close(other)


def test_an_end_is_seen_behind_what_was_sent(wire: Wire) -> None:
    ric, node = wire.connected()
    wire.library.send(node, b"last", PPID_DU)
    wire.library.shut_down(node)
    wire.until(wire.readable(node))
    assert wire.read(ric)[0] == b"last"
    while (found := wire.read(ric))[2] & NOTIFICATION:
        pass
    assert found[0] == b""
    for handle in (ric, node):
        wire.library.close(handle)


def test_layouts_are_those_of_the_library() -> None:
    sizes = [layout.size for layout in (
        usrsctp_library.RTO_INFO, usrsctp_library.ASSOCIATION_INFO, usrsctp_library.INIT_INFO,
        usrsctp_library.PATH_INFO, usrsctp_library.EVENT_INFO, usrsctp_library.SEND_INFO,
        usrsctp_library.RECEIVED_INFO)]
    assert sizes == [16, 20, 8, 152, 8, 16, 28]  # as a C compiler says of usrsctp.h
    assert ctypes.sizeof(usrsctp_library._Place) == 16
    assert socket.htons(PORT) != PORT or socket.htons(1) == 1
