"""Our own OpenAI-compatible API as a service far away: a whole model, asked over the link.

The gateway listens on its own machine's loopback alone, so a proxy stands before it, as it would in
front of any such service, and ends TLS. Its answers stream as events over HTTP.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

from testbed import namespaces
from testbed.sessions.kind import heavy, uneven
from testbed.sessions.talk import READ_BYTES, Parameters

TEXT = ("the old king said to his son go out into world and young fisherman came sea it was dark "
        "no one answered him who are you tell me a story about")
END = b"data: [DONE]\n\n"
LAST_CHUNK = b"0\r\n\r\n"


def serve_gateway(namespace: str, port: int, model: Path, parameters: Parameters,
                  seed: int) -> None:
    """The gateway, as its command runs it; until it is killed."""
    import ue_app.phone
    from edge_server.engine.load import Engine, EngineOptions
    from edge_server.engine.load import open_engine as open_as_ever
    from testbed.cli import main
    from testbed.sessions.pacing import Pace, paced

    namespaces.enter(namespace)
    # Both halves of the layers pause, so each takes half of a token's time.
    pace = Pace(parameters["token_seconds"] / 2, parameters["spread"], parameters["row_share"])

    def open_engine(checkpoint: Any, options: EngineOptions) -> Engine:
        return paced(open_as_ever(checkpoint, options), pace, seed)

    # The one difference from a real gateway, in a process that does nothing else.
    ue_app.phone.open_engine = open_engine  # type: ignore[attr-defined]  # imported there
    main(["gateway", "--local", "--model", str(model), "--port", str(port), "--threads", "1"])


async def serve_proxy(address: str, port: int, tls: ssl.SSLContext | None,
                      to: int) -> asyncio.Server:
    """Passes connections on to the gateway at port `to` of this machine."""
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ssl.SSLError):
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", to)
            try:
                await asyncio.gather(_pass(reader, inner_writer), _pass(inner_reader, writer))
            finally:
                inner_writer.close()
        writer.close()

    return await asyncio.start_server(connected, address, port, ssl=tls)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, ssl.SSLError):
        while data := await reader.read(READ_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()


async def ask(address: str, port: int, tls: ssl.SSLContext | None, parameters: Parameters,
              randomness: random.Random) -> None:
    """One person's chat; ends when it is cancelled."""
    messages: list[dict[str, str]] = []
    reader, writer = await asyncio.open_connection(
        address, port, ssl=tls, server_hostname=address if tls else None)
    while True:
        count = heavy(randomness, parameters["prompt_words"], 0.5, 300)
        question = " ".join(randomness.choices(TEXT.split(), k=count))
        messages.append({"role": "user", "content": question})
        body = json.dumps({
            "messages": messages, "stream": True, "temperature": 0.9,
            "max_tokens": heavy(randomness, parameters["answer"], 0.5, 400)}).encode()
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: api.example\r\n"
                     b"Content-Type: application/json\r\nAccept: text/event-stream\r\n"
                     b"Authorization: Bearer " + b"k" * 51 + b"\r\nContent-Length: %d\r\n\r\n"
                     % len(body) + body)
        await writer.drain()
        await _until_end(reader)
        messages = [*messages, {"role": "assistant", "content": "and so it was"}][-6:]
        await asyncio.sleep(uneven(randomness, parameters["think"], 0.6))


async def _until_end(reader: asyncio.StreamReader) -> None:
    last = b""
    while not (END in last and last.endswith(LAST_CHUNK)):
        data = await reader.read(READ_BYTES)
        if not data:
            raise ConnectionResetError("the gateway ended the connection")
        last = (last + data)[-256:]
        if last.startswith(b"HTTP/1.1 4") or last.startswith(b"HTTP/1.1 5"):
            raise ConnectionResetError("the gateway refused")  # the conversation is too long
