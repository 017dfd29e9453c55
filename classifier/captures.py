"""What there is to learn from: captures whose flows somebody named, each from one source.

It brings every kind of data set to the same form: packets as the pcap tools have them and a name
for some of the flows. It knows no features and no model. Four forms are read:

    labelled captures     a folder with labels.csv beside its captures; those named or recorded
    phone traces          one CSV row a packet with the app's name and lengths, without addresses
    chat traces           one CSV row a packet with flow, direction and bytes
"""

from __future__ import annotations

import csv
import gzip
import io
import ipaddress
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.errors import DataError
from classifier.labels import CLASSES
from pcap_tools.errors import CaptureError
from pcap_tools.packets import PACKET, Status

TCP, UDP, ICMP, SCTP = 6, 17, 1, 132
TRANSPORTS = {"TCP": TCP, "UDP": UDP, "ICMP": ICMP, "ICMPV6": 58, "SCTP": SCTP}
End = tuple[bytes, int]
Key = tuple[int, End, End]  # protocol and both ends, the smaller first

# The recorder of the phone traces put 46 bytes around each IP packet and rounded up to four.
PHONE_OVERHEAD = 48
PHONE_SILENCE = 10.0  # seconds after which the same app's packets count as another flow
PHONE_LONGEST = 60.0  # seconds after which they do in any case
MINIMAL_HEADERS = {TCP: 40, UDP: 28}  # IPv4 and transport without options
# Bytes beyond the least header that may be TCP's options (of SYN, of selective acknowledgements):
# no record of TLS, which all these flows speak, is as short.
OPTIONS = 20


@dataclass(frozen=True)
class Capture:
    """One capture's packets in the order of time, and the names of its flows."""

    name: str  # of the file, unique in its source
    source: str
    packets: NDArray[np.void]  # PACKET
    truth: Mapping[Key, str]  # class of each flow that has one
    conditions: Mapping[str, str] = field(default_factory=dict)  # model, link_profile, kind


def key(protocol: int, first: End, second: End) -> Key:
    """One name for both directions."""
    return (protocol, first, second) if first <= second else (protocol, second, first)


def address(text: str) -> bytes:
    """Sixteen bytes as packets have them: IPv4 in the first four."""
    return ipaddress.ip_address(text.split("%")[0]).packed.ljust(16, b"\0")


def labelled(folder: Path, source: str) -> Iterator[Capture]:
    """Captures beside or below `folder`, as its labels.csv names them.

    The columns capture, transport, address_a, port_a, address_b, port_b and label are needed;
    model, link_profile and kind are kept as conditions.
    """
    rows: dict[str, list[dict[str, str]]] = {}
    for row in _csv(folder / "labels.csv"):
        rows.setdefault(row["capture"], []).append(row)
    places = {path.name: path for path in sorted(folder.rglob("*")) if path.is_file()}
    for name, entries in sorted(rows.items()):
        path = folder / name if (folder / name).is_file() else places.get(Path(name).name)
        truth = dict(filter(None, map(_named, entries)))
        if path is None or not truth:
            continue
        packets = _read(path)
        if packets is not None and len(packets):
            yield Capture(name, source, packets, truth, {
                condition: entries[0].get(condition) or ""
                for condition in ("model", "link_profile", "kind")})


def _named(row: Mapping[str, str]) -> tuple[Key, str] | None:
    protocol = TRANSPORTS.get(row["transport"].upper())
    # Names of applications are no behaviour: a look-up is one whatever for, and SD-RTN carries
    # calls, not music.
    name = row.get("protocol", "")
    label = ("background" if name.startswith("DNS") else
             "realtime" if name == "SD-RTN" else row["label"])
    if protocol is None or label not in CLASSES:
        return None
    try:
        ends = [(address(row[f"address_{side}"]), int(row[f"port_{side}"] or 0)) for side in "ab"]
    except ValueError:  # some labels hold what no address looks like
        return None
    return key(protocol, ends[0], ends[1]), label


def _read(path: Path) -> NDArray[np.void] | None:
    """All packets of a capture; None where nothing of it can be read."""
    from pcap_tools.parse import parse
    from pcap_tools.read import open_captures

    parts: list[NDArray[np.void]] = []
    try:
        reader = open_captures([path])
        try:
            parts += [parse(records) for records in reader]
        finally:
            reader.close()
    except CaptureError:
        if not parts:
            return None
    packets = np.concatenate(parts) if parts else np.zeros(0, PACKET)
    return packets[np.argsort(packets["time"], kind="stable")]


def phone_traces(folder: Path, source: str) -> Iterator[Capture]:
    """TRACTOR's packet tables, one capture a file; the app tells the class, see `phone_class`.

    They hold neither ports nor flows: what one app sends over one transport until it falls silent
    counts as one flow.
    """
    for path in sorted(folder.glob("*.csv*")):
        yield phone_trace(path.name.split(".")[0], source, _csv(path))


