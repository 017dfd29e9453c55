"""The tap: listens beside the user plane and tells subscribers which flow is what.

The shell around `labeller`: a source of frames, a publisher, the clock and the end. It works on a
UPF's N3 (GTP-U) as on N6, and only listens. Where frames come faster than they are labelled, the
kernel's ring fills up, and what it drops is counted and told.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from classifier.bundle import Bundle
from classifier.labeller import HASH_DIGITS, Labeller
from classifier.messages import TapStatus
from classifier.publisher import Keys, Publisher
from classifier.rates import DEFAULT_NETWORKS, Rates
from pcap_tools.flow_engine import FlowEngine
from pcap_tools.flows import FlowConfig, Sampled
from pcap_tools.records import Counters, Records, RecordSource

NO_FRAMES = Records(
    np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int32),
    np.zeros(0, np.int64), np.zeros(0, np.uint16), np.zeros(0, np.int32))
# Flows for which there is room from the start: to make some stops all for a tenth of a second. It
# takes memory as they come.
ROOM = 1 << 17
DEFAULT_ADDRESS = "tcp://127.0.0.1:5556"


@dataclass(frozen=True)
class TapConfig:
    """What the tap listens to, and whom it tells."""

    publish: str = DEFAULT_ADDRESS  # where subscribers connect to
    keys: Keys | None = None  # CURVE; without, everything is sent in the clear
    wanted: frozenset[str] = frozenset()  # labels to speak of; empty: all but `unknown`
    windows: bool = True  # judge flows that last by each new window, too
    status_every: float = 1.0  # seconds between statuses
    rates_of: tuple[str, ...] = DEFAULT_NETWORKS  # UEs' networks: what they carry is told, too
    lag: float = 0.025  # seconds that a frame may wait in the ring: silence proves nothing sooner
    flows: FlowConfig = field(default_factory=lambda: FlowConfig(idle=30.0, most=1 << 17))


class Tap:
    """One interface's tap; `run` returns when the source ends or is closed.

    The source yields empty runs while nothing comes, so that time passes.
    """

    def __init__(
        self, source: RecordSource, bundle: Bundle, config: TapConfig,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self._source, self._bundle, self._config, self._now = source, bundle, config, now
        self._began = now()
        self.name = f"{os.uname().nodename[:24]}-{os.getpid()}-{self._began // 10**9}"
        flows = config.flows
        # Shorter windows would be sampled forty times as often, and nobody looks at them.
        windows = config.windows and Sampled.WINDOW_10_S.name in bundle.decisions
        self.engine = FlowEngine(replace(
            flows, windows=windows, shortest=Sampled.WINDOW_10_S, rows=False,
            room=min(flows.most, ROOM)))
        self._labeller = Labeller(
            self.engine, bundle, self.name, config.wanted, config.windows)
        self._rates = Rates(config.rates_of, self.name)
        self._labeller.seen = self._rates.ended
        # Compiled code is loaded now, not when the first frames wait.
        self.engine.feed(NO_FRAMES)
        self._labeller.warm()
        self.publisher = Publisher(config.publish, config.keys)

    def run(self) -> Iterator[TapStatus]:
        """Publish until the source ends; yields each status that went out, too."""
        due = itertools.count(self._began, int(self._config.status_every * 1e9))
        next_status, lag, seen = next(due), int(self._config.lag * 1e9), 0
        try:
            for records in self._source:
                now = self._now()
                # Frames come in order: none from before the last one is still in the ring.
                seen = max(seen, int(records.time[-1]) if len(records) else now - lag)
                for message in self._labeller.take(records, seen):
                    self.publisher.send(message)
                if now >= next_status:
                    next_status = next(moment for moment in due if moment > now)
                    yield self._tell(now)
            yield self._tell(self._now())
        finally:
            self._source.close()
            self.publisher.close()

    def _tell(self, now: int) -> TapStatus:
        for message in self._rates.take(self.engine.state, now):
            self.publisher.send(message)
        status = self._status(now, self._source.counters)
        self.publisher.send(status)
        return status

    def _status(self, now: int, counters: Counters) -> TapStatus:
        flows = self.engine.counters
        return TapStatus(
            now, (now - self._began) / 1e9, counters.packets, counters.bytes,
            counters.dropped or 0, flows.flows, self.engine.live, flows.evicted,
            self.publisher.sent, round(self._labeller.drift.share, 4), self.name,
            self._bundle.hash[:HASH_DIGITS], judged=self._labeller.judged)


def default_bundle() -> Path:
    """The model that is shipped."""
    return Path(__file__).parent / "models" / "default"
