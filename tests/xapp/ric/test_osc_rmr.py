"""RMR through a binding that is made up: every buffer that is taken is given back."""

from __future__ import annotations

import builtins
import importlib.util
import queue
import sys
import types
from types import SimpleNamespace
from typing import Any

import pytest

from xapp.errors import ConfigurationError, TransportError
from xapp.ric import osc_rmr
from xapp.ric.osc_messages import MOST_PAYLOAD, RmrMessage
from xapp.ric.osc_rmr import LibRmr, open_rmr

OK, RETRY, TIMEOUT, NO_ENDPOINT = 0, 10, 12, 2


class Buffer:
    """An RMR message's, as ctypes shows it."""

    def __init__(self, payload: bytes = b"", kind: int = -1, meid: bytes = b"") -> None:
        self.payload, self.meid = payload, meid
        self.contents = SimpleNamespace(state=OK, mtype=kind, sub_id=-1)


class Binding:
    """ricxappframe.rmr.rmr with its library; hands out what is put into `waiting`."""

    RMR_OK, RMR_ERR_RETRY, RMRFL_MTCALL = OK, RETRY, 2

    class InitFailed(Exception):
        pass

    class BadBufferAllocation(Exception):
        pass

    def __init__(self) -> None:
        self.waiting: queue.Queue[Buffer] = queue.Queue()
        self.states: list[int] = []  # that sending ends in, before it is taken
        self.sent: list[tuple[str, int, bytes, bytes, int]] = []
        self.live: set[int] = set()
        self.buffers: list[Buffer] = []  # kept, so that no identity comes twice
        self.opened: tuple[bytes, int, int] | None = None
        self.closed = 0
        self.opens = self.allocates = self.reaches = True
        self.ways: list[bytes] = []  # opened to one place, past all routes

    def rmr_init(self, port: bytes, size: int, flags: int) -> object:
        if not self.opens:
            raise self.InitFailed
        self.opened = port, size, flags
        return object()

    def rmr_alloc_msg(self, context: object, size: int, payload: bytes | None = None,
                      gen_transaction_id: bool = False, mtype: int | None = None,
                      meid: bytes | None = None, sub_id: int | None = None) -> Buffer:
        if payload and not self.allocates:
            raise self.BadBufferAllocation
        return self._new(Buffer(payload or b"", -1 if mtype is None else mtype, meid or b""))

    def _new(self, buffer: Buffer) -> Buffer:
        self.buffers.append(buffer)
        self.live.add(id(buffer))
        return buffer

    def rmr_torcv_msg(self, context: object, buffer: Buffer | None, ms: int) -> Buffer:
        assert buffer is not None, "the time-out is told in a buffer"
        try:
            found = self.waiting.get(timeout=0.02)
        except queue.Empty:
            buffer.contents.state = TIMEOUT
            return buffer
        self.rmr_free_msg(buffer)
        return self._new(found)

    def rmr_send_msg(self, context: object, buffer: Buffer) -> Buffer:
        return self._sent("send", buffer)

    def rmr_rts_msg(self, context: object, buffer: Buffer, payload: bytes, mtype: int) -> Buffer:
        buffer.payload, buffer.contents.mtype = payload, mtype
        return self._sent("answer", buffer)

    def rmr_wh_open(self, context: object, to: bytes) -> bytes:
        self.ways.append(to)
        return to

    def rmr_wh_state(self, context: object, way: bytes) -> int:
        return OK if self.reaches else NO_ENDPOINT

    def rmr_wh_send_msg(self, context: object, way: bytes, buffer: Buffer) -> Buffer:
        return self._sent(f"to {way.decode()}", buffer)

    def _sent(self, way: str, buffer: Buffer) -> Buffer:
        buffer.contents.state = self.states.pop(0) if self.states else OK
        if buffer.contents.state == OK:
            self.sent.append((way, buffer.contents.mtype, buffer.payload, buffer.meid,
                              buffer.contents.sub_id))
        return buffer

    def rmr_free_msg(self, buffer: Buffer) -> None:
        self.live.remove(id(buffer))  # twice is an error

    def get_payload(self, buffer: Buffer) -> bytes:
        return buffer.payload

    def rmr_get_meid(self, buffer: Buffer) -> bytes:
        return buffer.meid

    def rmr_close(self, context: object) -> None:
        self.closed += 1


class Scene:
    def __init__(self) -> None:
        self.binding = Binding()
        self.came: queue.Queue[RmrMessage] = queue.Queue()
        self.rmr = LibRmr(self.binding, 4560, self.came.put)

    def receive(self, buffer: Buffer) -> RmrMessage:
        self.binding.waiting.put(buffer)
        return self.came.get(timeout=5)

    def end(self) -> None:
        self.rmr.close()
        assert self.binding.live == set()
        assert self.binding.closed == 1