def phone_trace(name: str, source: str, rows: Iterable[Mapping[str, str]]) -> Capture:
    """One such table."""
    packets: list[tuple[int, int, int, bool, int]] = []
    truth: dict[Key, str] = {}
    flows: dict[tuple[str, int], tuple[int, float, float]] = {}  # number, first, last
    for row in rows:
        protocol = phone_protocol(row["Protocol"])
        label = phone_class(name, row["App name"], row["Protocol"])
        if protocol is None or label is None:
            continue
        time, app = float(row["Time"]), (row["App name"], protocol)
        number, first, last = flows.get(app, (-1, time, time))
        if number < 0 or time - last > PHONE_SILENCE or time - first > PHONE_LONGEST:
            number, first = len(truth), time
            truth[_synthetic_key(number, protocol)] = label
        flows[app] = (number, first, time)
        length = max(int(row["Length"]) - PHONE_OVERHEAD, MINIMAL_HEADERS[protocol])
        packets.append((round(time * 1e9), number, protocol,
                        row["Source"] == "172.30.1.1", length))
    return Capture(name, source, _synthetic(packets), truth)


def phone_protocol(name: str) -> int | None:
    """The transport behind a protocol's name; None for what is left out (name look-ups)."""
    if name in ("", "DNS", "ICMP"):
        return None
    return TCP if name.startswith(("TCP", "TLS", "SSL", "HTTP")) else UDP


def phone_class(file: str, app: str, protocol: str) -> str | None:
    """The class of an app's packets; None where the file does not tell.

    Files of mMTC, control and idle time hold what phones do unasked, whichever app does it. In the
    others the app decides; for calls only its media, as the rest is signalling.
    """
    if file.startswith(("mmtc", "cntrl", "urll_")):
        return "background"
    if app in ("Meet", "Messenger", "Teams", "Maps"):  # Maps: a street seen through the camera
        return "realtime" if phone_protocol(protocol) == UDP else None
    # Films in the browser: nothing else explains its tens of megabytes.
    return {"YouTube": "video", "Netflix": "video", "Chrome": "video", "OneDrive": "bulk",
            "YouTube Music": "audio", "Pandora": "audio", "Spotify": "audio"}.get(app)


def chat_traces(path: Path, source: str) -> Iterator[Capture]:
    """People's talks with assistants in a browser: a table of packets by capture and flow."""
    captures: dict[str, list[Mapping[str, str]]] = {}
    for row in _csv(path):
        captures.setdefault(row["capture"], []).append(row)
    for name, rows in captures.items():
        yield chat_trace(f"{rows[0]['service']}-{name}", source, rows)


def chat_trace(name: str, source: str, rows: Iterable[Mapping[str, str]]) -> Capture:
    """One such capture; a flow's smallest packet is one without payload."""
    rows = list(rows)
    header: dict[int, int] = {}
    for row in rows:
        flow, length = int(row["flow"]), int(row["bytes"])
        header[flow] = max(40, min(header.get(flow, 72), length))
    packets = [(round(float(row["time_s"]) * 1e9), int(row["flow"]), TCP,
                row["direction"] == "up", int(row["bytes"])) for row in rows]
    truth = {_synthetic_key(flow, TCP): "llm_chat" for flow in header}
    table = _synthetic(packets)
    headers = np.array([header[flow] for _, flow, *_ in sorted(packets, key=lambda row: row[0])])
    table["payload"] = _without_options(table["length"] - headers)
    return Capture(name, source, table, truth)


_PHONE, _SERVER = address("10.0.0.1"), address("10.0.0.2")


def _synthetic_key(number: int, protocol: int) -> Key:
    return key(protocol, (_PHONE, 1024 + number), (_SERVER, 443))


def _synthetic(rows: list[tuple[int, int, int, bool, int]]) -> NDArray[np.void]:
    """Packets of (time, flow, protocol, up, length) between two made-up addresses."""
    time, flow, protocol, up, length = np.array(
        sorted(rows, key=lambda row: row[0]), np.int64).reshape(-1, 5).T
    table = np.zeros(len(time), PACKET)
    phone, server = (np.frombuffer(host, np.uint8) for host in (_PHONE, _SERVER))
    forth = (up == 1)[:, None]
    table["source"], table["destination"] = (
        np.where(forth, phone, server), np.where(forth, server, phone))
    table["source_port"] = np.where(up == 1, 1024 + flow, 443)
    table["destination_port"] = np.where(up == 1, 443, 1024 + flow)
    table["time"], table["length"], table["protocol"] = time, length, protocol
    table["payload"] = np.where(
        protocol == TCP, _without_options(length - MINIMAL_HEADERS[TCP]),
        length - MINIMAL_HEADERS[UDP])
    table["version"], table["qfi"], table["status"] = 4, 255, Status.FLOW
    return table


def _without_options(payload: NDArray[Any]) -> NDArray[Any]:
    """What is payload for sure: of a TCP packet without headers' lengths, options look like some.

    Else every selective acknowledgement would be a turn of its own.
    """
    return np.where(payload > OPTIONS, payload, 0)


def _csv(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, packed or not."""
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.",
                        "Name the folder that holds it.") from error
    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(text)))
    return rows
