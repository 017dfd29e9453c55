"""Edges as processes of their own: killed without warning, drained, restarted, replaced."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge_server.engine.load import EngineOptions
from edge_server.messages import Sampling
from tests.conftest import MakeCheckpoint
from ue_app.errors import EdgeUnreachable, LinkError
from ue_app.generate import Answer
from ue_app.phone import Phone, PhoneConfig, open_phone
from ue_app.prompt import Turn
from ue_app.wire import LinkConfig

SAMPLED = Sampling(temperature=0.9, top_k=40, repetition_penalty=1.2, seed=3)
TEXT = "the old king said to his son: go out into the world, who are you? it was dark"
TOKENS = 24
START_SECONDS = 60.0


class EdgeProcess:
    """`airsplit edge` in a process."""

    def __init__(self, folder: Path, port: int, *options: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "testbed.cli", "edge", "--model", str(folder), "--port",
             str(port), "--threads", "1", *map(str, options)], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        timer = threading.Timer(START_SECONDS, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        if " on http://" not in line:
            self.close()
            raise AssertionError("the edge did not start")
        self.url = line.split(" on ")[1].strip()
        self.port = int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """Without a word to anybody."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


class Edges:
    """`edges(folder, port)` is an edge in a process; port 0 is any."""

    def __init__(self) -> None:
        self._running: list[EdgeProcess] = []
        self._starting: list[threading.Thread] = []

    def __call__(self, folder: Path, port: int = 0, *options: object) -> EdgeProcess:
        edge = EdgeProcess(folder, port, *options)
        self._running.append(edge)
        return edge

    def start(self, folder: Path, port: int) -> None:
        """Beside a phone, which finds nobody at the address meanwhile."""
        self._starting.append(threading.Thread(target=self, args=(folder, port)))
        self._starting[-1].start()

    def close(self) -> None:
        """A phone may have its answer before the edge has said here that it is there."""
        for thread in self._starting:
            thread.join()
        for edge in self._running:
            edge.close()


@pytest.fixture
def edge_process() -> Iterator[Edges]:
    edges = Edges()
    yield edges
    edges.close()


def make_phone(folder: Path, *urls: str, patience: float = 60.0) -> Phone:
    link = LinkConfig(urls[0], tuple(urls[1:]), patience=patience) if urls else None
    return open_phone(PhoneConfig((folder,), link, EngineOptions("auto", "auto", 1, 256, 1),
                                  split=1, max_new_tokens=TOKENS, chunk=4))


def ask(phone: Phone, each: Callable[[int], None] = lambda _: None) -> Answer:
    ids = phone.prompter.encode_turns([Turn("user", TEXT)])
    for _ in phone.conversation.ask(ids, SAMPLED, phone.prompter.stream()):
        assert phone.conversation.answer is not None
        each(len(phone.conversation.answer.ids))
    assert phone.conversation.answer is not None
    return replace(phone.conversation.answer)


@pytest.mark.parametrize("during", ["prompt", "answer"])
def test_an_edge_that_is_killed_and_started_again(
    during: str, checkpoint_folder: MakeCheckpoint, edge_process: Edges,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The phone sends its own history to the new one: nobody notices more than a delay."""
    folder = checkpoint_folder("gemma3")
    expected = ask(make_phone(folder)).ids
    edge = edge_process(folder)
    phone = make_phone(folder, edge.url)

    def replace_edge() -> None:
        edge.kill()
        edge_process.start(folder, edge.port)

    sent, send = 0, phone.link.send

    def counted(*arguments: object) -> None:
        nonlocal sent
        sent += 1
        if sent == 3 and during == "prompt":
            replace_edge()
        send(*arguments)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(phone.link, "send", counted)
    answer = ask(phone, lambda count: replace_edge()
                 if count == 5 and during == "answer" else None)
    assert answer.ids == expected
    assert (phone.link.status.resumed, phone.link.status.rebuilt) == (0, 1)
    phone.link.close()


def test_nobody_comes_back(checkpoint_folder: MakeCheckpoint, edge_process: Edges) -> None:
    """Patience ends with an error that says so; the next question finds a new edge."""
    folder = checkpoint_folder("gemma3")
    edge = edge_process(folder)
    phone = make_phone(folder, edge.url, patience=0.5)
    with pytest.raises(EdgeUnreachable, match="No edge answers"):
        ask(phone, lambda count: edge.kill() if count == 5 else None)
    with pytest.raises(LinkError):
        ask(phone)
    edge_process(folder, edge.port)
    assert ask(phone).ids == ask(make_phone(folder)).ids
    phone.link.close()


def test_a_drain_lets_the_answer_finish(
    checkpoint_folder: MakeCheckpoint, edge_process: Edges,
) -> None:
    folder = checkpoint_folder("gemma3")
    edge, other = edge_process(folder), edge_process(folder)
    phone, idle = make_phone(folder, edge.url, other.url), make_phone(folder, edge.url, other.url)
    expected = ask(make_phone(folder)).ids
    answer = ask(phone, lambda count: edge.process.send_signal(signal.SIGTERM)
                 if count == 5 else None)
    assert answer.ids == expected
    assert phone.link.status.edge == edge.url
    assert edge.process.wait(START_SECONDS) == 0
    for each in (phone, idle):  # their sessions were told to move
        assert ask(each).ids == expected
        assert each.link.status.edge == other.url
        each.link.close()
