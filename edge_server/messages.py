"""Payloads of control frames, as small frozen dataclasses with `pack` and `unpack`.

Sans-IO. Fixed fields are packed big-endian; text is UTF-8 with a length before it. Whatever is
wrong with a payload raises `FrameError`. It does not know what a session does with them.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, TypeVar

from edge_server.errors import FrameError, SessionError
from edge_server.frame import Dtype
from edge_server.split import LayerRange

SPLIT_PATH = "/v1/split"  # of the WebSocket
PROTOCOL = 3  # of the exchange of frames; refused when different
_Enum = TypeVar("_Enum", bound=IntEnum)
_PROTOCOL = struct.Struct(">H")
MAX_TEXT_BYTES = 1024  # an error's sentence fits; a hostile one is cut off
MAX_TOKEN_BYTES = 256  # of a bearer token
SECRET_BYTES = 16  # that take a session up again
_NO_SECRET = bytes(SECRET_BYTES)


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
    TOO_FAST = 14
    OUT_OF_MEMORY = 15
    TAKEN_OVER = 16
    TOO_LARGE = 17


@dataclass(frozen=True)
class Hello:
    """The phone asks for a session over the layers it does not run itself.

    `session` and `secret` of an earlier WELCOME ask for that session, if it is still there.
    """

    identity: str  # hash of the whole model, hexadecimal
    layers: LayerRange  # that the edge is to run
    dtype: Dtype  # of the rows
    mode: Mode
    protocol: int = PROTOCOL
    session: int = 0  # 0: a new one
    secret: bytes = field(default=_NO_SECRET, repr=False)
    token: str = field(default="", repr=False)  # what the operator gave this phone
    back: int = 0  # encoding of the rows that come back in private mode: its number
    back_parameter: int = 0  # and its parameter; 0 is its default

    _FIELDS = struct.Struct(f">H32sHHBBQ{SECRET_BYTES}sBHH")

    def pack(self) -> bytes:
        token = self.token.encode()
        if len(token) > MAX_TOKEN_BYTES:
            raise FrameError(f"A token of {len(token)} B is none.", "Give one from the operator.")
        return self._FIELDS.pack(
            self.protocol, bytes.fromhex(self.identity), self.layers.start, self.layers.end,
            self.dtype, self.mode, self.session, self.secret, self.back, self.back_parameter,
            len(token)) + token

    @classmethod
    def unpack(cls, payload: bytes | memoryview) -> Hello:
        (protocol,) = _unpack(_PROTOCOL, payload[: _PROTOCOL.size], "HELLO")
        if protocol != PROTOCOL:  # what follows may look different in another version
            raise SessionError(ErrorCode.WRONG_PROTOCOL,
                               f"The phone speaks protocol {protocol}, the edge {PROTOCOL}.",
                               "Install the same version on both sides.")
        fixed, text = payload[: cls._FIELDS.size], bytes(payload[cls._FIELDS.size:])
        (_, identity, start, end, dtype, mode, session, secret, back, back_parameter, length
         ) = _unpack(cls._FIELDS, fixed, "HELLO")
        if start > end:
            raise FrameError(f"HELLO asks for layers [{start}, {end}).")
        if length != len(text) or length > MAX_TOKEN_BYTES:
            raise FrameError("HELLO does not hold the token it announces.")
        try:
            token = text.decode("ascii")
        except UnicodeDecodeError as error:
            raise FrameError("HELLO holds a token that is none.") from error
        return cls(identity.hex(), LayerRange(start, end), _enum(Dtype, dtype), _enum(Mode, mode),
                   protocol, session, secret, token, back, back_parameter)


@dataclass(frozen=True)
class Welcome:
    """The edge opened the session, or took it up again; the limits it will hold the phone to."""

    session: int
    capacity: int  # tokens the session may hold
    max_rows: int  # rows a frame may carry
    secret: bytes = field(default=_NO_SECRET, repr=False)  # with `session`, asks for it again
    length: int = 0  # rows the edge holds: none from here on
    seen: int = 0  # the epoch that they belong to
    grace: int = 0  # milliseconds that a session without a connection is kept

    _FIELDS = struct.Struct(f">QIH{SECRET_BYTES}sIHI")

    def pack(self) -> bytes:
        return self._FIELDS.pack(self.session, self.capacity, self.max_rows, self.secret,
                                 self.length, self.seen, self.grace)

    @classmethod
    def unpack(cls, payload: bytes | memoryview) -> Welcome:
        welcome = cls(*_unpack(cls._FIELDS, payload, "WELCOME"))
        if not welcome.capacity or not welcome.max_rows or welcome.length > welcome.capacity:
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
        values = _unpack(cls._FIELDS, payload, "START")
        if any(isinstance(value, float) and not math.isfinite(value) for value in values):
            raise FrameError("START holds a number that is none.")
        return cls(*values)


@dataclass(frozen=True)
class Start:
    """An answer begins, or goes on at an edge that may not know its beginning.

    The frame's epoch is a new one: frames of earlier answers and connections mean nothing after it.
    """

    sampling: Sampling
    first: int  # position of the answer's first token
    chosen: tuple[int, ...] = ()  # its tokens so far

    _FIRST = struct.Struct(">I")

    def pack(self) -> bytes:
        return b"".join((self.sampling.pack(), self._FIRST.pack(self.first),
                         struct.pack(f"<{len(self.chosen)}I", *self.chosen)))

    @classmethod
    def unpack(cls, payload: bytes | memoryview) -> Start:
        size = Sampling._FIELDS.size
        begin = size + cls._FIRST.size
        sampling, ids = Sampling.unpack(payload[:size]), payload[begin:]
        (first,) = _unpack(cls._FIRST, payload[size:begin], "START")
        if len(ids) % 4:
            raise FrameError("START holds a token that is none.")
        return cls(sampling, first, struct.unpack(f"<{len(ids) // 4}I", ids))


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

    def to_error(self, position: int = 0) -> SessionError:
        return SessionError(self.code, self.problem, self.remedy, self.retry_after / 1000,
                            position)


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
