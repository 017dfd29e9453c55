"""The broker with real ZeroMQ peers: who comes, goes, hangs and lies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from pcap_tools.scheduling import REFUSED, Scheduled, priority_of
from testbed.radio.broker import Broker, Happened
from testbed.radio.client import ask
from testbed.radio.errors import RadioError
from testbed.radio.mixer import BYTES, MOST_MESSAGE
from testbed.radio.script import Script, read
from testbed.radio.settings import PathSettings, Station
from tests.testbed.radio.peers import Numbered, Radio, local, running

# A radio that sends fives, with so little to load that it is there at once.
PEER = """
import struct, sys, zmq
context, poller = zmq.Context(), zmq.Poller()
sends, asks = context.socket(zmq.REP), context.socket(zmq.REQ)
sends.bind(sys.argv[1])
asks.connect(sys.argv[2])
asks.send(b"?")
for socket in (sends, asks):
    poller.register(socket, zmq.POLLIN)
while True:
    for socket, _ in poller.poll():
        socket.recv()
        socket.send(struct.pack("<ff", 5, 0) * 1000 if socket is sends else b"?")
"""


def peer_of(station: Station) -> subprocess.Popen[bytes]:
    """A process that can be killed or stopped."""
    return subprocess.Popen([sys.executable, "-c", PEER, str(station.transmits),
                             str(station.receives)])


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.005)


def goes_on(radio: Radio) -> None:
    seen = radio.count()
    until(lambda: radio.count() > seen + 10_000)


def is_served(broker: Broker, name: str) -> None:
    before = broker.mixer.tallies[name].fetched
    until(lambda: broker.mixer.tallies[name].fetched > before + 10_000)


def constant(value: complex) -> Callable[[int], Any]:
    return lambda count: np.full(count, value, np.complex64)


def tells(told: list[Happened], station: str, what: str) -> bool:
    return any((one.station, one.what) == (station, what) for one in told)


def test_samples_go_through_both_ways(tmp_path: Path) -> None:
    settings = local(tmp_path, 2, paths={"gnb-ue2": PathSettings(20)})
    with running(settings) as (broker, told):
        gnb = Radio(settings.cells[0], constant(1))
        ues = [Radio(one, constant(2j)) for one in settings.ues]
        try:
            until(lambda: all(tells(told, name, "joined") for name in ("gnb", "ue1", "ue2")))
            for radio in (gnb, *ues):
                goes_on(radio)
            uplink, downlink = gnb.fetched[-1], ues[1].fetched[-1]
        finally:
            for radio in (gnb, *ues):
                radio.stop()
    np.testing.assert_allclose(uplink, 2.2j, rtol=1e-5)
    np.testing.assert_allclose(downlink, 0.1, rtol=1e-5)
    assert broker.mixer.tallies["gnb"].lost == 1  # its sockets closed before the broker's


def test_a_killed_peer_is_lost_at_once_and_may_return(tmp_path: Path) -> None:
    settings = local(tmp_path, 1)
    with running(settings, patience=60) as (broker, _):
        gnb = Radio(settings.cells[0], constant(1))
        try:
            for round_ in (1, 2):
                peer = peer_of(settings.ues[0])
                try:
                    until(lambda: "ue1" in broker.mixer.joined)
                    until(lambda: bool(gnb.fetched) and gnb.fetched[-1][-1] == 5)
                finally:
                    peer.send_signal(signal.SIGKILL)
                    peer.wait()
                until(lambda: "ue1" not in broker.mixer.joined)
                goes_on(gnb)
                assert not gnb.fetched[-1].any()
                assert broker.mixer.tallies["ue1"].lost == round_
        finally:
            gnb.stop()


def test_a_peer_that_hangs_is_lost_after_patience_and_comes_back(tmp_path: Path) -> None:
    settings = local(tmp_path, 1)
    with running(settings, patience=0.3) as (broker, told):
        gnb = Radio(settings.cells[0], constant(1))
        peer = peer_of(settings.ues[0])
        try:
            until(lambda: "ue1" in broker.mixer.joined)
            os.kill(peer.pid, signal.SIGSTOP)
            until(lambda: tells(told, "ue1", "lost"))
            assert broker.mixer.tallies["ue1"].awaited > 0.2  # for whom it was, and for how long
            goes_on(gnb)
            os.kill(peer.pid, signal.SIGCONT)
            until(lambda: broker.mixer.tallies["ue1"].joined == 2)
        finally:
            peer.kill()
            peer.wait()
            gnb.stop()


def test_a_peer_that_asks_and_asks_but_sends_no_more_is_lost_too(tmp_path: Path) -> None:
    settings, going_on, sent = local(tmp_path, 1), threading.Event(), count()

    def at_first_only(samples: int) -> Any:
        if next(sent):
            going_on.wait(60)
        return np.full(samples, 5, np.complex64)

    with running(settings, patience=0.3) as (broker, told):
        radios = [Radio(settings.cells[0], constant(1)), Radio(settings.ues[0], at_first_only)]
        try:
            until(lambda: tells(told, "ue1", "lost"))
            goes_on(radios[0])
            assert not tells(told, "gnb", "lost")
            going_on.set()
            until(lambda: broker.mixer.tallies["ue1"].joined == 2)
            goes_on(radios[1])
        finally:
            going_on.set()
            for one in radios:
                one.stop()


def test_a_killed_gnb_wedges_no_ue_and_is_heard_again_when_it_returns(tmp_path: Path) -> None:
    settings = local(tmp_path, 2)
    with running(settings, patience=60) as (broker, told):
        ues = [Radio(one, constant(2)) for one in settings.ues]
        try:
            for round_ in (1, 2):
                gnb = peer_of(settings.cells[0])
                try:
                    until(lambda: all(bool(one.fetched) and one.fetched[-1][-1] == 5
                                      for one in ues))
                    is_served(broker, "gnb")
                finally:
                    gnb.send_signal(signal.SIGKILL)
                    gnb.wait()
                until(lambda: "gnb" not in broker.mixer.joined)
                for ue in ues:
                    goes_on(ue)
                    assert not ue.fetched[-1].any()
                assert broker.mixer.tallies["gnb"].lost == round_
        finally:
            for ue in ues:
                ue.stop()
    assert [one.what for one in told if one.station == "gnb"] == ["joined", "lost"] * 2
    at = [one.seconds for one in told if one.station == "gnb"]
    assert at == sorted(at)
    assert all(broker.mixer.tallies[one.name].joined == 1 for one in settings.ues)


def test_a_ue_goes_from_one_cell_to_another_and_no_sample_is_lost_or_doubled(
        tmp_path: Path) -> None:
    settings = local(tmp_path, 1, cells=("a", "b"), paths={"b-ue1": PathSettings(outage=True)})
    with running(settings) as (broker, _):
        a, b, ue = radios = [Radio(one, Numbered(unit)) for one, unit in
                             zip(settings.stations, (1, 1j, 1), strict=True)]
        try:
            until(lambda: len(broker.mixer.joined) == 3)
            goes_on(ue)
            steps: list[tuple[str, dict[str, Any]]] = [
                ("a-ue1", {"path_loss": 6}), ("b-ue1", {"outage": False, "path_loss": 6}),
                ("a-ue1", {"path_loss": 20}), ("b-ue1", {"path_loss": 0}),
                ("a-ue1", {"outage": True})]
            for link, changes in steps:
                ask(settings.control, {"order": "path", "link": link, "set": changes})
                goes_on(ue)
            until(lambda: b.count() > a.count() // 2)
            tallies, end = broker.mixer.tallies, broker.mixer.position
        finally:
            for radio in radios:
                radio.stop()
    assert [(one.joined, one.lost) for one in tallies.values()] == [(1, 0)] * 3
    began = {name: tally.began for name, tally in tallies.items()}
    assert heard(ue, began["ue1"], end, began["a"], "real") == [1, 0.501187, 0.1, 0]
    assert heard(ue, began["ue1"], end, began["b"], "imag") == [0, 0.501187, 1]
    assert heard(a, began["a"], end, began["ue1"], "real") == [1, 0.501187, 0.1, 0]
    assert heard(b, began["b"], end, began["ue1"], "real") == [0, 0.501187, 1]


def heard(receiver: Radio, began: int | None, end: int, sender: int | None, part: str,
          ) -> list[float]:
    """The gains, in their order, with which each single sample of a sender arrived in its place:
    from when the receiver began, or the sender if that was later, to a moment of the air."""
    assert began is not None
    assert sender is not None
    first = max(began, sender)
    arrived = getattr(np.concatenate(receiver.fetched), part)[first - began:end - began]
    assert len(arrived) > 50_000
    gains = np.round(arrived / Numbered.number(first - sender + np.arange(len(arrived))), 6)
    changes = np.flatnonzero(np.diff(gains)) + 1
    return [float(one) for one in gains[np.concatenate(([0], changes))]]


def test_the_air_changes_while_it_runs(tmp_path: Path) -> None:
    settings = local(tmp_path, 1)
    with running(settings):
        radios = [Radio(one, constant(1)) for one in settings.stations]
        try:
            until(lambda: radios[0].count() > 5000)
            reply = ask(settings.control, {"order": "path", "link": "gnb-ue1",
                                           "set": {"path_loss": 20}})
            assert reply["path"]["path_loss"] == 20
            until(lambda: abs(radios[0].fetched[-1][-1] - 0.1) < 1e-6)
            assert ask(settings.control, {"order": "status"})["stations"]["gnb"]["here"]
            with pytest.raises(RadioError, match="gnb-ue7"):
                ask(settings.control, {"order": "path", "link": "gnb-ue7", "set": {}})
        finally:
            for radio in radios:
                radio.stop()
        ask(settings.control, {"order": "stop"})


def test_a_script_is_followed_to_the_sample(tmp_path: Path) -> None:
    settings = local(tmp_path, 1)
    lines = ["seconds,link,outage", "1.0105,gnb-ue1,yes", "1.020,gnb-ue1,no"]
    with running(settings) as (broker, _):
        broker.script = Script(read(lines), broker.mixer)
        radios = [Radio(one, constant(1)) for one in settings.stations]
        try:
            until(lambda: broker.mixer.position > 1_060_000)
        finally:
            for radio in radios:
                radio.stop()
    heard = np.concatenate(radios[1].fetched) != 0
    silences = np.diff(np.flatnonzero(heard)) - 1  # what is between two samples that were heard
    assert list(silences[silences > 0]) == [9500]


def test_hostile_messages_are_refused_and_nothing_ends(tmp_path: Path) -> None:
    settings = local(tmp_path, 2)
    with running(settings) as (broker, told):
        gnb = Radio(settings.cells[0], constant(1))
        liar = Radio(settings.ues[0], lambda count: np.full(count, np.nan, np.complex64))
        flood = Radio(settings.ues[1], lambda count: np.zeros(MOST_MESSAGE + 1, np.complex64))
        context: zmq.Context[Any] = zmq.Context()
        try:
            socket = context.socket(zmq.DEALER)
            socket.setsockopt(zmq.LINGER, 0)
            socket.connect(str(settings.ues[0].receives))
            socket.send_multipart([b"", b"x" * 1000])  # longer than a request may be
            socket.send(b"no envelope")
            control = context.socket(zmq.DEALER)
            control.setsockopt(zmq.LINGER, 0)
            control.connect(settings.control)
            control.send_multipart([b"", b"\x00garbage", b"of parts"])
            until(lambda: gnb.count() > 30_000)
            assert all(np.isfinite(one).all() for one in gnb.fetched)
            assert not tells(told, "ue2", "joined")
            assert broker.mixer.tallies["ue2"].sent == 0
        finally:
            context.destroy(0)
            for radio in (gnb, liar, flood):
                radio.stop()


def test_it_keeps_to_real_time_when_asked(tmp_path: Path) -> None:
    settings = replace(local(tmp_path, 1), pace=True, rate=50e3)
    with running(settings) as (broker, _):
        radios = [Radio(one, constant(1), 50) for one in settings.stations]
        try:
            until(lambda: broker.mixer.position > 0)
            begun = time.monotonic()
            until(lambda: broker.mixer.position > 25_000)
            assert time.monotonic() - begun > 0.4
        finally:
            for radio in radios:
                radio.stop()


def test_it_hurries_where_it_may_and_says_so(tmp_path: Path) -> None:
    settings = local(tmp_path, 1, real_time_priority=3)
    with running(settings) as (_, told):
        radios = [Radio(one, constant(1)) for one in settings.stations]
        try:
            until(lambda: min(one.count() for one in radios) > 5000)
            ahead = sum(priority_of(int(one)) == 3 for one in os.listdir("/proc/self/task"))
        finally:
            for radio in radios:
                radio.stop()
    assert (told[0].what, told[0].note, ahead) in (
        ("scheduled", "a real-time priority of 3", 3),  # ZeroMQ has two threads of its own
        ("scheduled", f"no real-time priority: {REFUSED}", 0))


@pytest.mark.parametrize(("asked", "why"), [(0, "none was asked for"), (3, REFUSED)])
def test_it_works_without_hurry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: int,
                                why: str) -> None:
    monkeypatch.setattr("testbed.radio.broker.put_ahead", lambda priority: Scheduled(why=REFUSED))
    settings = local(tmp_path, 1, real_time_priority=asked)
    with running(settings) as (_, told):
        radios = [Radio(one, constant(1)) for one in settings.stations]
        try:
            until(lambda: min(one.count() for one in radios) > 5000)
        finally:
            for radio in radios:
                radio.stop()
    assert told[0].note == f"no real-time priority: {why}"


@pytest.mark.parametrize("asked", [0, 10])
def test_it_is_not_set_back_behind_what_it_was_started_with(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: int) -> None:
    monkeypatch.setattr("testbed.radio.broker.priority_of", lambda: 30)
    told: list[Happened] = []
    broker = Broker(local(tmp_path, 1, real_time_priority=asked), told.append)
    monkeypatch.setattr(Broker, "_serve", lambda self, context: None)
    broker.run()
    assert told[0].note == "a real-time priority of 30"


def test_an_address_that_is_taken_is_named(tmp_path: Path) -> None:
    context: zmq.Context[Any] = zmq.Context()
    try:
        other = context.socket(zmq.REP)
        port = other.bind_to_random_port("tcp://127.0.0.1")
        settings = local(tmp_path, 1)
        taken = replace(settings, control=f"tcp://127.0.0.1:{port}")
        with pytest.raises(RadioError, match=str(port)):
            Broker(taken).run()
    finally:
        context.destroy(0)


def test_a_sample_has_eight_bytes() -> None:
    assert np.dtype(np.complex64).itemsize == BYTES
