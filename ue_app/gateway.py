"""A local OpenAI-compatible API over the split: `/v1/models`, chat and plain completions.

Requests are checked here and turned into questions for `service`; answers are shaped as that API's
clients expect, streamed or whole, errors included. What this cannot honour (several choices, tools,
penalties by frequency, log-probabilities of tokens the edge chose) is refused by name, not ignored.
It knows no frames and no layers.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, Field
from tokenizers import Tokenizer

from edge_server.errors import ConfigurationError, EdgeError, FrameError, SessionError
from edge_server.messages import ErrorCode, Sampling
from ue_app.errors import LinkError, PhoneError, PromptError
from ue_app.gateway_logprobs import chat_logprobs, text_logprobs
from ue_app.generate import Answer
from ue_app.prompt import Role, Turn
from ue_app.scores import TokenScores
from ue_app.service import Piece, Question, Service

logger = logging.getLogger("ue_app.gateway")
MAX_TEXT = 1 << 20  # characters of a request's text; far beyond any context here
DEFAULT_TOKENS = 256  # tokens of an answer whose length the request leaves open
FINISH = {"eos": "stop", "stop": "stop", "length": "length", "context": "length"}
ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user",
                          "assistant": "assistant"}


class TextPart(BaseModel):
    """One piece of a message's content; only text runs here."""

    type: Literal["text"]
    text: str = Field(max_length=MAX_TEXT)


class Message(BaseModel):
    """One turn of a chat."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart] = Field(max_length=MAX_TEXT)

    def to_turn(self) -> Turn:
        text = self.content if isinstance(self.content, str) else "".join(
            part.text for part in self.content)
        return Turn(ROLES[self.role], text)


class StreamOptions(BaseModel):
    """What a stream carries besides text."""

    include_usage: bool = False


class CompletionRequest(BaseModel):
    """What both kinds of completion may ask for."""

    model: str = ""
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    stop: str | list[str] | None = Field(None, max_length=64)
    seed: int | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    # Known to the API and not to us: only their neutral values are taken.
    n: Literal[1] = 1
    best_of: Literal[1] = 1
    presence_penalty: Literal[0] | None = None
    frequency_penalty: Literal[0] | None = None
    logit_bias: dict[str, float] | None = Field(None, max_length=0)
    tools: list[Any] | None = Field(None, max_length=0)
    echo: Literal[False] = False


class ChatRequest(CompletionRequest):
    """Body of `/v1/chat/completions`."""

    messages: list[Message] = Field(min_length=1, max_length=4096)
    logprobs: bool | None = None
    top_logprobs: int = Field(0, ge=0, le=20)

    @property
    def likeliest(self) -> int | None:
        return self.top_logprobs if self.logprobs else None


class TextRequest(CompletionRequest):
    """Body of `/v1/completions`."""

    prompt: str = Field(max_length=MAX_TEXT)
    logprobs: int | None = Field(None, ge=0, le=20)

    @property
    def likeliest(self) -> int | None:
        return self.logprobs


def create_gateway(
    service: Service, model: str, defaults: dict[str, Any], clock: Callable[[], float] = time.time
) -> FastAPI:
    """The API over `service`, offering one model; `defaults` are its own sampling choices."""
    app = FastAPI(title="airsplit gateway")
    api = _Gateway(service, model, defaults, clock)

    @app.get("/v1/models", summary="The one model there is")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [api.card()]}

    @app.get("/v1/models/{name}", summary="The one model there is")
    async def one_model(name: str) -> Response:
        api.check_model(name)
        return JSONResponse(api.card())

    @app.post("/v1/chat/completions", summary="Answer a conversation")
    async def chat(request: ChatRequest) -> Response:
        turns = tuple(message.to_turn() for message in request.messages)
        return await api.complete(
            request, Question(turns, likeliest=request.likeliest), CHAT)

    @app.post("/v1/completions", summary="Continue a text")
    async def complete(request: TextRequest) -> Response:
        return await api.complete(
            request, Question(None, request.prompt, likeliest=request.likeliest), PLAIN)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"] if step != "body")
        return error_response(400, f"{where}: {first['msg']}.", "invalid_request_error", where)

    @app.exception_handler(_Refusal)
    async def refused(_: Request, error: _Refusal) -> Response:
        return error_response(error.status, str(error), error.kind, code=error.code)

    return app


class _Refusal(Exception):
    """An error in the words of the API."""

    def __init__(self, status: int, message: str, kind: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.kind, self.code = status, kind, code


def refusal_of(error: PhoneError | EdgeError) -> _Refusal:
    """What an error of ours is in that API: the one place where they are mapped."""
    text = str(error)
    if isinstance(error, SessionError) and error.code == ErrorCode.TOO_MANY_SESSIONS:
        return _Refusal(429, text, "rate_limit_error", "too_many_sessions")
    if isinstance(error, PromptError | ConfigurationError | FrameError) or (
            isinstance(error, SessionError) and error.code == ErrorCode.TOO_LONG):
        return _Refusal(400, text, "invalid_request_error")
    if isinstance(error, LinkError | SessionError):
        return _Refusal(503, text, "api_error", "edge_unavailable")
    return _Refusal(500, text, "api_error")


def error_response(
    status: int, message: str, kind: str, parameter: str | None = None, code: str | None = None
) -> Response:
    """An error as the API's clients read it."""
    return JSONResponse({"error": {"message": message, "type": kind, "param": parameter,
                                   "code": code}}, status_code=status)


