"""Records this app's own traffic and its tokens' times, for one session, into a folder.

A recording is a folder: `capture.pcap`, the packets to and from the edge as scapy sees them;
`timing.jsonl`, one line a token; `recording.json`, what was recorded and how it went. Capturing
needs a right that an ordinary user lacks: without it the times are recorded alone, and the person
is told what to do. Neither file holds text. Clocks are passed in.
"""

from __future__ import annotations

import ipaddress
import json
import re
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Protocol

from edge_server.errors import EdgeError
from ue_app.errors import PhoneError, RecordingError
from ue_app.runner import Problem, Token
from ue_app.wire import edge_uri

CAPTURE_NAME, TIMING_NAME, ABOUT_NAME = "capture.pcap", "timing.jsonl", "recording.json"
FORMAT = 1
SOL_PACKET, PACKET_IGNORE_OUTGOING = 263, 23  # linux/if_packet.h


@dataclass(frozen=True)
class Peer:
    """One end of the traffic: an address of an edge."""

    address: str
    port: int


class Capture(Protocol):
    """Packets on their way into a file."""

    def stop(self) -> int:
        """End it; returns how many packets were written."""


OpenCapture = Callable[[Path, Sequence[Peer]], Capture]


@dataclass(frozen=True)
class About:
    """What `recording.json` says."""

    name: str
    started: float  # seconds since the epoch
    ended: float
    tokens: int
    packets: int | None  # None: nothing was captured
    capture_problem: str | None  # why not
    peers: tuple[Peer, ...]
    settings: Mapping[str, Any]
    format: int = FORMAT


class Recorder:
    """At most one recording at a time; told of every token."""

    def __init__(
        self, folder: Path, clock: Callable[[], float], wall_clock: Callable[[], float],
        open_capture: OpenCapture,
    ) -> None:
        self.folder = folder
        self._clock, self._wall_clock, self._open_capture = clock, wall_clock, open_capture
        self._lock = threading.Lock()
        self._timing: IO[str] | None = None
        self._capture: Capture | None = None
        self._about: dict[str, Any] = {}
        self._offset = 0.0  # from the loop's clock to the wall's, seconds
        self.problem: Problem | None = None  # why packets are not captured, or writing failed

    @property
    def since(self) -> float | None:
        """When the running recording began, by the wall's clock; None while there is none."""
        return self._about["started"] if self._timing is not None else None

    @property
    def name(self) -> str | None:
        return self._about["name"] if self._timing is not None else None

    def start(self, session: str, edges: Sequence[str], settings: Mapping[str, Any]) -> str:
        """Begin to record the session `session`, with these edges; returns the recording's name."""
        with self._lock:
            if self._timing is not None:
                raise RecordingError("A recording is running already.", "Stop it first.")
            now = self._wall_clock()
            name = f"{datetime.fromtimestamp(now):%Y%m%d-%H%M%S}-{_slug(session)}"
            folder = self.folder / name
            try:
                folder.mkdir(parents=True)
                timing = (folder / TIMING_NAME).open("w", encoding="utf-8", buffering=1)
            except OSError as error:
                raise RecordingError(f"{folder} cannot be written: {error.strerror}.",
                                     "Free some space or mend the permissions.") from error
            self._offset = now - self._clock()
            self.problem, self._capture = None, None
            peers: tuple[Peer, ...] = ()
            try:
                peers = tuple(peers_of(edges))
                if not peers:
                    raise RecordingError("There is no edge whose traffic could be captured.",
                                         "Ask something first, or set an edge.")
                self._capture = self._open_capture(folder / CAPTURE_NAME, peers)
            except (PhoneError, EdgeError) as error:
                self.problem = Problem(error.problem, error.remedy)
            self._about = {"name": name, "started": now, "tokens": 0, "peers": peers,
                           "settings": dict(settings)}
            self._timing = timing  # last: with it the recording is there for other threads
            return name

    def token(self, token: Token) -> None:
        """Write a token's line; a disk that fails ends the lines, not the answer."""
        with self._lock:
            if self._timing is None:
                return
            status = token.status
            line = {"time": token.time + self._offset, "answer": token.answer,
                    "index": token.index, "gap": token.gap, "sent": token.sent,
                    "received": token.received,
                    "round_trip": None if status is None else status.round_trip,
                    "state": None if status is None else str(status.state),
                    "slice": None if status is None else status.slice}
            try:
                self._timing.write(json.dumps(line) + "\n")
                self._about["tokens"] += 1
            except OSError as error:
                self.problem = Problem(f"The recording cannot be written: {error.strerror}.",
                                       "Free some space; the answer goes on.")

    def stop(self) -> Path | None:
        """End the recording; returns its folder."""
        with self._lock:
            if self._timing is None:
                return None
            about = self._about
            folder: Path = self.folder / about["name"]
            packets = None if self._capture is None else self._capture.stop()
            problem = self.problem
            document = About(about["name"], about["started"], self._wall_clock(), about["tokens"],
                             packets, None if problem is None else
                             f"{problem.problem} {problem.remedy}".strip(),
                             about["peers"], about["settings"])
            timing, self._timing, self._capture = self._timing, None, None
            try:
                timing.close()
                (folder / ABOUT_NAME).write_text(json.dumps(asdict(document), indent=2) + "\n",
                                                 encoding="utf-8")
            except OSError as error:
                raise RecordingError(f"{folder} cannot be written: {error.strerror}.",
                                     "Free some space; what is in the folder stays.") from error
            return folder

    def delete(self, name: str) -> None:
        """Remove a recording that has ended."""
        if name == self.name:
            raise RecordingError("This recording is running.", "Stop it first.")
        try:
            shutil.rmtree(self.folder / Path(name).name)
        except OSError as error:
            raise RecordingError(f"{name} cannot be removed: {error.strerror}.",
                                 "Mend the permissions of its folder.") from error


