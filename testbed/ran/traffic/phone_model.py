"""What recordings of phones have in common, in a few hundred figures: a model to make more from.

    model = fit_model("video", [recording, ...], bin_seconds=0.1)
    write_models(path, {"video": model}, "where the recordings are from")
    models = read_models(path)

Time is cut into bins. Each has a level: 0 is silence, the others part the bins by their bytes. The
model knows how levels follow each other, how long silences are, and of each level how many packets
come down and up in one bin, together, and how large they are. It holds no packet, address or
content of a recording. What it does not know: the order of packets within a bin, what repeats
after longer than a few bins other than silence, and that a sender slows down when a cell is full.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.ran.traffic.arrivals import DOWN, SECOND, UP
from testbed.ran.traffic.config import LEAST_PACKET, MOST_PACKET
from testbed.ran.traffic.recording import Recording
from xapp.errors import ConfigurationError

BUNDLED = Path(__file__).parent / "recorded" / "phones.json"
FORMAT = "airsplit-phones-1"
LEVELS = 8  # with silence
POINTS = 32  # of each distribution; each is the mean of its part, so that means are kept
MOST_OCTETS = 4 << 20  # of a file; a model has some 10 KiB
MOST_MODELS = 256
MOST_PER_BIN = 100_000.0  # packets
LONGEST_SILENCE = 1e6  # bins
Table = tuple[tuple[float, ...], ...]
_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PhoneModel:
    """One kind of phone use."""

    bin_seconds: float
    moves: Table  # [level from][level to], sums to 1; from silence to silence: 0
    silences: tuple[float, ...]  # lengths in bins
    down_packets: Table  # [level] of one bin; the n-th of it comes with the n-th of up_packets
    up_packets: Table
    down_bytes: Table  # [level] sizes of IP packets
    up_bytes: Table
    seconds: float  # that were recorded, for who asks how much is behind it
    down_kbps: float  # their means
    up_kbps: float
    silent_share: float  # of all bins

    def __post_init__(self) -> None:
        tables = (self.moves, self.down_packets, self.up_packets, self.down_bytes, self.up_bytes)
        if any(len(one) != len(self.moves) for one in tables) or not all(
                all(one) for one in tables) or len(self.moves) < 2:
            raise ConfigurationError("A phone's model has levels of different numbers.",
                                     "Make it anew: airsplit testbed phones.")
        rows = np.array(self.moves)
        if rows.shape[0] != rows.shape[1] or rows.min() < 0 or rows[0, 0] != 0 or not np.allclose(
                rows.sum(axis=1), 1.0, atol=1e-3):
            raise ConfigurationError("A phone's model has moves that are no chances.",
                                     "Make it anew: airsplit testbed phones.")
        within = ((self.bin_seconds,), 1e-3, 60.0), (self.silences, 1.0, LONGEST_SILENCE), *(
            (row, 0.0, MOST_PER_BIN) for row in (*self.down_packets, *self.up_packets)), *(
            (row, float(LEAST_PACKET), float(MOST_PACKET))
            for row in (*self.down_bytes, *self.up_bytes))
        if not self.silences or not all(
                least <= one <= most for row, least, most in within for one in row) or any(
                len(down) != len(up) for down, up in zip(
                    self.down_packets, self.up_packets, strict=True)):
            raise ConfigurationError("A phone's model has a figure that cannot be.",
                                     "Make it anew: airsplit testbed phones.")


def fit_model(recordings: Sequence[Recording], bin_seconds: float = 0.1) -> PhoneModel:
    """A model of what these recordings, of one kind, have in common."""
    parts = [_binned(one, bin_seconds) for one in recordings]
    count = np.concatenate([one[0] for one in parts])  # [bin, direction]
    size = np.concatenate([one[1] for one in parts])  # bytes, alike
    if (size.sum(axis=1) > 0).sum() < LEVELS:
        raise ConfigurationError(
            f"The recordings have packets in fewer than {LEVELS} times {bin_seconds:g} s.",
            "Give longer ones.")
    total = size.sum(axis=1)
    edges = np.unique(np.quantile(total[total > 0], np.arange(1, LEVELS - 1) / (LEVELS - 1)))
    level = np.where(total > 0, 1 + np.searchsorted(edges, total, side="left"), 0)
    used, level = np.unique(np.concatenate(([0], level)), return_inverse=True)
    level, levels = level[1:], len(used)
    rows = [level == place for place in range(levels)]
    packet = [np.concatenate([one[2][way] for one in parts]) for way in (DOWN, UP)]
    of = [level[np.concatenate([one[3][way] + offset for one, offset in zip(
        parts, np.cumsum([0, *(len(one[0]) for one in parts[:-1])]), strict=True)])]
        for way in (DOWN, UP)]
    sizes = [tuple(_points(np.sort(packet[way][of[way] == place]), LEAST_PACKET)
                   for place in range(levels)) for way in (DOWN, UP)]
    pairs = [_pairs(count[one], total[one]) for one in rows]
    seconds = len(level) * bin_seconds
    octets = size.sum(axis=0)
    return PhoneModel(
        bin_seconds, _moves(parts, level, levels), _points(np.sort(_silences(level)), 1.0),
        tuple(one[DOWN] for one in pairs), tuple(one[UP] for one in pairs), sizes[DOWN], sizes[UP],
        round(seconds, 1), round(float(octets[DOWN]) * 8 / seconds / 1000, 1),
        round(float(octets[UP]) * 8 / seconds / 1000, 1),
        round(float((level == 0).mean()), 4))


def _binned(recording: Recording, bin_seconds: float) -> tuple[
        _Floats, _Floats, list[_Floats], list[NDArray[np.int64]]]:
    """Packets and bytes [bin, direction]; of each direction the packets' sizes and bins."""
    place = recording.time // round(bin_seconds * SECOND)
    bins = int(place[-1]) + 1
    ways = [recording.direction == way for way in (DOWN, UP)]
    count = np.stack([np.bincount(place[one], minlength=bins) for one in ways], axis=1)
    size = np.stack([np.bincount(place[one], recording.size[one], bins) for one in ways], axis=1)
    return (count.astype(float), size.astype(float),
            [recording.size[one].astype(float) for one in ways], [place[one] for one in ways])


