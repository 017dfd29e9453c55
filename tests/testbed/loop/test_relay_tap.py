"""The tap on told packets says what an ordinary one says, and ends with who tells."""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from classifier.messages import TapStatus
from classifier.publisher import Subscriber
from testbed.loop import relay_tap
from testbed.loop.packet_stream import Copies
from tests.testbed.ran.plane.scene import packet

PACKETS = 50


def test_packets_that_were_told_are_counted_as_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies, address = Copies(tmp_path / "copies"), f"ipc://{tmp_path}/tap"
    subscriber, found = Subscriber(address), list[TapStatus]()

    def tell() -> None:
        deadline = time.monotonic() + 120
        while not copies._listeners and time.monotonic() < deadline:
            copies.accept()
            time.sleep(0.005)
        for number in range(PACKETS):
            copies.add(time.time_ns(), packet("10.46.0.2", "10.46.0.1", 100, number))
        copies.flush()
        while time.monotonic() < deadline:
            message = subscriber.receive(0.1)
            if isinstance(message, TapStatus):
                found.append(message)
                if message.packets == PACKETS:
                    break
        copies.close()

    teller = threading.Thread(target=tell)
    teller.start()
    monkeypatch.setattr(sys, "argv", ["tap", str(tmp_path / "copies"), address])
    before = {number: signal.getsignal(number) for number in (2, 15)}
    try:
        assert relay_tap.main() == 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        teller.join()
        subscriber.close()
    assert found[-1].packets == PACKETS
    assert found[-1].flows == 1


def test_nobody_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                      capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["tap", str(tmp_path / "copies"), "ipc://unused"])
    assert relay_tap.main() == 1
    assert "Nobody tells packets at" in capsys.readouterr().err
