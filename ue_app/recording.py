"""Reads recordings back: tokens' times, packets, and both over time for the analysis page.

Files come from disk and may be cut short or damaged: that is one clear error, or the part that can
be read. It draws nothing.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ue_app.errors import RecordingError
from ue_app.recorder import ABOUT_NAME, CAPTURE_NAME, TIMING_NAME, Peer

MAX_PACKETS = 500_000  # read of one capture; some minutes of a fast link, bounds the memory


@dataclass(frozen=True)
class TimedToken:
    """One line of the timing log."""

    time: float  # seconds since the epoch
    gap: float | None  # since the token before in the same answer, seconds
    answer: int
    round_trip: float | None  # seconds


@dataclass(frozen=True)
class Packet:
    """One packet, as far as the page shows it."""

    time: float  # seconds since the epoch
    size: int  # bytes on the wire
    up: bool  # towards the edge


@dataclass(frozen=True)
class Flow:
    """Packets and bytes of one slice of time and one direction."""

    start: float  # seconds since the recording began
    up: bool
    packets: int
    bytes: int


@dataclass(frozen=True)
class Recording:
    """A recording that has ended."""

    folder: Path
    started: float  # seconds since the epoch
    ended: float
    packets: int | None  # None: nothing was captured
    tokens: int
    capture_problem: str | None
    peers: tuple[Peer, ...]
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def seconds(self) -> float:
        return self.ended - self.started


def recordings(folder: Path) -> list[Recording]:
    """Those that have ended, newest first; folders that are none are passed over."""
    found = []
    for file in sorted(folder.glob(f"*/{ABOUT_NAME}"), reverse=True):
        try:
            found.append(open_recording(file.parent))
        except RecordingError:
            continue  # one damaged recording must not hide the others; opening it says why
    return found


def open_recording(folder: Path) -> Recording:
    """What `recording.json` in `folder` says."""
    file = folder / ABOUT_NAME
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
        packets = about["packets"]
        return Recording(
            folder, float(about["started"]), float(about["ended"]),
            None if packets is None else int(packets), int(about["tokens"]),
            about["capture_problem"],
            tuple(Peer(str(peer["address"]), int(peer["port"])) for peer in about["peers"]),
            dict(about["settings"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RecordingError(f"{file} is not a recording: {error}.",
                             "Record anew, or choose another.") from error


def tokens_of(recording: Recording) -> list[TimedToken]:
    """The timing log, as far as it is whole: a line cut short ends it."""
    file = recording.folder / TIMING_NAME
    found: list[TimedToken] = []
    try:
        with file.open(encoding="utf-8") as stream:
            for line in stream:
                try:
                    values = json.loads(line)
                    gap, trip = values["gap"], values["round_trip"]
                    found.append(TimedToken(float(values["time"]),
                                            None if gap is None else float(gap),
                                            int(values["answer"]),
                                            None if trip is None else float(trip)))
                except (ValueError, KeyError, TypeError):
                    break
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f"{file} cannot be read: {error}.", "Record anew.") from error
    return found


def packets_of(recording: Recording) -> list[Packet]:
    """The capture, as far as it can be read; empty where nothing was captured."""
    file = recording.folder / CAPTURE_NAME
    if recording.packets is None or not file.is_file() or not file.stat().st_size:
        return []
    # scapy takes a second to load, and only a capture needs it.
    from scapy.error import Scapy_Exception
    from scapy.layers import inet, inet6, l2  # noqa: F401  # how packets are taken apart
    from scapy.utils import PcapReader

    found: list[Packet] = []
    try:
        # Opened here: the reader would leave a file open that turns out to be no capture.
        with file.open("rb") as stream, PcapReader(
                stream) as reader:  # type: ignore[arg-type]  # it takes files too
            for packet in reader:
                found.append(_packet(packet, recording.peers))
                if len(found) == MAX_PACKETS:
                    break
    except (OSError, EOFError, Scapy_Exception) as error:
        raise RecordingError(f"{file} is not a capture: {error}.", "Record anew.") from error
    return found


def _packet(packet: Any, peers: Sequence[Peer]) -> Packet:
    from scapy.layers.inet import IP, TCP
    from scapy.layers.inet6 import IPv6

    network = packet.getlayer(IP) or packet.getlayer(IPv6)
    transport = packet.getlayer(TCP)
    up = network is not None and transport is not None and any(
        (network.dst, transport.dport) == (peer.address, peer.port) for peer in peers)
    return Packet(float(packet.time), int(packet.wirelen or len(packet)), up)


def flows_of(packets: Sequence[Packet], started: float, width: float) -> list[Flow]:
    """Packets summed over slices of `width` seconds, each direction for itself."""
    sums: dict[tuple[int, bool], list[int]] = {}
    for packet in packets:
        entry = sums.setdefault((int((packet.time - started) // width), packet.up), [0, 0])
        entry[0] += 1
        entry[1] += packet.size
    return [Flow(index * width, up, count, size)
            for (index, up), (count, size) in sorted(sums.items())]


def slice_width(seconds: float, slices: int = 150) -> float:
    """A round width that cuts `seconds` into at most `slices`."""
    for width in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0):
        if seconds / width <= slices:
            return width
    return max(60.0, seconds / slices)


def archive(folder: Path) -> bytes:
    """All of a recording in one ZIP file."""
    buffer = io.BytesIO()
    try:
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
            for file in _files(folder):
                target.write(file, f"{folder.name}/{file.name}")
    except OSError as error:
        raise RecordingError(f"{folder} cannot be read: {error}.", "Mend its permissions."
                             ) from error
    return buffer.getvalue()


def _files(folder: Path) -> Iterator[Path]:
    for name in (ABOUT_NAME, TIMING_NAME, CAPTURE_NAME):
        if (folder / name).is_file():
            yield folder / name
