"""The core's information APIs: pages over real HTTP on loopback, in the shapes that Open5GS has."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from xapp import open5gs
from xapp.errors import ConfigurationError, CoreError
from xapp.observations import CellKey, Snssai, UeKey
from xapp.open5gs import PAGE, Open5gs

CELL = CellKey("gnb_1", "00066c000")


def smf_ue(number: int, **changes: Any) -> dict[str, Any]:
    """A UE with two sessions, as the SMF shows it."""
    def pdu(psi: int, dnn: str, net: int, sd: str) -> dict[str, Any]:
        return {"psi": psi, "dnn": dnn, "ipv4": f"10.{net}.{number >> 8}.{number & 255}",
                "snssai": {"sst": 1, "sd": sd}, "qos_flows": [{"qfi": 1, "5qi": 9}],
                "n3": {"gnb": {"teid": 10 + number, "addr": "[127.0.0.1]:2152"},
                       "upf": {"teid": psi * 100_000 + number, "addr": "[127.0.0.7]:2152",
                               "pdr_id": 2}},
                "pdu_state": "active", "ue_location_timestamp": 1778223227627488}

    return {"supi": f"imsi-{number:015}", "ue_activity": "active",
            "pdu": [pdu(1, "llm", 45, "000001"), pdu(2, "internet", 46, "ffffff")]} | changes


def amf_ue(number: int, **changes: Any) -> dict[str, Any]:
    """The same UE, as the AMF shows it."""
    return {"id": number, "supi": f"imsi-{number:015}", "cm_state": "connected",
            "gnb": {"ostream_id": 1, "amf_ue_ngap_id": number, "ran_ue_ngap_id": number + 7,
                    "gnb_id": 411, "cell_id": 0},
            "location": {"timestamp": 1758733375895512, "nr_cgi": {
                "plmn": "00101", "nci": 0x66c000, "gnb_id": 411, "cell_id": 0}},
            "pdu_sessions": [], "allowed_slices": [{"sst": 1, "sd": "000001"}]} | changes


def paged(items: list[Any], query: str) -> bytes:
    asked = parse_qs(query)
    page, size = int(asked["page"][0]), min(int(asked["page_size"][0]), 100)
    part = items[page * size:(page + 1) * size]
    return json.dumps({"items": part, "pager": {
        "page": page, "page_size": size, "count": len(part)}}).encode()


Answer = Callable[[str, str], tuple[int, bytes]]
Serve = Callable[[Answer], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(answer)` is the address of a server that answers so."""
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                status, body = answer(parts.path, parts.query)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join(10)
        server.server_close()


def core(serve: Serve, smf: list[Any], amf: list[Any]) -> Open5gs:
    def answer(path: str, query: str) -> tuple[int, bytes]:
        known = {"/pdu-info": smf, "/ue-info": amf}
        return (200, paged(known[path], query)) if path in known else (404, b"")

    url = serve(answer)
    return Open5gs(url, url)


def test_addresses_slices_and_ues_are_joined(serve: Serve) -> None:
    fetch = core(serve, [smf_ue(1), smf_ue(2)], [amf_ue(1)])
    first, second, third, _ = fetch.entries({CELL.cell: CELL})
    assert (first.address, first.slice, first.dnn) == ("10.45.0.1", Snssai(1, 1), "llm")
    assert (second.address, second.slice, second.dnn) == ("10.46.0.1", Snssai(1), "internet")
    assert first.ue == second.ue == UeKey("gnb_1", "amf:1")
    assert (first.cell, first.supi) == (CELL, "imsi-000000000000001")
    assert (first.teid_up, first.teid_down) == (100_001, 11)
    assert (third.ue, third.cell, third.slice) == (None, None, Snssai(1, 1))  # AMF is silent of it
    assert fetch.skipped == 0