def _moves(parts: Sequence[tuple[Any, ...]], level: NDArray[np.int64], levels: int) -> Table:
    found = np.full((levels, levels), 1e-9)  # a level that nothing followed ends at any
    ends = np.cumsum([len(one[0]) for one in parts])
    inside = np.ones(len(level) - 1, bool)
    inside[ends[:-1] - 1] = False  # from one recording to the next there is no move
    np.add.at(found, (level[:-1][inside], level[1:][inside]), 1.0)
    found[0, 0] = 0.0
    found /= found.sum(axis=1, keepdims=True)
    return tuple(tuple(round(float(one), 6) for one in row) for row in found)


def _silences(level: NDArray[np.int64]) -> _Floats:
    """Lengths of the runs of level 0, in bins."""
    steps = np.diff(np.concatenate(([0], (level == 0).astype(np.int64), [0])))
    found = np.flatnonzero(steps == -1) - np.flatnonzero(steps == 1)
    return found.astype(float) if len(found) else np.ones(1)


def _points(values: _Floats, least: float) -> tuple[float, ...]:
    """At most POINTS means of equal parts of sorted `values`."""
    if not len(values):
        return (least,)
    return tuple(round(max(float(one.mean()), least), 1)
                 for one in np.array_split(values, min(POINTS, len(values))))


def _pairs(count: _Floats, total: _Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Packets down and up that come together, in means of parts with alike many bytes."""
    if not len(count) or not total.any():
        return (0.0,), (0.0,)
    parts = np.array_split(count[np.argsort(total, kind="stable")], min(POINTS, len(count)))
    down, up = (tuple(round(float(one[:, way].mean()), 3) for one in parts) for way in (DOWN, UP))
    return down, up


def write_models(path: Path, models: Mapping[str, PhoneModel], source: str) -> None:
    """A file of models; `source` says what they were made from."""
    document = {"format": FORMAT, "source": source,
                "models": {name: asdict(one) for name, one in models.items()}}
    try:
        path.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.",
                                 "Choose another --out.") from error


def read_models(path: Path) -> dict[str, PhoneModel]:
    """A file's models by their names."""
    try:
        with path.open("rb") as file:
            text = file.read(MOST_OCTETS + 1)
        if len(text) > MOST_OCTETS:
            raise ConfigurationError(f"{path} is too large for phones' models.",
                                     "Make it anew: airsplit testbed phones.")
        document = json.loads(text)
        if document["format"] != FORMAT or not 0 < len(document["models"]) <= MOST_MODELS:
            raise KeyError("format")
        return {str(name): _model(one) for name, one in document["models"].items()}
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.",
                                 "Make it: airsplit testbed phones.") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigurationError(f"{path} has no phones' models of format {FORMAT}.",
                                 "Make it anew: airsplit testbed phones.") from error


def _model(fields: Mapping[str, Any]) -> PhoneModel:
    figures = [_figure(fields[name]) for name in (
        "bin_seconds", "seconds", "down_kbps", "up_kbps", "silent_share")]
    tables = [tuple(tuple(map(_figure, row)) for row in fields[name]) for name in (
        "moves", "down_packets", "up_packets", "down_bytes", "up_bytes")]
    moves, *rest = tables
    return PhoneModel(figures[0], moves, tuple(map(_figure, fields["silences"])), rest[0],
                      rest[1], rest[2], rest[3], *figures[1:])


def _figure(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError("no figure")
    return float(value)
