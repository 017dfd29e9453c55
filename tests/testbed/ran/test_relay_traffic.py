"""Senders into ends, and the sink that empties others: what is full is lost, and counted."""

from __future__ import annotations

import time

import numpy as np

from testbed.ran.relay_devices import pair
from testbed.ran.relay_traffic import EndSender, Sink


def test_packets_go_whole_and_in_order() -> None:
    inner, outer = pair()
    with inner, outer:
        sender = EndSender(outer)
        data = np.frombuffer(b"onetwothree", np.uint8)
        sender.send(data, np.array([0, 3, 6]), np.array([3, 3, 5], np.int32))
        assert [inner.recv(10) for _ in range(3)] == [b"one", b"two", b"three"]
        assert (sender.sent.packets, sender.sent.bytes) == (3, 11)


def test_what_there_is_no_room_for_is_lost_and_counted() -> None:
    inner, outer = pair()
    with inner, outer:
        sender, count = EndSender(outer), 20_000
        sender.send(np.zeros(1400, np.uint8), np.zeros(count, np.int64),
                    np.full(count, 1400, np.int32))
        assert sender.sent.no_room > 0
        assert sender.sent.packets + sender.sent.no_room == count


def test_a_sink_empties_what_it_is_given() -> None:
    pairs = [pair() for _ in range(3)]
    sink = Sink([outer for _, outer in pairs])
    try:
        for number, (inner, _) in enumerate(pairs):
            for _ in range(10 * (1 + number)):
                inner.send(b"to nobody")
        deadline = time.monotonic() + 30
        while sink.packets < 60 and time.monotonic() < deadline:
            time.sleep(0.005)
        assert sink.packets == 60
    finally:
        sink.close()
        for one in (end for both in pairs for end in both):
            one.close()
