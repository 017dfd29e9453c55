"""The remote control of srsRAN and OCUDU: a WebSocket for commands, and for a stream of metrics.

    remote = SrsranRemote(RemoteConfig("ws://127.0.0.1:8001"), heard)
    task = asyncio.create_task(remote.run())
    answer = await remote.request(command)

It is off by default in the gNB and has no names for requests: answers come in the order of the
requests, with the command's name in them. An answer says that the gNB took the command, and nothing
more. Metrics are handed on as they came; `srsran_metrics` knows what they mean. The connection is
opened again, with growing pauses, until `run` is cancelled.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException

from xapp.errors import ConfigurationError, ProtocolError, TransportError

MOST_OCTETS = 1 << 20  # of one message: metrics of hundreds of UEs have some 100 kB
MOST_ASKED = 32  # requests that wait for answers: it answers in milliseconds, or hangs
MOST_TEXT = 500  # of an error that the gNB says, for the operator
SUBSCRIBE = '{"cmd":"metrics_subscribe"}'
Metrics = Mapping[str, Any]


@dataclass(frozen=True)
class RemoteConfig:
    """Where the remote control is, and how patiently it is used."""

    url: str = "ws://127.0.0.1:8001"  # the gNB's remote_control.bind_addr and port
    metrics: bool = True  # subscribe to them
    connect_seconds: float = 5.0
    answer_seconds: float = 2.0  # it was seen to take 5 ms
    pause_seconds: float = 0.5  # before the next attempt to connect; doubles
    most_pause_seconds: float = 30.0
    quiet_seconds: float = 10.0  # without any message while metrics are due: connect anew; 0: never

    def __post_init__(self) -> None:
        if not self.url.startswith(("ws://", "wss://")):
            raise ConfigurationError(f"{self.url!r} is no WebSocket.",
                                     "Write ws://HOST:PORT, such as ws://127.0.0.1:8001.")


@dataclass(frozen=True, slots=True)
class RemoteUp:
    """Connected; metrics are subscribed to where wanted."""


@dataclass(frozen=True, slots=True)
class RemoteDown:
    """Not connected (any more); `pause` seconds until the next attempt."""

    why: str
    pause: float


@dataclass(frozen=True, slots=True)
class RemoteMetrics:
    """One message of the stream."""

    metrics: Metrics


@dataclass(frozen=True, slots=True)
class RemoteGarbage:
    """A message that is none."""

    problem: str


Heard = RemoteUp | RemoteDown | RemoteMetrics | RemoteGarbage


class Refused(TransportError):
    """The gNB says that it did not do it."""


class Unanswered(TransportError):
    """The gNB did not answer; what it did is not known."""


@dataclass
class _Asked:
    name: str
    answer: asyncio.Future[Metrics]


class SrsranRemote:
    """A client that stays connected."""

    def __init__(self, config: RemoteConfig, heard: Callable[[Heard], None]) -> None:
        self.config, self._heard = config, heard
        self._connection: ClientConnection | None = None
        self._asked: deque[_Asked] = deque()
        self.connected = False

    async def run(self) -> None:
        """Connect, listen, connect again; until cancelled."""
        pause = self.config.pause_seconds
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._session()
                why = "the gNB closed the connection"
            except InvalidURI as error:
                raise ConfigurationError(f"{self.config.url!r} is no WebSocket: {error}.",
                                         "Write ws://HOST:PORT.") from error
            except (OSError, TimeoutError, InvalidHandshake, WebSocketException,
                    TransportError) as error:
                why = str(error) or type(error).__name__
            finally:
                self._lost()
            if asyncio.get_running_loop().time() - began > self.config.most_pause_seconds:
                pause = self.config.pause_seconds  # it had worked for a while
            self._heard(RemoteDown(why, pause))
            await asyncio.sleep(pause)
            pause = min(2 * pause, self.config.most_pause_seconds)

    async def request(self, command: str) -> Metrics:
        """Send a command and wait for its answer; `Refused`, `Unanswered` or TransportError."""
        connection = self._connection
        if connection is None or not self.connected:
            raise TransportError("The remote control is not connected.",
                                 "Set remote_control.enabled in the gNB's configuration.")
        return await self._ask(connection, command)

    async def _ask(self, connection: ClientConnection, command: str) -> Metrics:
        if len(self._asked) >= MOST_ASKED:
            raise TransportError(f"{MOST_ASKED} commands wait for answers already.",
                                 "Look whether the gNB still answers.")
        name = json.loads(command)["cmd"]
        asked = _Asked(name, asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        try:
            async with asyncio.timeout(self.config.answer_seconds):
                await connection.send(command)
                answer = await asked.answer
        except TimeoutError as error:
            # Answers have no numbers: a late one would be taken for the next command's.
            await connection.close(1001, "no answer")
            raise Unanswered(f"The gNB did not answer {name} in "
                             f"{self.config.answer_seconds:g} s.") from error
        except WebSocketException as error:
            raise Unanswered(f"The connection ended before {name} was answered.") from error
        finally:
            if asked in self._asked:
                self._asked.remove(asked)
        if "error" in answer:
            said = str(answer["error"])[:MOST_TEXT]
            raise Refused(f"The gNB refused {name}: {said}.")
        return answer

    async def _session(self) -> None:
        """One connection, from its beginning to its end."""
        async with connect(
                self.config.url, open_timeout=self.config.connect_seconds, close_timeout=1,
                max_size=MOST_OCTETS, compression=None, proxy=None) as connection:
            self._connection = connection
            listening = asyncio.create_task(self._listen(connection))
            try:
                if self.config.metrics:
                    await self._ask(connection, SUBSCRIBE)
                self.connected = True
                self._heard(RemoteUp())
                await listening
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self, connection: ClientConnection) -> None:
        quiet = self.config.quiet_seconds if self.config.metrics else 0.0
        while True:
            try:
                async with asyncio.timeout(quiet or None):
                    message = await connection.recv()
            except TimeoutError as error:
                raise TransportError(f"nothing came for {quiet:g} s, and metrics were due"
                                     ) from error
            except WebSocketException:
                if connection.close_code in (1000, 1001):
                    return
                raise
            self._take(message)

    def _take(self, message: str | bytes) -> None:
        try:
            fields = _read(message)
        except ProtocolError as error:
            self._heard(RemoteGarbage(error.problem))
            return
        name = fields.get("cmd")
        if self._asked and (name == self._asked[0].name or (name is None and "error" in fields)):
            asked = self._asked.popleft()
            if not asked.answer.done():
                asked.answer.set_result(fields)
        elif name is not None or "error" in fields:
            self._heard(RemoteGarbage(f"an answer to nothing that was asked ({name})"))
        else:
            self._heard(RemoteMetrics(fields))

    def _lost(self) -> None:
        self.connected, self._connection = False, None
        while self._asked:
            asked = self._asked.popleft()
            if not asked.answer.done():
                asked.answer.set_exception(Unanswered(
                    f"The connection ended before {asked.name} was answered."))
                asked.answer.exception()  # whoever waits gets it; if nobody does, so be it


def _read(message: str | bytes) -> dict[str, Any]:
    if isinstance(message, bytes):
        raise ProtocolError("a binary message on the remote control")
    try:
        fields = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"no JSON on the remote control: {type(error).__name__}") from error
    if not isinstance(fields, dict):
        raise ProtocolError("JSON that is no object on the remote control")
    return fields