def test_messages_come_with_their_type_and_ran() -> None:
    scene = Scene()
    buffer = Buffer(b"data", 12050, b"gnb_1\0\0")
    buffer.contents.sub_id = 17
    message = scene.receive(buffer)
    assert message == RmrMessage(12050, b"data", "gnb_1", 17, message.origin)
    assert scene.binding.opened == (b"4560", MOST_PAYLOAD, 2)
    scene.rmr.done(message)
    scene.rmr.done(message)  # it is done with already
    scene.end()


def test_answers_go_to_the_sender_and_all_else_where_the_routes_say() -> None:
    scene = Scene()
    message = scene.receive(Buffer(b"", 100))
    scene.rmr.send(RmrMessage(101, b"OK", origin=message.origin))
    scene.rmr.send(RmrMessage(12040, b"control", "gnb_1"))
    scene.rmr.done(message)
    assert scene.binding.sent == [("answer", 101, b"OK", b"", -1),
                                  ("send", 12040, b"control", b"gnb_1", -1)]
    scene.end()


def test_it_tries_again_at_once_and_not_for_ever() -> None:
    scene = Scene()
    scene.binding.states = [RETRY, RETRY]
    scene.rmr.send(RmrMessage(12040, b"control", "gnb_1"))
    assert len(scene.binding.sent) == 1
    for states in ([NO_ENDPOINT], [RETRY, RETRY, RETRY]):
        scene.binding.states = states
        with pytest.raises(TransportError, match="12040"):
            scene.rmr.send(RmrMessage(12040, b"control", "gnb_1"))
        assert scene.binding.states == []
    scene.binding.allocates = False
    with pytest.raises(TransportError, match="no buffer"):
        scene.rmr.send(RmrMessage(12040, b"control", "gnb_1"))
    with pytest.raises(TransportError, match="too long"):
        scene.rmr.send(RmrMessage(12040, b"control", "x" * 32))
    scene.end()


def test_what_nobody_deals_with_in_time_is_lost_and_counted(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(osc_rmr, "MOST_KEPT", 2)
    scene = Scene()
    for _ in range(2):
        scene.receive(Buffer(b"", 12050))
    scene.binding.waiting.put(Buffer(b"", 12050))
    scene.binding.waiting.put(Buffer(b"", 12050))
    scene.rmr.close()
    assert scene.rmr.lost + scene.binding.waiting.qsize() == 2
    assert scene.binding.live == set()


def test_a_port_that_cannot_be_opened_is_named() -> None:
    binding = Binding()
    binding.opens = False
    with pytest.raises(TransportError, match="4560"):
        LibRmr(binding, 4560, lambda message: None)


@pytest.mark.skipif(importlib.util.find_spec("ricxappframe") is not None,
                    reason="the framework is here")
def test_without_the_framework_it_says_what_to_install() -> None:
    with pytest.raises(ConfigurationError, match="pip install --no-deps ricxappframe"):
        open_rmr(4560, lambda message: None)


def test_without_the_library_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> types.ModuleType:
        if name == "ricxappframe.rmr":
            raise OSError("librmr_si.so: cannot open shared object file")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigurationError, match="librmr_si"):
        open_rmr(4560, lambda message: None)


def test_with_both_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    binding = Binding()
    package = types.ModuleType("ricxappframe")
    module = types.ModuleType("ricxappframe.rmr")
    module.rmr = binding  # type: ignore[attr-defined]  # it is made here
    monkeypatch.setitem(sys.modules, "ricxappframe", package)
    monkeypatch.setitem(sys.modules, "ricxappframe.rmr", module)
    rmr = open_rmr(4560, lambda message: None)
    assert binding.opened is not None
    rmr.close()
    assert binding.closed == 1


def test_what_has_an_address_goes_there_by_a_way_that_is_opened_once() -> None:
    scene = Scene()
    for payload in (b"one", b"two"):
        scene.rmr.send(RmrMessage(110, payload, to="alarms:4560"))
    assert scene.binding.sent == [("to alarms:4560", 110, b"one", b"", -1),
                                  ("to alarms:4560", 110, b"two", b"", -1)]
    assert scene.binding.ways == [b"alarms:4560"]
    scene.binding.reaches = False
    with pytest.raises(TransportError, match="reaches nobody at other:1"):
        scene.rmr.send(RmrMessage(110, b"three", to="other:1"))
    scene.end()
