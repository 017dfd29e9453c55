"""Payloads of control frames, as small frozen dataclasses with `pack` and `unpack`.

Sans-IO. Fixed fields are packed big-endian; text is UTF-8 with a length before it. Whatever is
wrong with a payload raises `FrameError`. It does not know what a session does with them.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

from edge_server.errors import FrameError, SessionError
from edge_server.frame import Dtype
from edge_server.split import LayerRange

SPLIT_PATH = "/v1/split"  # of the WebSocket
PROTOCOL = 1  # of the exchange of frames; refused when different
_Enum = TypeVar("_Enum", bound=IntEnum)
MAX_TEXT_BYTES = 1024  # an error's sentence fits; a hostile one is cut off


class Mode(IntEnum):
    """What the edge sends back for a row."""

    TOKENS = 0  # it holds the output head and samples
    PRIVATE = 1  # the phone does; the edge returns its last row


class ErrorCode(IntEnum):
    """Why the edge refused; each is something the phone can act on."""

    BAD_FRAME = 1
    WRONG_PROTOCOL = 2
    WRONG_MODEL = 3
    WRONG_LAYERS = 4
    WRONG_DTYPE = 5
    UNAUTHORISED = 6
    TOO_MANY_SESSIONS = 7
    TOO_LONG = 8
    BAD_POSITION = 9
    IDLE = 10
    MOVED = 11
    UNUSABLE_ROWS = 12
    INTERNAL = 13


@dataclass(frozen=True)
class Hello:
    """The phone asks for a session over the layers it does not run itself."""

    identity: str  # hash of the whole model, hexadecimal
    layers: LayerRange  # that the edge is to run
    dtype: Dtype  # of the rows
    mode: Mode
    protocol: int = PROTOCOL

    _FIELDS = struct.Struct(">H32sHHBB")

    def pack(self) -> bytes:
        return self._FIELDS.pack(self.protocol, bytes.fromhex(self.identity), self.layers.start,
                                 self.layers.end, self.dtype, self.mode)

    @classmethod
    def unpack(cls, payload: bytes | memoryview) -> Hello:
        protocol, identity, start, end, dtype, mode = _unpack(cls._FIELDS, payload, "HELLO")
        if start > end:
            raise FrameError(f"HELLO asks for layers [{start}, {end}).")
        return cls(identity.hex(), LayerRange(start, end), _enum(Dtype, dtype), _enum(Mode, mode),
                   protocol)


@dataclass(frozen=True)
class Welcome:
    """The edge opened the session; the limits it will hold the phone to."""

    session: int
    capacity: int  # tokens the session may hold
    max_rows: int  # rows a frame may carry

    _FIELDS = struct.Struct(">QIH")

    def pack(self) -> bytes:
        return self._FIELDS.pack(self.session, self.capacity, self.max_rows)

    @classmethod
    def unpack(cls, payload: bytes | memoryview) -> Welcome:
        welcome = cls(*_unpack(cls._FIELDS, payload, "WELCOME"))
        if not welcome.capacity or not welcome.max_rows:
            raise FrameError("WELCOME takes no rows.")
        return welcome


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen; the defaults are greedy."""

    temperature: float = 0.0  # 0 is greedy: the other choices do not matter then
    top_k: int = 0  # keep the k likeliest; 0 keeps all
    top_p: float = 1.0  # keep the likeliest that sum to p
    min_p: float = 0.0  # keep those at least min_p times as likely as the likeliest
    repetition_penalty: float = 1.0  # divides the scores of tokens already in this answer
    seed: int = 0

    _FIELDS = struct.Struct(">dIdddQ")

    def __post_init__(self) -> None:
        checks = (
            # Below, the scores divided by it leave the range of float32.
            (self.temperature == 0.0 or 0.01 <= self.temperature <= 100.0, "temperature",
             "0 (greedy), or 0.01 to 100"),
            (0 <= self.top_k < 2**31, "top-k", "0 (all) or more"),
            (0.0 < self.top_p <= 1.0, "top-p", "above 0, at most 1"),
            (0.0 <= self.min_p <= 1.0, "min-p", "0 to 1"),
            (0.01 <= self.repetition_penalty <= 100.0, "repetition-penalty", "0.01 to 100"),
            (0 <= self.seed < 2**63, "seed", "0 to 2^63 - 1"),
        )
        for good, name, allowed in checks:
            if not good:
                raise FrameError(f"{name} is out of range.", f"Give {allowed}.")

    def pack(self) -> bytes:
        return self._FIELDS.pack(self.temperature, self.top_k, self.top_p, self.min_p,
                                 self.repetition_penalty, self.seed)

    @classmethod
    def unpack(cls, payload: bytes | memoryview) -> Sampling:
        values = _unpack(cls._FIELDS, payload, "SAMPLING")
        if any(isinstance(value, float) and not math.isfinite(value) for value in values):
            raise FrameError("SAMPLING holds a number that is none.")
        return cls(*values)


@dataclass(frozen=True)
class ErrorNotice:
    """A refusal, with what the phone can do."""

    code: ErrorCode
    problem: str
    remedy: str = ""
    retry_after: int = 0  # milliseconds until trying again makes sense; 0 says nothing

    _FIELDS = struct.Struct(">HIHH")

    def pack(self) -> bytes:
        problem, remedy = _cut(self.problem), _cut(self.remedy)
        return self._FIELDS.pack(self.code, self.retry_after, len(problem), len(remedy)
                                 ) + problem + remedy

    @classmethod
    def unpack(cls, payload: bytes | memoryview) -> ErrorNotice:
        fixed, text = bytes(payload[: cls._FIELDS.size]), bytes(payload[cls._FIELDS.size:])
        code, retry_after, problem, remedy = _unpack(cls._FIELDS, fixed, "ERROR")
        if problem + remedy != len(text) or max(problem, remedy) > MAX_TEXT_BYTES:
            raise FrameError("ERROR does not hold the text it announces.")
        try:
            return cls(_enum(ErrorCode, code), text[:problem].decode(), text[problem:].decode(),
                       retry_after)
        except UnicodeDecodeError as error:
            raise FrameError("ERROR holds text that is none.") from error

    def to_error(self) -> SessionError:
        return SessionError(self.code, self.problem, self.remedy)


def _cut(text: str) -> bytes:
    return text.encode()[:MAX_TEXT_BYTES].decode(errors="ignore").encode()


def _unpack(fields: struct.Struct, payload: bytes | memoryview, name: str) -> tuple[Any, ...]:
    try:
        return fields.unpack(payload)
    except struct.error as error:
        raise FrameError(f"{name} has {len(payload)} B, not {fields.size}.") from error


def _enum(kind: type[_Enum], value: int) -> _Enum:
    try:
        return kind(value)
    except ValueError as error:
        raise FrameError(f"The frame holds an unknown value: {error}.") from error
