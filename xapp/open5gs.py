"""A UE map from an Open5GS core: what its SMF and AMF tell over their information APIs.

    fetch = Open5gs("http://127.0.0.4:9090", "http://127.0.0.5:9090")
    entries = await asyncio.to_thread(fetch.entries, cells)

`GET /pdu-info` of the SMF has addresses, slices and tunnels by SUPI, `GET /ue-info` of the AMF the
numbers by which the RAN knows a SUPI. Both come in pages of at most 100. Answers are a stranger's:
capped, timed and checked; an item that is not understood is left out and counted. It blocks: it is
called in a thread.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from xapp.errors import ConfigurationError, CoreError
from xapp.observations import CellKey, Snssai, UeKey
from xapp.ue_map import UeEntry, canonical

PAGE = 100  # items; the most that Open5GS gives
MOST_PAGES = 200  # 20,000 UEs; a server that never ends a list is not followed further
MOST_BYTES = 4 * 1024 * 1024  # of one page: 100 UEs of 40 kB
NO_SD = "ffffff"  # how it writes a slice without a differentiator
_ADVICE = "See that the core runs, and that `metrics.server` is set in its smf.yaml and amf.yaml."


@dataclass(frozen=True, slots=True)
class Session:
    """A PDU session, as the SMF knows it."""

    supi: str
    addresses: tuple[str, ...]
    slice: Snssai | None
    dnn: str | None
    teid_up: int | None
    teid_down: int | None
    active: bool


@dataclass(frozen=True, slots=True)
class Registration:
    """A UE, as the AMF knows it."""

    supi: str
    amf_id: int | None  # AMF-UE-NGAP-ID; None where it is not connected
    ran_id: int | None  # RAN-UE-NGAP-ID
    cell: str | None  # NR cell identity, nine hexadecimal digits


@dataclass(slots=True)
class Open5gs:
    """Both APIs; the AMF's may be left out."""

    smf: str  # such as http://127.0.0.4:9090
    amf: str | None = None
    timeout: float = 2.0  # seconds for each page
    skipped: int = field(default=0, init=False)  # items that were not understood

    def __post_init__(self) -> None:
        for url in (self.smf, self.amf):
            if url is not None:
                _parts(url)

    def entries(self, cells: Mapping[str, CellKey]) -> tuple[UeEntry, ...]:
        """What is known of all UEs; `cells` are those of connected nodes, by NR cell identity."""
        sessions = [one for item in self._items(self.smf, "/pdu-info")
                    for one in self._sessions(item)]
        registered = {} if self.amf is None else {
            one.supi: one for item in self._items(self.amf, "/ue-info")
            if (one := self._registration(item)) is not None}
        return tuple(joined(sessions, registered, cells))

    def _items(self, base: str, path: str) -> Iterator[Mapping[str, Any]]:
        for page in range(MOST_PAGES):
            document = _get(base, f"{path}?page={page}&page_size={PAGE}", self.timeout)
            items = document.get("items")
            if not isinstance(items, list):
                raise CoreError(f"{base}{path} has no list of items.", _ADVICE)
            for item in items[:PAGE]:
                if isinstance(item, dict):
                    yield item
                else:
                    self.skipped += 1
            if len(items) < PAGE:
                return
        raise CoreError(f"{base}{path} has more than {MOST_PAGES} pages.", _ADVICE)

    def _sessions(self, item: Mapping[str, Any]) -> Iterator[Session]:
        supi, pdus = item.get("supi"), item.get("pdu")
        if not _is_text(supi) or not isinstance(pdus, list):
            self.skipped += 1
            return
        for pdu in pdus[:32]:  # sessions of one UE: 3GPP allows 15
            if not isinstance(pdu, dict):
                self.skipped += 1
                continue
            addresses = tuple(known for key in ("ipv4", "ipv6") if isinstance(pdu.get(key), str)
                              and (known := canonical(pdu[key])) is not None)
            dnn = pdu.get("dnn")
            yield Session(
                str(supi), addresses, _snssai(pdu.get("snssai")),
                dnn if _is_text(dnn) else None, _teid(pdu, "upf"), _teid(pdu, "gnb"),
                pdu.get("pdu_state") != "inactive")

    def _registration(self, item: Mapping[str, Any]) -> Registration | None:
        supi = item.get("supi")
        if not _is_text(supi):
            self.skipped += 1  # one that is only about to register has none yet
            return None
        gnb, location = item.get("gnb"), item.get("location")
        gnb = gnb if isinstance(gnb, dict) else {}
        cgi = location.get("nr_cgi") if isinstance(location, dict) else None
        nci = _number(cgi, "nci", 2**36) if isinstance(cgi, dict) else None
        return Registration(str(supi), _number(gnb, "amf_ue_ngap_id", 2**40),
                            _number(gnb, "ran_ue_ngap_id", 2**32),
                            None if nci is None else f"{nci:09x}")


