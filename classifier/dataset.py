"""Captures become samples: vectors at every stage of every named flow, as recorded and varied.

A sample keeps which capture and source it is from, so that whoever splits them can do it by these
and never by flow. Seeded: the same captures and seed give the same samples. It knows no model.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier import augment
from classifier.captures import Capture, Key, key
from classifier.errors import DataError
from classifier.labels import CLASSES
from pcap_tools.features import FEATURES, NAMES, SCHEMA
from pcap_tools.flow_engine import FlowEngine
from pcap_tools.flows import FlowConfig, Sampled
from pcap_tools.packets import PACKET

STAGES = (Sampled.PACKETS_5, Sampled.PACKETS_10, Sampled.PACKETS_20, Sampled.AFTER_100_MS,
          Sampled.AFTER_1_S, Sampled.AFTER_2_S, Sampled.AFTER_10_S, Sampled.WHOLE)
WINDOWS = (Sampled.WINDOW_100_MS, Sampled.WINDOW_1_S, Sampled.WINDOW_10_S)
LEAST_PACKETS = 5  # seen of a flow before it is learnt from or judged: greetings tell nothing
WINDOWS_OF_A_FLOW = 3  # of each length that are kept; a long flow has thousands
VARIED_SHARE = 0.5  # of a varied flow's samples: they resemble each other, and each costs time
HEAVY, LIVELY = ("video", "audio", "bulk"), ("realtime", "gaming")
HEAVY_BYTES = 20_000  # of payload that a flow of the heavy ones carries,
HEAVY_MEAN = 500  # or of payload in the mean packet of one that was recorded in part
LIVELY_PACKETS = 20  # that a call or a game has
MOST_FLOWS = 1 << 14  # of one capture at a time
SEEN = [NAMES.index(f"packets_{side}") for side in ("up", "down")]  # what counts packets
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Origin:
    """Where a capture came from."""

    name: str
    source: str
    conditions: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""  # of its packets


@dataclass(frozen=True)
class Samples:
    """Many samples; every array has one row for each."""

    vectors: Floats  # [rows, features]
    labels: NDArray[np.int16]  # index into CLASSES
    kinds: NDArray[np.uint8]  # a `Sampled`
    ages: NDArray[np.float32]  # seconds after the flow's first packet
    flows: NDArray[np.int64]  # the same for all samples of one flow, varied ones too
    captures: NDArray[np.int32]  # index into origins
    variants: NDArray[np.uint8]  # 0: as recorded
    origins: tuple[Origin, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, chosen: NDArray[Any]) -> Samples:
        """The samples that are chosen, by mask or by number."""
        rows: dict[str, Any] = {entry.name: getattr(self, entry.name)[chosen]
                                for entry in fields(self) if entry.name != "origins"}
        return replace(self, **rows)

    def of(self, kinds: Sequence[Sampled]) -> Samples:
        """Those that were taken at one of these moments."""
        return self.where(np.isin(self.kinds, [int(kind) for kind in kinds]))

    @property
    def sources(self) -> NDArray[np.str_]:
        """The source of each sample."""
        return np.array([origin.source for origin in self.origins])[self.captures]

    def condition(self, name: str) -> NDArray[np.str_]:
        """That condition of each sample's capture; empty where it has none."""
        return np.array([origin.conditions.get(name, "") for origin in self.origins])[self.captures]


def collect(
    captures: Iterable[Capture], seed: int, variants: int = 0, windows: bool = False,
    curated: bool = True, progress: Callable[[str], None] = lambda line: None,
) -> Samples:
    """Samples of all captures: as recorded, and `variants` times over other networks."""
    parts: list[Samples] = []
    origins: list[Origin] = []
    flows = 0
    for capture in captures:
        part = sample(capture, seed, variants, windows, curated)
        if not len(part):
            continue
        parts.append(replace(part, flows=part.flows + flows,
                             captures=part.captures + np.int32(len(origins))))
        origins.append(part.origins[0])
        flows = int(parts[-1].flows.max()) + 1
        progress(f"{capture.source}: {capture.name}")
    if not parts:
        raise DataError("No capture has a flow with a known name.", "Check the folders given.")
    return replace(_joined(parts), origins=tuple(origins))


def sample(capture: Capture, seed: int, variants: int = 0, windows: bool = False,
           curated: bool = True) -> Samples:
    """Samples of one capture's named flows; its name seeds what chance decides."""
    digest = hashlib.sha256(capture.packets.tobytes()).hexdigest()
    mark = int.from_bytes(hashlib.sha256(
        f"{capture.source}/{capture.name}".encode()).digest()[:8], "little")
    origin = Origin(capture.name, capture.source, dict(capture.conditions), digest)
    named = _flows(capture, curated)
    parts = []
    for variant in range(variants + 1):
        random = np.random.default_rng([seed, mark, variant])
        parts.append(_sampled(named, origin, variant, windows, random))
    return _joined(parts)


def _joined(parts: list[Samples]) -> Samples:
    """All samples of `parts`, which share the first one's origins."""
    rows: dict[str, Any] = {entry.name: np.concatenate([getattr(part, entry.name)
                                                        for part in parts])
                            for entry in fields(Samples) if entry.name != "origins"}
    return replace(parts[0], **rows)


