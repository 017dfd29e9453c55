"""The peers of `bench_peers`, ready to be asked: our modes here, each other in two processes.

Each other peer is a worker module, run once at each end of the link, under this project's
interpreter or under one that has what the peer needs. What is missing is said by an error with the
way to get it. It measures nothing.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from edge_server.errors import EdgeError
from testbed.modes.asking import WARM_ID
from testbed.modes.opening import open_mode
from testbed.modes.places import Place
from testbed.modes.policies import Mode
from testbed.modes.settings import ModesSettings
from testbed.modes.trial import mode_config
from tests.benchmarks import report
from tests.benchmarks.peers_loop import READY

READY_SECONDS = 900.0  # llama.cpp sends the weights that it lends over the link: 435 MB of 270M
ANSWER_SECONDS = 1800.0  # with a large vocabulary some send all scores for each token
PREPARE_SECONDS = 600.0
SAID_CHARACTERS = 300  # of a failed worker's last words
TORCH, LLAMA, PETALS = (f"tests.benchmarks.peers_{name}" for name in ("worker", "llama", "petals"))
HTTP = "pickle-http"
REMEDY = {  # for a worker module whose `check` fails
    LLAMA: "Give --llama-python of an environment made by: python -m venv FOLDER; "
           'CMAKE_ARGS="-DGGML_NATIVE=ON -DGGML_RPC=ON" FOLDER/bin/pip install gguf '
           "llama-cpp-python --no-binary llama-cpp-python",
    PETALS: "Give --petals-python of an environment made by: python3.11 -m venv FOLDER; "
            "FOLDER/bin/pip install -r tests/benchmarks/peers_petals.txt; "
            "FOLDER/bin/pip install --no-deps petals==2.2.0.post1"}


@dataclass(frozen=True)
class Peer:
    """How one of the others is run, and in what it is not alike."""

    module: str
    note: str
    on_its_port: bool = True  # all that it sends is to or from the port that it is given
    same_weights: bool = True  # as ours, so that its tokens can be compared


OTHERS = {
    "rpc-stateless": Peer(TORCH, "torch RPC, the whole model at the server, which keeps nothing: "
                                 "all ids up, every position's scores down", False),
    "rpc-stateful": Peer(TORCH, "torch RPC, the whole model and its cache at the server: new ids "
                                "up, their scores down", False),
    "remote-module": Peer(TORCH, "torch's RemoteModule: the first layer here, the others one "
                                 "module at the server, with its cache; rows up, scores down",
                          False),
    HTTP: Peer(TORCH, "the same cut, pickled over HTTP, a connection for each token"),
    "llama-rpc": Peer(LLAMA, "llama.cpp's RPC backend, bf16 GGUF of the same weights: the last "
                             "half of the layers and the output matrix lent, scores down"),
    "llama-rpc-sampling": Peer(LLAMA, "the same, and the token is chosen at the server"),
    "petals": Peer(PETALS, "Petals in a private swarm: Llama's shape, as it has no Gemma, other "
                           "random weights; all layers at the server, embedding and scores here",
                   same_weights=False),
}


class Ours:
    """One of the product's modes."""

    def __init__(self, mode: Mode, settings: ModesSettings, place: Place, stack: ExitStack) -> None:
        self._opened = place.inside(lambda: stack.enter_context(
            open_mode(mode_config(replace(settings, mode=mode), place))))
        server = {Mode.SPLIT: place.edge, Mode.SEMANTIC: place.server}.get(mode)
        self.port = None if server is None else server.port
        self.process = None if server is None else server.process

    def forget(self) -> None:
        """What is held of the last prompt would be used again."""
        self._opened.ask([WARM_ID], 1)

    def ask(self, prompt: list[int], tokens: int) -> dict[str, Any]:
        before = time.thread_time()  # one thread computes: this one
        answer = self._opened.ask(prompt, tokens)
        return {"times": [one - answer.started for one in answer.times], "ids": list(answer.ids),
                "cpu": time.thread_time() - before}


