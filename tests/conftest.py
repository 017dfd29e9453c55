"""Fixtures for every test: one processor thread, small checkpoints made once a run, a real edge."""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch
from transformers.utils import logging as library_logging

import edge_server.app
from edge_server import logs
from edge_server.server import EdgeServer
from edge_server.serving import Edge
from edge_server.session import Session, State
from testbed.cli import build_parser

torch.set_num_threads(1)  # tiny matrices: threads would only wait for each other
library_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # the library's
library_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # the library's
# No deadline: an example is never slow or fast by itself on a shared machine.
# `make test` tries fewer examples than `make test-all`, and other ones each time.
hypothesis.settings.register_profile("airsplit", deadline=None, max_examples=50)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=200)
hypothesis.settings.load_profile("airsplit")

def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("long") is None)  # the others' order stays


MakeCheckpoint = Callable[..., Path]
START_SECONDS = 60.0  # a broken edge must not hang the run


@pytest.fixture(scope="session")
def checkpoint_folder(tmp_path_factory: pytest.TempPathFactory) -> MakeCheckpoint:
    """`checkpoint_folder(family, dtype)` is a folder with that checkpoint; do not write to it."""
    from tests.models import save_model  # half of what loading these fixtures would take

    made: dict[tuple[str, torch.dtype], Path] = {}

    def make(family: str, dtype: torch.dtype = torch.float32) -> Path:
        if (family, dtype) not in made:
            folder = tmp_path_factory.mktemp(family)
            save_model(folder, family, dtype)
            made[family, dtype] = folder
        return made[family, dtype]

    return make


@pytest.fixture(autouse=True)
def own_main() -> Iterator[None]:
    """A page's script that ran in a test stays `__main__`, with which spawned processes begin."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Kernels stay cached for the user; what tests remember of models does not, nor are the
    user's tokens asked for."""
    folder = tmp_path_factory.mktemp("cache")
    pytest.MonkeyPatch().setenv("XDG_CONFIG_HOME", str(folder / "config"))
    pytest.MonkeyPatch().setattr("edge_server.engine.identity.cache_folder", lambda: folder)


@dataclass
class RunningEdge:
    """`airsplit edge` in a thread of this process: its address, and its insides for effects."""

    url: str
    port: int
    edge: Edge
    closed: threading.Semaphore  # released once for each session that has ended and freed its slot
    parked: threading.Semaphore  # released once for each session whose connection was lost


RunEdge = Callable[..., RunningEdge]


@dataclass
class _Start:
    """What a starting edge hands out."""

    ready: threading.Event = field(default_factory=threading.Event)
    server: EdgeServer | None = None
    edge: Edge | None = None
    failure: BaseException | None = None


class _Errors(logging.Handler):
    """Keeps what the server logged as errors."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))


@pytest.fixture
def running_edge() -> Iterator[RunEdge]:
    """`running_edge(folder, "--sessions", 1)` is an edge as its command configures it.

    The command itself runs, in a thread, on a free port. A test fails if the edge logged an error:
    whatever a phone does, it is no bug of the edge's.
    """
    threads: list[tuple[threading.Thread, EdgeServer]] = []
    errors = _Errors()
    watched = [logging.getLogger(name) for name in ("uvicorn.error", "edge_server", "asyncio")]

    def run(folder: Path, *options: object) -> RunningEdge:
        thread, start = _start(folder, options)
        for logger in watched:  # after uvicorn configured its own
            logger.addHandler(errors)
        assert start.server is not None
        assert start.edge is not None
        threads.append((thread, start.server))
        closed, parked = threading.Semaphore(0), threading.Semaphore(0)
        release, leave = start.edge.worker.release, start.edge.desk.leave

        def release_and_tell(session: Session) -> None:
            release(session)
            closed.release()

        def leave_and_tell(session: Session, connection: int) -> None:
            leave(session, connection)
            if session.state is State.PARKED:
                parked.release()

        start.edge.desk.leave = leave_and_tell  # type: ignore[method-assign]  # to see it
        start.edge.worker.release = release_and_tell  # type: ignore[method-assign]  # to see it
        port = start.edge.config.port
        return RunningEdge(f"http://127.0.0.1:{port}", port, start.edge, closed, parked)

    yield run
    for thread, server in threads:
        server.should_exit = True
        thread.join(START_SECONDS)
    for logger in watched:
        logger.removeHandler(errors)
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler.formatter, (logs.Text, logs.Json)):  # the command's own
            root.removeHandler(handler)
    assert not any(thread.is_alive() for thread, _ in threads)
    assert errors.messages == []


@dataclass
class Relay:
    """A TCP connection's way through us: every byte of it, both ways, is kept."""

    url: str
    up: bytearray = field(default_factory=bytearray)  # from the phone
    down: bytearray = field(default_factory=bytearray)
    ended: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def wait(self) -> None:
        """Until a connection has ended both ways, so that all of it is kept."""
        assert self.ended.acquire(timeout=START_SECONDS)
        assert self.ended.acquire(timeout=START_SECONDS)


MakeRelay = Callable[[int], Relay]


@pytest.fixture
def relay() -> Iterator[MakeRelay]:
    """`relay(port)` stands before that port of this machine."""
    with contextlib.ExitStack() as stack:
        yield lambda port: _relay(port, stack)


def _relay(port: int, stack: contextlib.ExitStack) -> Relay:
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    made = Relay(f"http://127.0.0.1:{listener.getsockname()[1]}")

    def pump(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
        with contextlib.suppress(OSError):  # a reset is an end too
            while data := source.recv(1 << 16):
                kept.extend(data)
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)
        made.ended.release()

    def serve() -> None:
        with contextlib.suppress(OSError):  # closed at the end of the test
            while True:
                phone = stack.enter_context(listener.accept()[0])
                edge = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                for pair in ((phone, edge, made.up), (edge, phone, made.down)):
                    pair[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    stack.callback(thread.join, START_SECONDS)
    stack.callback(lambda: listener.shutdown(socket.SHUT_RDWR))  # wakes `accept`
    return made


def _start(folder: Path, options: tuple[object, ...]) -> tuple[threading.Thread, _Start]:
    """Run the command in a thread, until its server answers."""
    start = _Start()

    class Observed(EdgeServer):
        async def startup(self, sockets: Sequence[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            start.server = self
            start.ready.set()

    def create_app(edge: Edge, *others: Any) -> object:
        start.edge = edge
        return original(edge, *others)

    def run() -> None:
        try:
            arguments.run(arguments)
        except BaseException as failure:
            start.failure = failure
            start.ready.set()

    original = edge_server.app.create_app
    arguments = build_parser().parse_args(
        ["edge", "--model", str(folder), "--port", "0", "--threads", "1", *map(str, options)])
    thread = threading.Thread(target=run, name="edge", daemon=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edge_server.server.EdgeServer", Observed)
        patch.setattr("edge_server.app.create_app", create_app)
        thread.start()
        if not start.ready.wait(START_SECONDS):
            pytest.fail("the edge did not start")
    if start.failure is not None:
        raise start.failure
    return thread, start