def joined(
    sessions: list[Session], registered: Mapping[str, Registration],
    cells: Mapping[str, CellKey],
) -> Iterator[UeEntry]:
    """An entry for each address; the UE's name where its cell is one of a connected node."""
    for session in sessions:
        at = registered.get(session.supi)
        cell = cells.get(at.cell) if at is not None and at.cell is not None else None
        ue = None
        if at is not None and cell is not None and at.amf_id is not None:
            ue = UeKey(cell.node, f"amf:{at.amf_id}")
        for address in session.addresses:
            yield UeEntry(address, ue, session.slice, cell, session.supi, session.dnn,
                          session.teid_up, session.teid_down,
                          confidence=1.0 if session.active else 0.8)


def _parts(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 9090
    except ValueError:
        host = None
    if host is None or parts.scheme != "http" or parts.path.strip("/"):
        raise ConfigurationError(f"{url!r} is no address of an Open5GS information API.",
                                 "Write one such as http://127.0.0.4:9090.")
    return host, port


def _get(base: str, path: str, timeout: float) -> dict[str, Any]:
    """One page."""
    connection = http.client.HTTPConnection(*_parts(base), timeout=timeout)
    try:
        connection.request("GET", path, headers={"Accept": "application/json"})
        answer = connection.getresponse()
        data = _body(answer, time.monotonic() + timeout)
    except (OSError, http.client.HTTPException) as error:
        raise CoreError(f"{base}{path} does not answer: {_said(error)}.", _ADVICE) from error
    finally:
        connection.close()
    if answer.status == 404:
        raise CoreError(f"{base} has no {path.partition('?')[0]}.",
                        "Older versions of Open5GS have none: update it, or write a UE map file.")
    if answer.status != 200:
        raise CoreError(f"{base}{path} answers {answer.status}.", _ADVICE)
    if len(data) > MOST_BYTES:
        raise CoreError(f"{base}{path} is larger than {MOST_BYTES >> 20} MiB.", _ADVICE)
    try:
        document = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        raise CoreError(f"{base}{path} is no JSON, or was cut short.", _ADVICE) from None
    if not isinstance(document, dict):
        raise CoreError(f"{base}{path} is no object.", _ADVICE)
    return document


def _body(answer: http.client.HTTPResponse, deadline: float) -> bytes:
    """The answer's body; a server that trickles has no more time than one that is silent."""
    data = bytearray()
    while len(data) <= MOST_BYTES and (part := answer.read1(65536)):
        data += part
        if time.monotonic() > deadline:
            raise TimeoutError("timed out")
    return bytes(data)


def _said(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable()


def _number(fields: Mapping[str, Any], key: str, most: int) -> int | None:
    value = fields.get(key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # cJSON writes large numbers as 1e+09
    return value if type(value) is int and 0 <= value < most else None


def _snssai(value: Any) -> Snssai | None:
    if not isinstance(value, dict) or (sst := _number(value, "sst", 256)) is None:
        return None
    sd = value.get("sd")
    if not isinstance(sd, str) or sd.lower() == NO_SD:
        return Snssai(sst)
    try:
        return Snssai.parse(f"{sst}-{sd}")
    except ConfigurationError:
        return None


def _teid(pdu: Mapping[str, Any], end: str) -> int | None:
    n3 = pdu.get("n3")
    tunnel = n3.get(end) if isinstance(n3, dict) else None
    number = _number(tunnel, "teid", 2**32) if isinstance(tunnel, dict) else None
    return number or None
