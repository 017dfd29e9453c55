"""Sources of the UE map: each is asked again and again, and what is wrong with one is told once."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from xapp import ue_map_file
from xapp.config import UeMapSources
from xapp.errors import ConfigurationError, CoreError
from xapp.map_source import MapSource, emulated
from xapp.observations import CellKey, Snssai, UeKey
from xapp.ue_map import Origin, UeEntry

ENTRY = UeEntry("10.45.0.2", UeKey("gnb", "du:1"), Snssai(1, 5))
DOCUMENT = json.dumps({"ues": [
    {"address": "10.45.0.2", "node": "gnb", "ue": "du:1", "slice": "1-000005"}]}).encode()
PATIENCE = 20.0


@contextmanager
def serving(body: bytes, status: int = 200) -> Iterator[str]:
    """An emulated cell that answers so; its URL."""
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the console."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/ues"
        finally:
            server.shutdown()
            thread.join(PATIENCE)


@dataclass
class Heard:
    """What a source told, until it is enough."""

    taken: list[tuple[Origin, tuple[UeEntry, ...]]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def take(self, origin: Origin, entries: Iterable[UeEntry]) -> None:
        self.taken.append((origin, tuple(entries)))

    def run(self, source: MapSource, enough: Callable[[], bool]) -> None:
        async def play() -> None:
            task = asyncio.create_task(source.run(self.take, self.said.append))
            async with asyncio.timeout(PATIENCE):
                while not enough():
                    await asyncio.sleep(0.005)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        asyncio.run(play())


def cells() -> dict[str, CellKey]:
    return {"00066c000": CellKey("gnb", "00066c000")}


def test_a_file_is_told_once_and_that_is_all(tmp_path: Path) -> None:
    file = tmp_path / "ues.json"
    file.write_bytes(DOCUMENT)
    heard = Heard()
    source = MapSource(UeMapSources(file=file), cells)
    asyncio.run(asyncio.wait_for(source.run(heard.take, heard.said.append), PATIENCE))
    assert heard.taken == [(Origin.FILE, (ENTRY,))]
    assert heard.said == []


def test_a_file_that_cannot_be_used_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        MapSource(UeMapSources(file=tmp_path / "none.yaml"), cells)


def test_an_emulated_cell_is_asked_again_and_again() -> None:
    with serving(DOCUMENT) as url:
        heard = Heard()
        heard.run(MapSource(UeMapSources(emulator=url, every=0.01), cells),
                  lambda: len(heard.taken) >= 3)
    assert set(heard.taken) == {(Origin.EMULATOR, (ENTRY,))}
    assert heard.said == []


class Core:
    """Answers in turn: a map, or what is wrong."""

    def __init__(self, *answers: UeEntry | CoreError) -> None:
        self.answers, self.asked = list(answers), 0
        self.cells: dict[str, CellKey] = {}

    def entries(self, known: dict[str, CellKey]) -> list[UeEntry]:
        self.asked, self.cells = self.asked + 1, known
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, CoreError):
            raise answer
        return [answer]


def test_what_is_wrong_is_told_once_until_it_was_right_again(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    away, odd = CoreError("The SMF is away.", "Start it."), CoreError("It is odd.", "Look.")
    core = Core(away, away, away, odd, ENTRY, away, away, ENTRY)
    monkeypatch.setattr("xapp.map_source.Open5gs", lambda smf, amf: core)
    heard = Heard()
    heard.run(MapSource(UeMapSources(smf="http://127.0.0.4:9090", every=0.001), cells),
              lambda: core.asked >= 9)
    assert heard.said == [str(away), str(odd), str(away)]
    assert core.cells == cells()
    assert set(heard.taken) == {(Origin.CORE, (ENTRY,))}


def test_one_source_that_is_away_does_not_keep_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xapp.map_source.Open5gs",
                        lambda smf, amf: Core(CoreError("Away.", "Start it.")))
    with serving(DOCUMENT) as url:
        heard = Heard()
        heard.run(MapSource(UeMapSources(smf="http://x", emulator=url, every=0.01), cells),
                  lambda: len(heard.taken) >= 2)
    assert {origin for origin, _ in heard.taken} == {Origin.EMULATOR}
    assert heard.said == ["Away. Start it."]


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "file:///etc/passwd", "127.0.0.1:8000", ""])
def test_only_http_is_asked(url: str) -> None:
    with pytest.raises(ConfigurationError, match="no URL"):
        emulated(url)


@pytest.mark.parametrize(("body", "status"), [
    (b"{", 200), (b"ues: []", 200), (b"\xff" * 40, 200), (b"{}", 200), (DOCUMENT, 500),
    (DOCUMENT, 404), (b" " * (ue_map_file.MOST_BYTES + 1), 200)])
def test_answers_that_are_none_are_one_error(body: bytes, status: int) -> None:
    with serving(body, status) as url, pytest.raises(ConfigurationError) as caught:
        emulated(url)
    assert caught.value.remedy


def test_nobody_there_is_one_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/ues"
        with pytest.raises(ConfigurationError, match="gives no UE map"):
            emulated(url)


def test_who_speaks_no_http_is_one_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"\xff\xfe nonsense\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ConfigurationError, match="gives no UE map"):
            emulated(f"http://127.0.0.1:{server.getsockname()[1]}/ues")
        thread.join(PATIENCE)
