"""What a tap beside an emulated cell would say, over ZeroMQ: its split LLMs' flows are known.

Cells that are reckoned carry no packets, so that no tap can see them; an xApp has to be told all
the same. It says so of sessions that are split LLMs by configuration, and recognises nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from classifier.labels import LLM_SPLIT
from classifier.messages import Labelled, TapStatus
from classifier.publisher import Publisher

NAME = "emulated"
EVERY = 0.5  # seconds
EDGE, EDGE_PORT, TCP = "192.0.2.1", 8470, 6  # the other end, which is not there


class TapSpeaker:
    """A publisher that speaks of some addresses until it is closed."""

    def __init__(self, port: int, addresses: Sequence[str]) -> None:
        self._publisher = Publisher(f"tcp://127.0.0.1:{port or '*'}")
        self.address, self._addresses = self._publisher.address, tuple(addresses)
        self._began = time.monotonic()

    async def speak(self) -> None:
        """Until it is cancelled."""
        while True:
            self.say(time.time_ns())
            await asyncio.sleep(EVERY)

    def say(self, at: int) -> None:
        """Once, of every flow, and how the tap is; `at` is in nanoseconds since 1970."""
        for number, address in enumerate(self._addresses, 1):
            self._publisher.send(Labelled(
                number, LLM_SPLIT, 0.97, "AFTER_2_S", at, address, EDGE, 40_000, EDGE_PORT, TCP,
                tap=NAME))
        flows = len(self._addresses)
        self._publisher.send(TapStatus(at, time.monotonic() - self._began, 0, 0, 0, flows, flows, 0,
                                       self._publisher.sent, 0.0, NAME))

    def close(self) -> None:
        self._publisher.close()
