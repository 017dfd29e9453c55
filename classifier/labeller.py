"""Frames in, label messages out: the tap without its sockets and clocks.

A flow is labelled at every stage that it reaches; a message goes out when its label is first known,
when it changes, and when the flow ends. With windows, a flow that lasts is judged by each new
window too. What is remembered of a flow is its last label, and that only while it lives.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from classifier.bundle import Bundle
from classifier.labels import UNKNOWN
from classifier.messages import Labelled
from pcap_tools.flows import Sampled
from pcap_tools.records import Records

STAGES = frozenset({
    Sampled.PACKETS_5, Sampled.PACKETS_10, Sampled.PACKETS_20, Sampled.AFTER_100_MS,
    Sampled.AFTER_1_S, Sampled.AFTER_2_S, Sampled.AFTER_10_S})
HASH_DIGITS = 12  # of the model's hash in each message


class Engine(Protocol):
    """What is asked of a flow engine."""

    def feed(self, records: Records) -> None: ...
    def advance(self, now: int) -> None: ...
    def samples(self) -> NDArray[Any]: ...
    def flows(self) -> NDArray[Any]: ...


@dataclass(frozen=True)
class Said:
    """What subscribers know of a flow."""

    label: str
    confidence: float
    stage: str


class Labeller:
    """Labels of the flows on one interface."""

    def __init__(
        self, engine: Engine, bundle: Bundle, name: str = "",
        wanted: frozenset[str] = frozenset(), windows: bool = False,
    ) -> None:
        """`wanted` are the labels to speak of; empty means all but `unknown`."""
        self._engine, self._bundle, self._name = engine, bundle, name
        self._wanted = wanted
        self._judged = STAGES | ({Sampled.WINDOW_10_S} if windows and (
            Sampled.WINDOW_10_S.name in bundle.decisions) else set())
        self._said: dict[int, Said] = {}  # by flow, while it lives
        self.drift = Drift(bundle)

    def take(self, records: Records, now: int) -> list[Labelled]:
        """What is to be said after these frames, at `now` (nanoseconds since 1970)."""
        self._engine.feed(records)
        self._engine.advance(now)
        samples = self._engine.samples()
        self._engine.flows()  # their statistics are nobody's business here
        return sorted(self._messages(samples), key=lambda message: message.at)

    def _messages(self, samples: NDArray[Any]) -> Iterator[Labelled]:
        for kind in np.unique(samples["kind"]):  # in the order of stages, WHOLE last
            rows = samples[samples["kind"] == kind]
            stage = Sampled(int(kind))
            if stage is Sampled.WHOLE:
                yield from self._endings(rows)
            elif stage in self._judged:
                yield from self._judgements(rows, stage)

    def _judgements(self, rows: NDArray[Any], stage: Sampled) -> Iterator[Labelled]:
        labels = self._bundle.predict(stage, rows["vector"], brief=True)
        self.drift.saw(stage, rows["vector"])
        for row, label, confidence in zip(
                rows, labels.names(), labels.confidence.tolist(), strict=True):
            number = int(row["flow"])
            before = self._said.get(number)
            if before is not None and before.label == label:
                continue
            if before is None and not self._speaks_of(label):
                continue  # nobody was told anything, and this is nothing to tell
            self._said[number] = Said(label, confidence, stage.name)
            yield self._message(row, self._said[number], int(row["at"]))

    def _endings(self, rows: NDArray[Any]) -> Iterator[Labelled]:
        for row in rows:
            said = self._said.pop(int(row["flow"]), None)
            if said is not None:
                yield self._message(row, said, int(row["at"]), ended=True)

    def _speaks_of(self, label: str) -> bool:
        return label in self._wanted if self._wanted else label != UNKNOWN

    def _message(self, row: Any, said: Said, at: int, ended: bool = False) -> Labelled:
        return Labelled(
            int(row["flow"]), said.label, round(said.confidence, 4), said.stage, at,
            address(row["source"], row["version"]), address(row["destination"], row["version"]),
            int(row["source_port"]), int(row["destination_port"]), int(row["protocol"]), ended,
            int(row["teid_up"]), int(row["teid_down"]), int(row["qfi"]), self._name,
            self._bundle.hash[:HASH_DIGITS])


class Drift:
    """How far lately seen traffic is from what the model was trained on."""

    MEMORY = 0.98  # weight of the past, for each batch of samples

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self.share = 0.0  # of features outside training's range

    def saw(self, stage: Sampled, vectors: NDArray[np.float32]) -> None:
        drift = self._bundle.models[self._bundle.decision(stage).model].drift
        if drift is not None and len(vectors):
            outside = float(drift.outside(vectors).mean())
            self.share = self.MEMORY * self.share + (1 - self.MEMORY) * outside


def address(octets: NDArray[np.uint8], version: int) -> str:
    """An address of a flow table as text."""
    packed = octets.tobytes()
    if version == 6:
        return str(ipaddress.IPv6Address(packed))
    return socket.inet_ntoa(packed[:4])