class _Shape:
    """How one kind of completion is written down."""

    def __init__(self, name: str, prefix: str, chunk: str, chat: bool) -> None:
        self.name, self.prefix, self.chunk, self._chat = name, prefix, chunk, chat

    def whole(self, text: str) -> dict[str, Any]:
        return {"message": {"role": "assistant", "content": text}} if self._chat else {"text": text}

    def piece(self, text: str, first: bool) -> dict[str, Any]:
        if not self._chat:
            return {"text": text}
        return {"delta": ({"role": "assistant"} if first else {}) | {"content": text}}

    def end(self) -> dict[str, Any]:
        return {"delta": {}} if self._chat else {"text": ""}

    def logprobs(
        self, scores: Sequence[TokenScores], tokenizer: Tokenizer, offset: int = 0
    ) -> dict[str, Any]:
        if self._chat:
            return chat_logprobs(scores, tokenizer)
        return text_logprobs(scores, tokenizer, offset)


CHAT = _Shape("chat.completion", "chatcmpl-", "chat.completion.chunk", chat=True)
PLAIN = _Shape("text_completion", "cmpl-", "text_completion", chat=False)


class _Gateway:
    """Questions to the service, answers in the API's shape."""

    def __init__(
        self, service: Service, model: str, defaults: dict[str, Any], clock: Callable[[], float]
    ) -> None:
        self._service, self._model, self._defaults = service, model, defaults
        self._clock = clock
        self._started = int(clock())

    def card(self) -> dict[str, Any]:
        return {"id": self._model, "object": "model", "created": self._started,
                "owned_by": "airsplit"}

    def check_model(self, name: str) -> None:
        if name not in ("", self._model):
            raise _Refusal(404, f"There is no model {name!r}; this gateway offers {self._model!r}.",
                           "invalid_request_error", "model_not_found")

    async def complete(
        self, request: CompletionRequest, question: Question, shape: _Shape
    ) -> Response:
        self.check_model(request.model)
        question = self._filled(question, request)
        identifier = shape.prefix + secrets.token_hex(12)
        created = int(self._clock())

        def document(name: str, choice: dict[str, Any] | None) -> dict[str, Any]:
            choices = [] if choice is None else [{"index": 0, "logprobs": None} | choice]
            return {"id": identifier, "object": name, "created": created, "model": self._model,
                    "choices": choices}

        pieces = run_question(self._service, question)
        # The first item decides between an answer and an error: only then does a stream begin.
        first = await anext(pieces)
        if request.stream:
            usage = request.stream_options is not None and request.stream_options.include_usage
            events = _events(first, pieces, shape, document, usage,
                             self._scores(question, shape))
            return StreamingResponse(events, media_type="text/event-stream")
        text, item = "", first
        while not isinstance(item, Answer):
            text += item.text
            item = await anext(pieces)
        choice = shape.whole(text) | {"finish_reason": FINISH.get(item.finish or "", "stop"),
                                      "logprobs": self._scores(question, shape)(item)}
        return JSONResponse(document(shape.name, choice) | {"usage": usage_of(item)})

    def _scores(self, question: Question, shape: _Shape) -> Callable[[Answer], Any]:
        """What a choice holds of the log-probabilities that it did not hold before."""
        sent, offset = 0, 0

        def more(answer: Answer) -> Any:
            nonlocal sent, offset
            if question.likeliest is None:
                return None
            scores = answer.scores[sent : len(answer.ids)]
            part = shape.logprobs(scores, self._service.open().prompter.tokenizer, offset)
            sent, offset = len(answer.ids), offset + sum(map(len, part.get("tokens", ())))
            return part

        return more

    def _filled(self, question: Question, request: CompletionRequest) -> Question:
        values = dict(self._defaults)
        for name in ("temperature", "top_p", "top_k", "min_p", "repetition_penalty"):
            given = getattr(request, name)
            if given is not None:
                values[name] = given
        seed = request.seed if request.seed is not None else secrets.randbits(32)
        try:
            sampling = Sampling(seed=seed % 2**63, **values)
        except FrameError as error:
            raise refusal_of(error) from error
        stop = (request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ())
        tokens = request.max_completion_tokens or request.max_tokens or DEFAULT_TOKENS
        return replace(question, sampling=sampling, stop=stop, max_new_tokens=tokens)


