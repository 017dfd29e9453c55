"""Labels for the flows of a capture, and how each came about: what was said at every stage.

The label that counts is the one at the flow's end, which rests on all of it. It was *known* from
the stage on from which it did not change any more. It knows neither files nor pictures.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.bundle import Bundle
from pcap_tools.flow_engine import FlowEngine
from pcap_tools.flows import FlowConfig, Sampled

STAGES = tuple(stage for stage in Sampled if not stage.name.startswith("WINDOW"))
MOST = 200_000  # verdicts kept one by one, about a kilobyte each; all are counted


@dataclass(frozen=True)
class Said:
    """One answer about a flow."""

    stage: Sampled
    seconds: float  # since the flow's first packet
    label: str
    confidence: float
    best: str  # what the label would be, were there no `unknown`


@dataclass(frozen=True)
class Verdict:
    """A flow and its label."""

    number: int  # over all captures
    capture: str
    flow: Any  # a row of `FLOW`
    said: tuple[Said, ...]  # in the order of stages, the last at its end
    probabilities: NDArray[np.float32]  # of the bundle's classes, at its end
    vector: NDArray[np.float32]  # at its end
    novelty: float  # above 1: unlike what was learnt

    @property
    def label(self) -> str:
        return self.said[-1].label

    @property
    def confidence(self) -> float:
        return self.said[-1].confidence

    @property
    def known(self) -> Said:
        """The first answer after which none was different."""
        first = self.said[-1]
        for one in reversed(self.said):
            if one.label != first.label:
                break
            first = one
        return first

    @property
    def bytes(self) -> int:
        return int(self.flow["bytes_up"]) + int(self.flow["bytes_down"])


@dataclass
class Judge:
    """Takes packets of one capture after the other."""

    bundle: Bundle
    config: FlowConfig = field(default_factory=FlowConfig)
    verdicts: list[Verdict] = field(default_factory=list)
    flows: int = 0
    counts: Counter[str] = field(default_factory=Counter)  # flows by label
    volumes: Counter[str] = field(default_factory=Counter)  # their bytes
    _capture: str = ""
    _engine: FlowEngine | None = None
    _heard: dict[int, list[tuple[Said, Any]]] = field(default_factory=dict)

    def begin(self, capture: str) -> None:
        """What comes from now on is of another capture: no flow goes over."""
        self._capture, self._engine, self._heard = capture, FlowEngine(self.config), {}

    def feed(self, packets: NDArray[Any]) -> list[Verdict]:
        """Take rows of `PACKET`; returns the flows that are over by now."""
        assert self._engine is not None, "begin a capture first"
        self._engine.feed_packets(packets)
        return self._collected(self._engine)

    def end(self) -> list[Verdict]:
        """The capture is over, and with it every flow."""
        assert self._engine is not None, "begin a capture first"
        self._engine.finish()
        return self._collected(self._engine)

    def _collected(self, engine: FlowEngine) -> list[Verdict]:
        samples, flows = engine.samples(), engine.flows()
        for kind in np.unique(samples["kind"]).tolist():
            if Sampled(kind) in STAGES:
                self._hear(samples[samples["kind"] == kind], Sampled(kind))
        return [self._closed(flow) for flow in flows]

    def _hear(self, rows: NDArray[Any], stage: Sampled) -> None:
        labels = self.bundle.predict(stage, rows["vector"])
        names = labels.names()
        for place, number in enumerate(rows["flow"].tolist()):
            said = Said(stage, int(rows["at"][place]) / 1e9, names[place],
                        float(labels.confidence[place]),
                        labels.classes[int(labels.best[place])])
            last = None
            if stage is Sampled.WHOLE:
                last = (labels.probabilities[place], rows["vector"][place].copy(),
                        float(labels.novelty[place]))
            self._heard.setdefault(number, []).append((said, last))

    def _closed(self, flow: Any) -> Verdict:
        heard = sorted(self._heard.pop(int(flow["flow"])), key=lambda one: one[0].stage)
        first = int(flow["first"]) / 1e9
        said = sorted((Said(one.stage, max(one.seconds - first, 0.0), one.label, one.confidence,
                            one.best) for one, _ in heard),
                      key=lambda one: (one.stage is Sampled.WHOLE, one.seconds))
        probabilities, vector, novelty = heard[-1][1]
        verdict = Verdict(self.flows, self._capture, flow, tuple(said), probabilities, vector,
                          novelty)
        self.flows += 1
        self.counts[verdict.label] += 1
        self.volumes[verdict.label] += verdict.bytes
        if len(self.verdicts) < MOST:
            self.verdicts.append(verdict)
        return verdict
