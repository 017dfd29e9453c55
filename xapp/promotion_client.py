"""Sends `promotion`'s requests to a PCF over HTTP/2 with prior knowledge, as Open5GS speaks it.

    with PromotionClient("http://127.0.0.13:7777") as client:
        session = client.promote(flow, "llm")
        client.release(session)
"""

from __future__ import annotations

from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx

from xapp.errors import ConfigurationError, PolicyFunctionAway, PromotionRefused
from xapp.flow_ends import FlowEnds
from xapp.observations import Snssai
from xapp.promotion import (
    MOST_ANSWER,
    Request,
    Wish,
    promote,
    promoted,
    release,
    released,
)


class PromotionClient:
    """One PCF; it blocks."""

    def __init__(self, url: str, timeout: float = 5.0,
                 transport: httpx.BaseTransport | None = None) -> None:
        """`timeout` in seconds for each step of an answer; `transport` is httpx's, for tests."""
        try:
            parts = urlsplit(url)
            good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            good = None
        if not good or parts.path.strip("/"):
            raise ConfigurationError(f"{url!r} is no address of a PCF: give such as "
                                     "http://127.0.0.13:7777.")
        self._url = url.rstrip("/")
        # http1=False is prior knowledge: no upgrade is asked for, which Open5GS would not answer.
        self._client = httpx.Client(transport=transport, http1=False, http2=True, timeout=timeout,
                                    trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def promote(self, flow: FlowEnds, dnn: str, wish: Wish | None = None, *,
                snssai: Snssai | None = None, supi: str | None = None) -> str:
        """The id of a session that gives the flow a QoS flow of its own."""
        return promoted(*self._send(promote(flow, dnn, wish, snssai=snssai, supi=supi)))

    def release(self, session: str) -> None:
        status, _, body = self._send(release(session))
        released(status, body)

    def _send(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        try:
            with self._client.stream(request.method, self._url + request.path,
                                     content=request.body, headers=request.headers) as answer:
                body = bytearray()
                for part in answer.iter_bytes():
                    body += part
                    if len(body) > MOST_ANSWER:
                        raise PromotionRefused(f"{self._url} answers with more than "
                                               f"{MOST_ANSWER >> 10} KiB: it is no PCF.")
                return answer.status_code, dict(answer.headers), bytes(body)
        except httpx.HTTPError as error:
            raise PolicyFunctionAway(
                f"{self._url} does not answer: {error or type(error).__name__}. See that the PCF "
                "runs there, and that it speaks HTTP/2.") from error
