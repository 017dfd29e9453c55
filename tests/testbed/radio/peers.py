"""Radios to try a broker with: as srsRAN's, one thread that sends and fetches in step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from testbed.radio.broker import Broker, Happened
from testbed.radio.settings import RadioSettings, Station


class Radio:
    """Answers requests with `sent(count)` samples and fetches as many; stops when told to."""

    def __init__(self, station: Station, sent: Callable[[int], Any], size: int = 1000) -> None:
        self.station, self._sent, self._size = station, sent, size
        self.fetched: list[np.ndarray] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send), threading.Thread(target=self._fetch)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        context: zmq.Context[Any] = zmq.Context()
        with suppress(zmq.ContextTerminated):
            socket = context.socket(zmq.REP)
            socket.setsockopt(zmq.LINGER, 0)
            socket.bind(str(self.station.transmits))
            while not self._stop.is_set():
                if socket.poll(20):
                    socket.recv()
                    socket.send(np.asarray(self._sent(self._size), np.complex64).tobytes())
        context.destroy(0)

    def _fetch(self) -> None:
        context: zmq.Context[Any] = zmq.Context()
        socket = context.socket(zmq.REQ)
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(str(self.station.receives))
        asked = False
        while not self._stop.is_set():
            if not asked:
                socket.send(b"\xff")
                asked = True
            if socket.poll(20):
                self.fetched.append(np.frombuffer(socket.recv(), np.complex64))
                asked = False
        context.destroy(0)

    def count(self) -> int:
        return sum(map(len, self.fetched))

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()


class Numbered:
    """Samples that can be told apart, for a radio to send: 1, 2, ... ROUND, 1 ..., of `unit`."""

    ROUND = 4093  # prime: no block, message or buffer is as long

    def __init__(self, unit: complex = 1) -> None:
        self._unit, self._sent = unit, 0

    def __call__(self, count: int) -> Any:
        first, self._sent = self._sent, self._sent + count
        return self._unit * self.number(np.arange(first, self._sent))

    @classmethod
    def number(cls, place: Any) -> Any:
        """Of the sample that was sent after so many others."""
        return place % cls.ROUND + 1


def local(folder: Path, ues: int, cells: Sequence[str] = ("gnb",), **more: Any) -> RadioSettings:
    """A gNB and UEs at sockets in a folder, so that no port is taken."""
    def station(name: str) -> Station:
        return Station(name, f"ipc://{folder}/{name}.tx", f"ipc://{folder}/{name}.rx")
    return RadioSettings(tuple(map(station, cells)),
                         tuple(station(f"ue{one + 1}") for one in range(ues)),
                         **{"rate": 1e6, "control": f"ipc://{folder}/control",
                            "real_time_priority": 0, **more})


@contextmanager
def running(settings: RadioSettings, **more: Any) -> Iterator[tuple[Broker, list[Happened]]]:
    """A broker in a thread, and what it told."""
    told: list[Happened] = []
    broker = Broker(settings, told.append, **more)
    failed: list[BaseException] = []

    def run() -> None:
        try:
            broker.run()
        except BaseException as error:
            failed.append(error)
            raise

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield broker, told
    finally:
        broker.stop()
        thread.join(10)
        assert not thread.is_alive()
        assert not failed