class Other:
    """Two processes of a worker module."""

    def __init__(self, name: str, python: str, model: Path, lend: int, place: Place,
                 stack: ExitStack) -> None:
        ends, peer = place.ends, OTHERS[name]
        port = free_port()
        self.port = port if peer.on_its_port else None
        words = [name, str(model), ends.address, str(port), "--device", ends.device,
                 "--lend", str(lend)]
        run = [python, "-m", peer.module]
        server = stack.enter_context(worker(ends.far, [*run, "serve", *words]))
        said = server.until_ready()
        self.process = server.process.pid
        self._client = stack.enter_context(worker(
            ends.near, [*run, "ask", *words, *(["--join", said] if said else [])]))
        self._client.until_ready()

    def forget(self) -> None:
        """Each of its answers begins anew."""

    def ask(self, prompt: list[int], tokens: int) -> dict[str, Any]:
        return self._client.order({"ids": prompt, "tokens": tokens})


class Worker:
    """A process that says it is ready, and answers lines of JSON."""

    def __init__(self, process: subprocess.Popen[str], complaints: IO[str]) -> None:
        self.process, self._complaints = process, complaints

    def until_ready(self) -> str:
        """What it says beside being ready."""
        while line := self._line(READY_SECONDS):
            if line.split(" ", 1)[0].strip() == READY:
                return line.strip()[len(READY):].strip()
        raise EdgeError("The peer did not start:", self._last_words())

    def order(self, what: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None  # it was asked for
        try:
            self.process.stdin.write(json.dumps(what) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            line = ""
        else:
            line = self._line(ANSWER_SECONDS)
            while line and not line.startswith("{"):  # a library's remark
                line = self._line(ANSWER_SECONDS)
        if not line.startswith("{"):
            raise EdgeError("The peer ended before its answer:", self._last_words())
        found: dict[str, Any] = json.loads(line)
        return found

    def _line(self, patience: float) -> str:
        """The next line; "" at its end, which comes when it was waited for in vain."""
        assert self.process.stdout is not None  # it was asked for
        late = threading.Timer(patience, self.kill)
        late.start()
        try:
            return self.process.stdout.readline()
        finally:
            late.cancel()

    def kill(self) -> None:
        """With what it started, which else would keep its pipes open."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def _last_words(self) -> str:
        self._complaints.seek(0)
        lines = self._complaints.read().strip().splitlines()
        return (lines or ["it said nothing, or was late."])[-1][-SAID_CHARACTERS:]


@contextmanager
def worker(namespace: str | None, words: Sequence[str]) -> Iterator[Worker]:
    """A process with all that it starts, until the end; in `namespace` where there is one."""
    inside = ["ip", "netns", "exec", namespace] if namespace else []
    with tempfile.TemporaryFile("w+", errors="replace") as complaints:
        process = subprocess.Popen(
            [*inside, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints,
            text=True, cwd=report.ROOT, start_new_session=True)
        found = Worker(process, complaints)
        try:
            yield found
        finally:
            found.kill()
            process.wait()
            for one in (process.stdin, process.stdout):
                assert one is not None  # both were asked for
                with suppress(BrokenPipeError):
                    one.close()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        found: int = one.getsockname()[1]
    return found


def model_for(peer: str, python: str, checkpoint: Path, folder: Path) -> Path:
    """The checkpoint in the peer's form, written to `folder` unless it is there already."""
    module = OTHERS[peer].module
    if module == TORCH:
        return checkpoint
    try:
        _run([python, "-m", module, "check"])
    except EdgeError as error:
        raise EdgeError(f"It is not installed: {error}.", REMEDY[module]) from error
    out = folder / f"{checkpoint.name}.{module.rpartition('_')[2]}"
    if not out.exists():
        unfinished = out.with_name(out.name + ".unfinished")
        _run([python, "-m", module, "prepare", str(checkpoint), str(unfinished)])
        unfinished.rename(out)
    return out


def _run(words: Sequence[str]) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, cwd=report.ROOT, check=False,
                              stdin=subprocess.DEVNULL, timeout=PREPARE_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EdgeError(str(error)) from error
    if done.returncode:
        raise EdgeError((done.stderr.strip().splitlines() or ["it said nothing"])[-1]
                        [-SAID_CHARACTERS:])


def interpreters(llama: str | None, petals: str | None) -> dict[str, str]:
    """By worker module; this project's own where none is named."""
    return {TORCH: sys.executable, LLAMA: llama or sys.executable,
            PETALS: petals or sys.executable}