def usage_of(answer: Answer) -> dict[str, int]:
    """Tokens counted as the API counts them."""
    return {"prompt_tokens": answer.prompt_tokens, "completion_tokens": len(answer.ids),
            "total_tokens": answer.prompt_tokens + len(answer.ids)}


async def _events(
    first: Piece | Answer, pieces: AsyncIterator[Piece | Answer], shape: _Shape,
    document: Callable[[str, dict[str, Any] | None], dict[str, Any]], usage: bool,
    scores: Callable[[Answer], Any],
) -> AsyncIterator[str]:
    """The answer as server-sent events, as it comes."""
    item, begun = first, False
    try:
        while not isinstance(item, Answer):
            choice = shape.piece(item.text, first=not begun) | {
                "finish_reason": None, "logprobs": scores(item.answer)}
            yield _event(document(shape.chunk, choice))
            begun = True
            item = await anext(pieces)
    except _Refusal as error:
        # The stream has begun, so the status is sent: its clients look for an error in the data.
        yield _event({"error": {"message": str(error), "type": error.kind, "param": None,
                                "code": error.code}})
        return
    finish = {"finish_reason": FINISH.get(item.finish or "", "stop"), "logprobs": scores(item)}
    yield _event(document(shape.chunk, shape.end() | finish))
    if usage:
        yield _event(document(shape.chunk, None) | {"usage": usage_of(item)})
    yield "data: [DONE]\n\n"


def _event(document: dict[str, Any]) -> str:
    return f"data: {json.dumps(document)}\n\n"


async def run_question(service: Service, question: Question) -> AsyncIterator[Piece | Answer]:
    """Pieces of the answer and at last the answer, from a thread of its own.

    Closing the iterator, as a client's disconnect does, cancels the answer.
    """
    loop = asyncio.get_running_loop()
    items: asyncio.Queue[Piece | Answer | _Refusal] = asyncio.Queue()  # bounded by the answer
    cancelled = threading.Event()

    def put(item: Piece | Answer | _Refusal) -> None:
        loop.call_soon_threadsafe(items.put_nowait, item)

    def pump() -> None:
        pieces = service.ask(question, cancelled)
        try:
            while True:
                put(next(pieces))
        except StopIteration as done:
            put(done.value)
        except (PhoneError, EdgeError) as error:
            put(refusal_of(error))
        except Exception:
            # The boundary of one request: whoever waits for it is told, and the log says why.
            logger.exception("a question failed")
            put(_Refusal(500, "The gateway failed on this request; its log says more.",
                         "api_error"))

    loop.run_in_executor(None, pump)
    try:
        while True:
            item = await items.get()
            if isinstance(item, _Refusal):
                raise item
            yield item
            if isinstance(item, Answer):
                return
    finally:
        cancelled.set()