def _flows(capture: Capture, curated: bool) -> list[tuple[str, NDArray[np.void]]]:
    """The packets of each named flow in the order of their first ones, with its class."""
    packets = capture.packets
    ends = [np.concatenate([packets[side], packets[f"{side}_port"].astype(">u2")[:, None].view(
        np.uint8)], axis=1) for side in ("source", "destination")]
    turned = _after(ends[0], ends[1])[:, None]
    rows = np.concatenate([packets["protocol"][:, None], np.where(turned, ends[1], ends[0]),
                           np.where(turned, ends[0], ends[1])], axis=1)
    _, first, group = np.unique(np.ascontiguousarray(rows).view(f"V{rows.shape[1]}")[:, 0],
                                return_index=True, return_inverse=True)
    order = np.argsort(group, kind="stable")
    pieces = np.split(packets[order], np.cumsum(np.bincount(group))[:-1])
    found = [(capture.truth.get(_key(packets[index])), piece)
             for index, piece in sorted(zip(first, pieces, strict=True), key=lambda pair: pair[0])]
    return [(label, piece) for label, piece in found
            if label is not None and len(piece) >= LEAST_PACKETS
            and (not curated or behaves(label, piece))]


def behaves(label: str, packets: NDArray[np.void]) -> bool:
    """Whether a flow that was named after its application does what the name stands for.

    Most flows of a film's service, a file exchange or a call are look-ups, pings and logins. Those
    that never carry anything of the film, the file or the call are neither learnt nor judged.
    """
    if label in HEAVY:
        payload = packets["payload"].clip(min=0)
        return bool(payload.sum() >= HEAVY_BYTES
                    or (len(packets) >= LIVELY_PACKETS and payload.max() > 0
                        and payload[payload > 0].mean() >= HEAVY_MEAN))
    return label not in LIVELY or len(packets) >= LIVELY_PACKETS


def _after(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which rows of bytes come after those beside them."""
    differs = left != right
    place = differs.argmax(axis=1)
    rows = np.arange(len(left))
    return np.asarray(left[rows, place] > right[rows, place])


def _key(row: np.void) -> Key:
    return key(int(row["protocol"]),
               (row["source"].tobytes(), int(row["source_port"])),
               (row["destination"].tobytes(), int(row["destination_port"])))


def _sampled(
    named: list[tuple[str, NDArray[np.void]]], origin: Origin, variant: int, windows: bool,
    random: np.random.Generator,
) -> Samples:
    """Samples of the flows as one network would have carried them."""
    numbers = {_key(packets[0]): number for number, (_, packets) in enumerate(named)}
    pieces = [packets for _, packets in named] or [np.zeros(0, PACKET)]
    if variant:
        pieces = [augment.vary(packets, augment.draw(random), random) for packets in pieces]
    table, first = _through(np.concatenate(pieces), windows)
    table = table[_kept(table, random, VARIED_SHARE if variant else 1.0)]
    flows = np.array([numbers[_key(row)] for row in table], np.int64)
    labels = np.array([CLASSES.index(label) for label, _ in named], np.int16)
    began = np.array([first[int(flow)] for flow in table["flow"]], np.int64)
    return Samples(
        np.ascontiguousarray(table["vector"]), labels[flows], table["kind"].copy(),
        ((table["at"] - began) / 1e9).astype(np.float32), flows,
        np.zeros(len(table), np.int32), np.full(len(table), variant, np.uint8), (origin,))


def _through(
    packets: NDArray[np.void], windows: bool,
) -> tuple[NDArray[np.void], dict[int, int]]:
    """The samples of the packets' flows, and when each flow began."""
    engine = FlowEngine(FlowConfig(windows=windows, most=MOST_FLOWS))
    engine.feed_packets(packets[np.argsort(packets["time"], kind="stable")])
    engine.finish()
    flows = engine.flows()
    enough = flows[flows["packets_up"] + flows["packets_down"] >= LEAST_PACKETS]
    table = engine.samples()
    first = {int(row["flow"]): int(row["first"]) for row in enough}
    seen = table["vector"][:, SEEN].sum(axis=1) >= LEAST_PACKETS
    window = np.isin(table["kind"], [int(kind) for kind in WINDOWS])
    return table[np.isin(table["flow"], enough["flow"]) & (seen | window)], first


def _kept(
    table: NDArray[np.void], random: np.random.Generator, share: float,
) -> NDArray[np.int64]:
    """A share of the stages, and some of the windows."""
    stages = np.flatnonzero(np.isin(table["kind"], [int(stage) for stage in STAGES]))
    kept = [stages[random.random(len(stages)) < share]]
    for window in WINDOWS:
        found = random.permutation(np.flatnonzero(table["kind"] == window))
        found = found[np.argsort(table["flow"][found], kind="stable")]
        flows = table["flow"][found]
        place = np.arange(len(found)) - np.searchsorted(flows, flows)
        kept.append(found[place < max(share * WINDOWS_OF_A_FLOW, 1)])
    return np.sort(np.concatenate(kept))


def write_samples(samples: Samples, path: Path) -> None:
    """Keep samples in one file, to be used again by `read_samples`."""
    origins = json.dumps([vars(origin) for origin in samples.origins]).encode()
    arrays = {entry.name: getattr(samples, entry.name)
              for entry in fields(samples) if entry.name != "origins"}
    np.savez_compressed(path, allow_pickle=False, origins=np.frombuffer(origins, np.uint8),
                        schema=np.array(SCHEMA), **arrays)


def read_samples(path: Path) -> Samples:
    """Samples that `write_samples` kept, if they are of the features that are computed here."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            if int(kept["schema"]) != SCHEMA or kept["vectors"].shape[1] != len(FEATURES):
                raise DataError(f"{path} holds samples of other features.", "Collect them anew.")
            origins = tuple(Origin(**entry) for entry in json.loads(kept["origins"].tobytes()))
            return Samples(**{entry.name: kept[entry.name] for entry in fields(Samples)
                              if entry.name != "origins"}, origins=origins)
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} holds no samples: {error}.", "Collect them anew.") from error
