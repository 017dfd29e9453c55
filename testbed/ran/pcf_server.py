"""The emulator's policy function at a port: HTTP/2 with prior knowledge, as Open5GS speaks it.

    async with serve_pcf(pcf, "127.0.0.1", 8004):
        ...

It serves nothing else, to whoever can reach the port, and listens on this machine. Requests are
answered one after another, in a thread, since the user plane is waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from testbed.ran.pcf import MOST_BODY, Answer, Pcf
from xapp.errors import ConfigurationError

MOST_CONNECTIONS = 16
MOST_STREAMS = 32  # of a connection at a time
QUIET_SECONDS = 300.0  # after which somebody who says nothing is not waited for any more
MOST_FLOOD = 1 << 20  # bytes of one request, after which its connection ends
TOO_LONG = Answer(413)
MOST_ANSWER = 16_000  # bytes: fits a peer's first window; answers repeat what was asked


@dataclass
class _Request:
    method: str
    path: str
    body: bytearray = field(default_factory=bytearray)  # as far as it is not too long
    came: int = 0  # bytes


class _Connection(asyncio.Protocol):
    """One peer."""

    def __init__(self, server: PcfServer) -> None:
        self._server = server
        self._state = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=False, header_encoding="utf-8"))
        self._requests: dict[int, _Request] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._quiet: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # it is one of TCP
        self._transport = transport
        if not self._server.admit(self):
            transport.abort()
            return
        self._state.initiate_connection()
        self._state.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: MOST_STREAMS})
        self._flush()
        self._wait_anew()

    def connection_lost(self, error: Exception | None) -> None:
        self._server.leave(self)
        if self._quiet is not None:
            self._quiet.cancel()
        for task in self._tasks:
            task.cancel()

    def data_received(self, data: bytes) -> None:
        self._wait_anew()
        try:
            for event in self._state.receive_data(data):
                self._take(event)
        except (h2.exceptions.ProtocolError, UnicodeDecodeError):
            self._flush()  # it says what was wrong, to whom can read it
            self._transport.close()
            return
        self._flush()

    def close(self) -> None:
        self._transport.abort()

    def _take(self, event: h2.events.Event) -> None:
        stream = getattr(event, "stream_id", None) or 0
        if isinstance(event, h2.events.RequestReceived):
            named = {str(name): str(value) for name, value in event.headers or ()}
            self._requests[stream] = _Request(named.get(":method", ""), named.get(":path", ""))
        elif isinstance(event, h2.events.DataReceived):
            self._state.acknowledge_received_data(event.flow_controlled_length or 0, stream)
            asked = self._requests.get(stream)
            if asked is not None:
                asked.came += len(event.data or b"")
                if asked.came <= MOST_BODY:
                    asked.body += event.data or b""
                elif asked.came > MOST_FLOOD:
                    self._transport.abort()
        elif isinstance(event, h2.events.StreamEnded):
            asked = self._requests.pop(stream, None)
            if asked is not None:
                task = asyncio.get_running_loop().create_task(self._answer(stream, asked))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        elif isinstance(event, h2.events.StreamReset):
            self._requests.pop(stream, None)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self._transport.close()

    async def _answer(self, stream: int, asked: _Request) -> None:
        answer = TOO_LONG if asked.came > MOST_BODY else await self._server.answer(
            asked.method, asked.path, bytes(asked.body))
        try:
            self._state.send_headers(stream, [(":status", str(answer.status)), *answer.headers],
                                     end_stream=not answer.body)
            if answer.body:
                self._state.send_data(stream, answer.body[:MOST_ANSWER], end_stream=True)
        except h2.exceptions.ProtocolError:
            return  # whoever asked has gone, or reset it
        self._flush()

    def _flush(self) -> None:
        data = self._state.data_to_send()
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def _wait_anew(self) -> None:
        if self._quiet is not None:
            self._quiet.cancel()
        self._quiet = asyncio.get_running_loop().call_later(QUIET_SECONDS, self._transport.abort)


class PcfServer:
    """All peers."""

    def __init__(self, pcf: Pcf) -> None:
        self._pcf, self._turn = pcf, asyncio.Lock()
        self._peers: set[_Connection] = set()

    def admit(self, peer: _Connection) -> bool:
        if len(self._peers) >= MOST_CONNECTIONS:
            return False
        self._peers.add(peer)
        return True

    def leave(self, peer: _Connection) -> None:
        self._peers.discard(peer)

    async def answer(self, method: str, path: str, body: bytes) -> Answer:
        async with self._turn:
            return await asyncio.to_thread(self._pcf.answer, method, path, body)

    def close(self) -> None:
        for peer in list(self._peers):
            peer.close()


@asynccontextmanager
async def serve_pcf(pcf: Pcf, host: str, port: int) -> AsyncIterator[int]:
    """Answer until the block ends; gives the port."""
    served = PcfServer(pcf)
    try:
        server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(served), host, port)
    except OSError as error:
        raise ConfigurationError(f"{host}:{port} cannot be listened on: {error.strerror}.",
                                 "Choose another remap.pcf_port.") from error
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        served.close()
        await server.wait_closed()
