"""The modes' server: connections in, messages through `serving`, one thread for each connection.

    airsplit modes serve --model DIR

It loads its model once and stays: what a mode costs is measured against a server that is warm. It
has no password, so it listens on this machine unless told `--allow-anyone`.
"""

from __future__ import annotations

import logging
import resource
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_server.errors import EdgeError
from testbed.modes.channel import MOST_BYTES, Channel
from testbed.modes.errors import BadMessage, ModesError, ServerGone
from testbed.modes.policies import times_of
from testbed.modes.serving import Conversation, Served
from testbed.modes.wire import Kind, Message

logger = logging.getLogger("testbed.modes.server")
AGAIN_SECONDS = 0.2  # until the next try, where the system has no descriptor to give
END_SECONDS = 15.0  # that a step which is being computed may still take when the server closes


@dataclass(frozen=True)
class ServerConfig:
    """Where it listens, and what it takes."""

    host: str = "127.0.0.1"
    port: int = 0  # 0: a free one
    connections: int = 64  # at a time; more are closed at once
    timeout: float = 120.0  # seconds of silence in the middle of a message, or before the first
    most_bytes: int = MOST_BYTES  # of one message's tensors


class ModesServer:
    """A listening server; `close` ends it and its connections."""

    def __init__(self, served: Served, config: ServerConfig) -> None:
        self._served, self._config = served, config
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        try:
            self._listener = socket.create_server((config.host, config.port), family=family)
        except OSError as error:
            raise ModesError(f"{config.host}:{config.port} cannot be listened on: "
                             f"{error.strerror or error}.", "Give another --port or --host."
                             ) from error
        self.port = int(self._listener.getsockname()[1])
        self._open: dict[Channel, threading.Thread] = {}
        self._lock = threading.Lock()
        self._closing = False

    def serve(self) -> None:
        """Until `close`."""
        while not self._closing:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if self._closing:
                    return
                logger.warning("no connection can be taken just now: %s", error)
                time.sleep(AGAIN_SECONDS)
                continue
            with self._lock:
                if self._closing or len(self._open) >= self._config.connections:
                    logger.warning("a connection beyond %d is closed", len(self._open))
                    connection.close()
                    continue
                channel = Channel(connection, self._config.timeout, self._config.most_bytes,
                                  self._served.clock)
                thread = threading.Thread(target=self._carry, args=(channel,), daemon=True)
                self._open[channel] = thread
                thread.start()

    def close(self) -> None:
        """End all connections, and wait for their threads.

        One that is still there when the interpreter ends may abort the whole process.
        """
        with self._lock:
            self._closing = True
        # A thread that waits in accept() is not woken by close() alone.
        with suppress(OSError):  # nobody ever connected
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            threads = list(self._open.values())
            for channel in self._open:
                channel.close()
        deadline = time.monotonic() + END_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _carry(self, channel: Channel) -> None:
        conversation: Conversation | None = None
        try:
            conversation = self._served.open(self._hello(channel))
            self._ready(channel)
            channel.wait_for_ever(True)
            while self._answer(channel, conversation, channel.receive(conversation.most_bytes)):
                pass
        except ServerGone:
            pass  # it left without a word
        except EdgeError as error:
            _tell(channel, error)
        finally:
            if conversation is not None:
                conversation.close()
            with self._lock:
                self._open.pop(channel, None)
            channel.close()

    def _hello(self, channel: Channel) -> Message:
        hello = channel.receive(most=0)  # who has not said what it wants sends no tensors
        while hello.kind is Kind.CLOCK:
            self._clock(channel)
            hello = channel.receive(most=0)
        if hello.kind is not Kind.HELLO:
            raise BadMessage("A connection begins with HELLO.")
        return hello

    def _ready(self, channel: Channel) -> None:
        served = self._served
        channel.send(Message(Kind.READY, {
            "vocabulary": served.vocabulary, "capacity": served.capacity,
            "load_seconds": served.load_seconds, "backend": served.engine.backend,
            "precision": served.engine.precision}))

    def _answer(self, channel: Channel, conversation: Conversation, message: Message) -> bool:
        """Whether the conversation goes on."""
        if message.kind is Kind.STEP:
            whole = channel.whole
            result = dict((found := conversation.step(message)).meta)
            result["at"] = times_of(whole, self._served.clock(), result.pop("computed"))
            channel.send(Message(Kind.RESULT, result, found.tensors))
        elif message.kind is Kind.START:
            conversation.start(message.meta)
        elif message.kind is Kind.CLOCK:
            self._clock(channel)
        elif message.kind is Kind.ACCOUNT:
            channel.send(Message(Kind.ACCOUNT, self._account(channel, message.meta)))
        elif message.kind is Kind.BYE:
            return False
        else:
            raise BadMessage(f"A client does not send {message.kind.name}.")
        return True

    def _clock(self, channel: Channel) -> None:
        channel.send(Message(Kind.CLOCK, {"came": channel.came, "at": self._served.clock()}))

    def _account(self, channel: Channel, meta: Any) -> dict[str, Any]:
        """What was counted before this answer, and what the process has used."""
        peak = peak_bytes()
        if meta.get("reset") is True:
            reset_peak()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {"received": channel.received, "sent": channel.sent, "peak_bytes": peak,
                "packing": channel.packing, "cpu_seconds": usage.ru_utime + usage.ru_stime}


def _tell(channel: Channel, error: EdgeError) -> None:
    logger.info("refused: %s", error)
    with suppress(ModesError):  # it is gone already
        channel.send(Message(Kind.ERROR, {"problem": error.problem, "remedy": error.remedy}))


def peak_bytes(process: str = "self") -> int | None:
    """Most memory that a process has held since the last reset; None where that is not known."""
    return _status_bytes(process, "VmHWM:")


def resident_bytes(process: str = "self") -> int | None:
    """Memory that a process holds now; None where that is not known."""
    return _status_bytes(process, "VmRSS:")


def _status_bytes(process: str, name: str) -> int | None:
    try:
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass  # no such process, or no such system
    return None


def reset_peak(process: str = "self") -> bool:
    """Count the peak from now on; whether that could be done."""
    try:
        Path(f"/proc/{process}/clear_refs").write_text("5")
    except OSError:
        return False
    return True