def peers_of(edges: Sequence[str]) -> list[Peer]:
    """The addresses behind the edges' URLs; a name may have several."""
    found: list[Peer] = []
    for url in edges:
        uri = edge_uri(url)
        try:
            answers = socket.getaddrinfo(uri.host, uri.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise RecordingError(f"The address of {url} cannot be found: {error}.",
                                 "Check the edge's address in the settings.") from error
        found += [Peer(str(answer[4][0]).split("%")[0], uri.port) for answer in answers]
    return list(dict.fromkeys(found))


def filter_of(peers: Sequence[Peer]) -> str:
    """The Berkeley packet filter for traffic with `peers`."""
    return " or ".join(f"(host {peer.address} and tcp port {peer.port})" for peer in peers)


class ScapyCapture:
    """Packets from the kernel into a file, in a thread of scapy's."""

    def __init__(self, file: Path, peers: Sequence[Peer]) -> None:
        # scapy takes a second to load, and only a recording needs it.
        from scapy.config import conf
        from scapy.layers import inet, inet6, l2  # noqa: F401  # before a socket asks for them
        from scapy.sendrecv import AsyncSniffer
        from scapy.utils import PcapWriter

        interface = _interface(peers[0])
        try:
            listener = self._listen(conf, interface, peers)
        except PermissionError as error:
            raise RecordingError(
                "This program may not read packets, so the times of tokens are recorded alone.",
                "To capture packets too, allow it and start the app again: sudo setcap "
                f"cap_net_raw+ep {Path(sys.executable).resolve()}") from error
        except OSError as error:
            raise RecordingError(f"Packets on {interface} cannot be read: {error}.",
                                 "The times of tokens are recorded alone.") from error
        if interface == conf.loopback_name:
            _each_packet_once(listener)
        self._writer = PcapWriter(str(file), sync=False)
        self._count = 0
        ready = threading.Event()
        self._sniffer = AsyncSniffer(
            opened_socket=listener, prn=self._take, store=False, started_callback=ready.set,
            lfilter=_between(peers))
        self._sniffer.start()
        ready.wait(5.0)

    def _listen(self, conf: Any, interface: str, peers: Sequence[Peer]) -> Any:
        from scapy.error import Scapy_Exception

        try:
            return conf.L2listen(iface=interface, filter=filter_of(peers))
        except Scapy_Exception:
            # Without libpcap the kernel cannot be told which packets: `_between` chooses them.
            return conf.L2listen(iface=interface)

    def _take(self, packet: Any) -> None:
        self._writer.write(packet)
        self._count += 1

    def stop(self) -> int:
        if self._sniffer.running:
            self._sniffer.stop()
        self._writer.close()
        return self._count


def _each_packet_once(listener: Any) -> None:
    """On the loopback interface every packet is seen as it leaves and again as it comes."""
    # Kernels before 4.20 and other systems cannot be told; there they stay twice.
    with suppress(OSError, AttributeError):
        listener.ins.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)


def _between(peers: Sequence[Peer]) -> Callable[[Any], bool]:
    """Whether a packet goes to or comes from one of `peers`."""
    from scapy.layers.inet import IP, TCP
    from scapy.layers.inet6 import IPv6

    wanted = {(peer.address, peer.port) for peer in peers}

    def chosen(packet: Any) -> bool:
        network = packet.getlayer(IP) or packet.getlayer(IPv6)
        if network is None or not packet.haslayer(TCP):
            return False
        transport = packet[TCP]
        return ((network.src, transport.sport) in wanted
                or (network.dst, transport.dport) in wanted)

    return chosen


def _interface(peer: Peer) -> str:
    """The network interface by which this machine reaches `peer`."""
    from scapy.config import conf

    if ipaddress.ip_address(peer.address).is_loopback:
        return str(conf.loopback_name)
    routes = conf.route6 if ":" in peer.address else conf.route
    return str(routes.route(peer.address)[0])


def _slug(text: str) -> str:
    """`text` as part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "session"


def default_folder(data: Path) -> Path:
    """Where recordings go, beside the history."""
    return data / "recordings"
