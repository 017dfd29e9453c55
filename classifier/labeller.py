"""Frames in, label messages out: the tap without its sockets and clocks.

A flow is labelled at every stage that it reaches; a message goes out when its label is first known,
when it changes, and when the flow ends; of a split model's flow also while it lasts. With windows,
a flow that lasts is judged by each new window too: not by the first, which is known from the flow's
beginning, nor by what its end cut off.
What is remembered of a flow is its last label, and that only while it lives.

All that came in together is judged together, whatever its stages: ten thousand judgements a second
are then a few hundred calls.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from classifier.bundle import Bundle
from classifier.labels import LLM_SPLIT, UNKNOWN
from classifier.messages import Labelled
from pcap_tools.features import NAMES
from pcap_tools.flows import Sampled
from pcap_tools.records import Records

STAGES = frozenset({
    Sampled.PACKETS_5, Sampled.PACKETS_10, Sampled.PACKETS_20, Sampled.AFTER_100_MS,
    Sampled.AFTER_1_S, Sampled.AFTER_2_S, Sampled.AFTER_10_S})
AGAIN = frozenset({Sampled.AFTER_1_S, Sampled.AFTER_10_S, Sampled.WINDOW_10_S})
# Of each vector what messages tell: bytes a second, bytes, and seconds as microseconds.
_AMOUNTS = [NAMES.index(name) for name in (
    "byte_rate_up", "byte_rate_down", "turn_repeat_bytes_up", "period_mean")]
_SCALES = np.array([1.0, 1.0, 1.0, 1e6])
NOT_JUDGED = -1  # in place of a stage's place
HASH_DIGITS = 12  # of the model's hash in each message


class Engine(Protocol):
    """What is asked of a flow engine."""

    def feed(self, records: Records) -> None: ...
    def advance(self, now: int) -> None: ...
    def samples(self) -> NDArray[Any]: ...
    def flows(self) -> NDArray[Any]: ...


class Said(NamedTuple):
    """What subscribers know of a flow."""

    label: str
    confidence: float
    stage: str


News = tuple[int, Said, bool]  # the sample that tells it, what it is, whether the flow is over


class Labeller:
    """Labels of the flows on one interface."""

    def __init__(
        self, engine: Engine, bundle: Bundle, name: str = "",
        wanted: frozenset[str] = frozenset(), windows: bool = False,
    ) -> None:
        """`wanted` are the labels to speak of; empty means all but `unknown`."""
        self._engine, self._name, self._model = engine, name, bundle.hash[:HASH_DIGITS]
        self._wanted = wanted
        judged = sorted(STAGES | ({Sampled.WINDOW_10_S} if windows and (
            Sampled.WINDOW_10_S.name in bundle.decisions) else set()))
        self._names = [stage.name for stage in judged]
        # Whoever steers by a split model's flow wants to know what it sends, while it lasts.
        self._again = {place for place, stage in enumerate(judged) if stage in AGAIN}
        self._place = np.full(len(Sampled), NOT_JUDGED)  # of each `Sampled` among those judged
        self._place[judged] = range(len(judged))
        self._stages, self._width = bundle.stages(judged), len(bundle.schema.features)
        self._said: dict[int, Said] = {}  # by flow, while it lives
        self.drift = Drift(bundle, judged)
        self.judged = 0  # samples, since the start
        self.seen: Callable[[NDArray[Any]], None] = lambda samples: None  # for who counts, too

    def warm(self) -> None:
        """Load what is compiled, now and not when the first frames wait."""
        for rows in (1, 64):  # few are judged by other means than many
            which = np.arange(rows) % len(self._names)
            self._stages.labels(which, np.full((rows, self._width), np.nan, np.float32))

    def take(self, records: Records, now: int) -> list[Labelled]:
        """What is to be said after these frames, at `now` (nanoseconds since 1970)."""
        self._engine.feed(records)
        self._engine.advance(now)
        samples = self._engine.samples()
        self.seen(samples)
        self._engine.flows()  # their statistics are nobody's business here
        news = list(self._news(samples)) if len(samples) else []
        return sorted(self._messages(samples, news), key=lambda message: message.at)

    def _news(self, samples: NDArray[Any]) -> Iterator[News]:
        """Whatever subscribers do not know yet, in the order in which it came to be known."""
        whole, places = samples["kind"] == Sampled.WHOLE, self._place[samples["kind"]]
        places[_idle_windows(samples)] = NOT_JUDGED
        judged = places != NOT_JUDGED
        which, vectors = places[judged], samples["vector"][judged]
        labels = self._stages.labels(which, vectors, brief=True)
        self.drift.saw(which, vectors)
        self.judged += len(which)
        answers = zip(labels.names(), labels.confidence.tolist(), strict=True)
        for row, (flow, place, ended) in enumerate(zip(
                samples["flow"].tolist(), places.tolist(), whole.tolist(), strict=True)):
            before = self._said.get(flow)
            if ended and before is not None:
                yield row, self._said.pop(flow), True
            elif place != NOT_JUDGED:
                label, confidence = next(answers)
                # Where nobody was told anything, there may be nothing to tell.
                if (before.label != label or (place in self._again and label == LLM_SPLIT)
                        if before is not None else self._speaks_of(label)):
                    self._said[flow] = Said(label, confidence, self._names[place])
                    yield row, self._said[flow], False

    def _speaks_of(self, label: str) -> bool:
        return label in self._wanted if self._wanted else label != UNKNOWN

    def _messages(self, samples: NDArray[Any], news: list[News]) -> Iterator[Labelled]:
        rows = samples[[row for row, _, _ in news]]
        ends = (zip(rows[name], rows["version"].tolist(), strict=True)
                for name in ("source", "destination"))
        columns = (rows[name].tolist() for name in (
            "flow", "at", "source_port", "destination_port", "protocol", "teid_up", "teid_down",
            "qfi"))
        for (_, said, ended), source, destination, (
                flow, at, source_port, destination_port, protocol, up, down, qfi), told in zip(
                news, *ends, zip(*columns, strict=True), _amounts(rows["vector"]), strict=True):
            yield Labelled(
                flow, said.label, round(said.confidence, 4), said.stage, at, address(*source),
                address(*destination), source_port, destination_port, protocol, ended, up, down,
                qfi, self._name, self._model, up_rate=told[0], down_rate=told[1],
                step_bytes=told[2], step_us=told[3])


def _amounts(vectors: NDArray[np.float32]) -> list[list[int]]:
    """Rates and steps of flows as messages have them; 0 where a vector does not tell."""
    told = vectors[:, _AMOUNTS].astype(np.float64) * _SCALES
    whole: list[list[int]] = np.nan_to_num(
        told, nan=0.0, posinf=0.0, neginf=0.0).clip(0, 1e15).round().astype(np.int64).tolist()
    return whole


def _idle_windows(samples: NDArray[Any]) -> NDArray[np.bool_]:
    """Which samples are windows that tell nothing of how a flow goes on.

    They are handed out together with the sample of ten seconds, or of the flow's end.
    """
    kinds, flows = samples["kind"], samples["flow"]
    windows: NDArray[np.bool_] = kinds == Sampled.WINDOW_10_S
    if windows.any():
        beside = (kinds == Sampled.WHOLE) | (kinds == Sampled.AFTER_10_S)
        windows &= np.isin(flows, flows[beside])
    return windows


class Drift:
    """How far lately seen traffic is from what the model was trained on."""

    MEMORY = 0.999  # weight of the past, for each sample looked at
    EACH = 8  # one sample of so many is looked at: it is a mean of thousands

    def __init__(self, bundle: Bundle, stages: Sequence[Sampled]) -> None:
        """Samples of `stages` will be seen, named by their places."""
        models = [bundle.decision(stage).model for stage in stages]
        self._known = [bundle.models[name].drift for name in dict.fromkeys(models)]
        self._model = np.array([list(dict.fromkeys(models)).index(name) for name in models])
        self._skip = 0  # samples until the next that is looked at
        self.share = 0.0  # of features outside training's range

    def saw(self, which: NDArray[np.intp], vectors: NDArray[np.float32]) -> None:
        """`vectors` of the stages `which`."""
        looked = slice(self._skip, None, self.EACH)
        self._skip = (self._skip - len(which)) % self.EACH
        models, vectors = self._model[which[looked]], vectors[looked]
        for place in set(models.tolist()):
            known = self._known[place]
            if known is not None:
                outside = known.outside(vectors[models == place])
                past = self.MEMORY ** len(outside)
                self.share = past * self.share + (1 - past) * float(outside.mean())


def address(octets: NDArray[np.uint8], version: int) -> str:
    """An address of a flow table as text."""
    packed = octets.tobytes()
    if version == 6:
        return socket.inet_ntop(socket.AF_INET6, packed)
    return socket.inet_ntoa(packed[:4])
