"""Orders are given, and whatever answers is not believed blindly."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import zmq

from testbed.radio.client import ask
from testbed.radio.errors import BrokerAway, RadioError


@pytest.mark.parametrize(("reply", "error", "says"), [
    (b"hello", BrokerAway, "no broker"), (b"[]", BrokerAway, "no broker"),
    (b'{"ok": false, "error": "no"}', RadioError, "no"), (b'{"a": 1}', BrokerAway, "no broker")])
def test_answers_are_looked_at(tmp_path: Path, reply: bytes, error: type[RadioError],
                               says: str) -> None:
    place = f"ipc://{tmp_path}/control"
    context: zmq.Context[Any] = zmq.Context()
    socket = context.socket(zmq.REP)
    socket.bind(place)

    def answer() -> None:
        socket.recv()
        socket.send(reply)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        with pytest.raises(error, match=says):
            ask(place, {"order": "status"}, 10)
    finally:
        thread.join()
        context.destroy(0)


def test_silence_and_nonsense_addresses_are_named(tmp_path: Path) -> None:
    with pytest.raises(BrokerAway, match="airsplit radio run"):
        ask(f"ipc://{tmp_path}/none", {"order": "status"}, 0.05)
    with pytest.raises(BrokerAway, match="cannot be asked"):
        ask("nowhere", {"order": "status"}, 0.05)