def test_a_ue_of_a_cell_that_is_not_connected_has_no_name(serve: Serve) -> None:
    entries = core(serve, [smf_ue(1)], [amf_ue(1)]).entries({})
    assert {one.ue for one in entries} == {None}
    alone = core(serve, [smf_ue(1)], [])
    assert [one.address for one in Open5gs(alone.smf).entries({CELL.cell: CELL})] == [
        "10.45.0.1", "10.46.0.1"]


@pytest.mark.parametrize("count", [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE])
def test_all_pages_are_read(serve: Serve, count: int) -> None:
    fetch = core(serve, [smf_ue(n) for n in range(count)], [amf_ue(n) for n in range(count)])
    entries = fetch.entries({CELL.cell: CELL})
    assert len(entries) == 2 * count
    assert all(one.ue is not None for one in entries)


def test_items_of_any_shape_are_left_out_and_the_rest_is_kept(serve: Serve) -> None:
    odd: list[Any] = [None, 5, [], {}, {"supi": 5, "pdu": []}, {"supi": "a", "pdu": 7},
           {"supi": "imsi-9", "pdu": [None, {}, {"ipv4": 5, "snssai": "x", "n3": []},
                                      {"ipv4": "10.45.9.9", "snssai": {"sst": 999, "sd": "x"},
                                       "n3": {"upf": {"teid": -4}}}]}]
    amf = [None, {}, {"supi": "imsi-9", "gnb": {"status": "not-connected"}, "location": 5},
           amf_ue(1, gnb=[], location={"nr_cgi": {"nci": 2**40}})]
    fetch = core(serve, [*odd, smf_ue(1)], amf)
    entries = fetch.entries({CELL.cell: CELL})
    assert [one.address for one in entries] == ["10.45.9.9", "10.45.0.1", "10.46.0.1"]
    assert entries[0].slice is None
    assert fetch.skipped > 0


def test_sessions_that_are_parked_are_less_sure(serve: Serve) -> None:
    ue = smf_ue(1)
    ue["pdu"][0]["pdu_state"] = "inactive"
    entries = core(serve, [ue], []).entries({})
    assert entries[0].confidence < entries[1].confidence == 1.0


@pytest.mark.parametrize(("status", "body", "says"), [
    (200, b"{", "no JSON, or was cut short"), (200, b"[]", "no object"), (200, b"{}", "no list"),
    (200, b'{"items": 5}', "no list"), (200, b"\xff", "no JSON"), (200, b"[" * 5000, "no JSON"),
    (404, b"", "has no /pdu-info"), (500, b"", "answers 500"), (200, b" " * 300, "larger")])
def test_answers_that_are_none(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, says: str
) -> None:
    if says == "larger":
        monkeypatch.setattr(open5gs, "MOST_BYTES", 200)
    with pytest.raises(CoreError, match=says):
        Open5gs(serve(lambda path, query: (status, body))).entries({})


def test_a_list_without_an_end(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open5gs, "MOST_PAGES", 3)
    body = json.dumps({"items": [smf_ue(1)] * PAGE}).encode()
    with pytest.raises(CoreError, match="more than 3 pages"):
        Open5gs(serve(lambda path, query: (200, body))).entries({})


def test_a_core_that_is_not_there_or_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(CoreError, match="timed out"):
            Open5gs(url, timeout=0.2).entries({})
    with pytest.raises(CoreError, match="does not answer"):
        Open5gs(url, timeout=0.2).entries({})


def test_a_core_that_trickles(serve: Serve) -> None:
    """A byte now and then does not hold the thread."""
    ended = threading.Event()

    def trickle(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
            while not ended.wait(0.05):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=trickle, args=(listening,))
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(CoreError, match="timed out"):
            Open5gs(url, timeout=0.4).entries({})
        ended.set()
        thread.join(10)


@pytest.mark.parametrize("url", ["", "127.0.0.1:9090", "https://a:1", "http://", "http://a:x",
                                 "http://a:1/path"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(ConfigurationError, match="no address"):
        Open5gs(url)
