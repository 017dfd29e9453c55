"""Frames: what crosses the link between phone and edge, as bytes.

Sans-IO. A frame is a 32-byte header and a payload, the header big-endian:

    offset  size  field
    0       2     magic      "aS"
    2       1     version    1
    3       1     type       FrameType
    4       8     session    the number the edge gave the session; 0 before it did
    12      2     epoch      counts connections and answers of a session, modulo 65,536
    14      1     dtype      Dtype of the payload's elements
    15      1     flags      Flags
    16      4     position   absolute position of the first row, or of the token
    20      2     rows       rows of an activation
    22      2     columns    elements of a row
    24      4     length     bytes of payload
    28      4     checksum   CRC-32 of the header before it and of the payload

Elements are little-endian, as every phone and server keeps them. Nothing is allocated for a length
that the cap does not allow. It does not know sockets, sessions or tensors' meaning; the payloads of
control frames are in `messages`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from edge_server.errors import FrameError, FrameTooLarge

HEADER_BYTES = 32
MAGIC = b"aS"
VERSION = 1
# 512 rows of 8,192 float32: the largest prefill chunk any family here needs, with room.
MAX_PAYLOAD_BYTES = 16 << 20
MAX_DRAFTS = 16  # guesses a ROWS frame may carry: of more than a few, hardly any comes true
_HEADER = struct.Struct(">2sBBQHBBIHHI")
_CHECKSUM = struct.Struct(">I")


EPOCHS = 1 << 16


def newer(epoch: int, other: int) -> bool:
    """Whether `epoch` comes after `other`, on a counter that wraps around."""
    return 0 < (epoch - other) % EPOCHS < EPOCHS // 2


class FrameType(IntEnum):
    """What a frame is; the side that may send it is checked by the session."""

    HELLO = 1  # phone: open a session
    WELCOME = 2  # edge: here it is
    START = 3  # phone: rows from `position` on are void; how the tokens to come are chosen
    ROWS = 4  # phone: activation rows from its last layer
    TOKEN = 5  # edge: the token chosen after the last row; after drafts, as many as are sure
    HIDDEN = 6  # edge, private mode: the last row (or all), after the edge's last layer
    CANCEL = 7  # phone: give up this answer; the edge echoes it, and nothing of it comes after
    ERROR = 8  # edge: a refusal the phone can act on
    GOODBYE = 9  # either: the session is over
    RESEND = 10  # edge: rows are missing; send them from `position` on


class Dtype(IntEnum):
    """Type of a payload's elements."""

    BYTES = 0  # a control message
    BF16 = 1
    F16 = 2
    F32 = 3
    U32 = 4
    CODED = 5  # rows, in the encoding that the payload's first byte names

    @property
    def element_bytes(self) -> int:
        return (1, 2, 2, 4, 4, 1)[self]


class Flags(IntFlag):
    """Bits that modify a frame."""

    NONE = 0
    RESULT_WANTED = 1  # on ROWS: answer with what follows the last row
    ALL_ROWS = 2  # on ROWS, private mode: answer with every row, for the phone's own last layers
    DRAFTED = 4  # on ROWS: the ids of all rows but the first are guesses, and stand before the rows


ACTIVATIONS = frozenset({FrameType.ROWS, FrameType.HIDDEN})
ROW_TYPES = frozenset({Dtype.BF16, Dtype.F16, Dtype.F32, Dtype.CODED})
CODED_BYTES = 64  # that an encoding may add to a row: scales, indices; more than any here does
_KNOWN_FLAGS = int(Flags.RESULT_WANTED | Flags.ALL_ROWS | Flags.DRAFTED)


@dataclass(frozen=True)
class Frame:
    """One frame. For activations `rows * columns` elements of `dtype` fill the payload, or it
    holds them encoded. Where they are drafted, `rows - 1` ids of 32 bits stand before them."""

    type: FrameType
    session: int = 0
    epoch: int = 0
    position: int = 0
    dtype: Dtype = Dtype.BYTES
    rows: int = 0
    columns: int = 0
    flags: Flags = Flags.NONE
    payload: bytes | memoryview = b""


def encode(frame: Frame) -> bytes:
    """The bytes of `frame`; raises `FrameError` for one that no decoder would take."""
    try:
        header = _HEADER.pack(
            MAGIC, VERSION, frame.type, frame.session, frame.epoch, frame.dtype, frame.flags,
            frame.position, frame.rows, frame.columns, len(frame.payload))
    except struct.error as error:
        raise FrameError(f"A field of the frame is out of range: {error}.") from error
    if frame.flags & ~_KNOWN_FLAGS or len(frame.payload) > MAX_PAYLOAD_BYTES:
        raise FrameError(f"No peer takes flags {frame.flags:#x} and {len(frame.payload):,} B.")
    _check_drafted(frame.type, frame.flags, frame.rows)
    _check_shape(frame.type, frame.dtype, frame.rows, frame.columns,
                 len(frame.payload) - _drafts_bytes(frame.flags, frame.rows))
    checksum = zlib.crc32(frame.payload, zlib.crc32(header))
    return b"".join((header, _CHECKSUM.pack(checksum), frame.payload))


def decode(message: bytes | memoryview, max_payload_bytes: int = MAX_PAYLOAD_BYTES) -> Frame:
    """The one frame that `message` holds, whole; anything else raises `FrameError`."""
    length = payload_length(message, max_payload_bytes)
    if len(message) != HEADER_BYTES + length:
        raise FrameError(f"A frame of {HEADER_BYTES + length} B came as {len(message)} B.")
    return _decode_whole(memoryview(message))


def payload_length(header: bytes | bytearray | memoryview, max_payload_bytes: int) -> int:
    """Payload bytes that follow `header`, once it is known to be acceptable."""
    if len(header) < HEADER_BYTES:
        raise FrameError(f"A frame has at least {HEADER_BYTES} B; this has {len(header)}.")
    magic, version, *_, length = _HEADER.unpack_from(header)
    if magic != MAGIC:
        raise FrameError("These bytes are not an airsplit frame.",
                         "Check that the URL is an airsplit edge's.")
    if version != VERSION:
        raise FrameError(f"The peer speaks frame version {version}; this is version {VERSION}.",
                         "Install the same version on both sides.")
    if length > max_payload_bytes:
        raise FrameTooLarge(
            f"A frame of {length:,} B is over the limit of {max_payload_bytes:,} B.",
            "Send the prompt in smaller chunks.")
    return int(length)


def _decode_whole(message: memoryview) -> Frame:
    (_, _, kind, session, epoch, dtype, flags, position, rows, columns, length
     ) = _HEADER.unpack_from(message)
    payload = message[HEADER_BYTES:]
    (expected,) = _CHECKSUM.unpack_from(message, HEADER_BYTES - 4)
    if zlib.crc32(payload, zlib.crc32(message[: HEADER_BYTES - 4])) != expected:
        raise FrameError("The frame's checksum does not match.", "Send it again.")
    try:
        frame_type, element = FrameType(kind), Dtype(dtype)
    except ValueError as error:
        raise FrameError(f"The frame holds an unknown value: {error}.") from error
    if flags & ~_KNOWN_FLAGS:
        raise FrameError(f"The frame has unknown flags {flags:#x}.")
    _check_drafted(frame_type, flags, rows)
    _check_shape(frame_type, element, rows, columns, length - _drafts_bytes(flags, rows))
    return Frame(frame_type, session, epoch, position, element, rows, columns, Flags(flags),
                 payload)


def _check_drafted(kind: FrameType, flags: int, rows: int) -> None:
    if not flags & Flags.DRAFTED:
        return
    if kind is not FrameType.ROWS or not flags & Flags.RESULT_WANTED or flags & Flags.ALL_ROWS:
        raise FrameError(f"Drafts stand in ROWS that ask for a token, not in {kind.name} with "
                         f"flags {flags:#x}.")
    if not 2 <= rows <= MAX_DRAFTS + 1:
        raise FrameError(f"A frame of {rows} rows holds no 1 to {MAX_DRAFTS} drafts.")


def _drafts_bytes(flags: int, rows: int) -> int:
    return 4 * (rows - 1) if flags & Flags.DRAFTED else 0


def _check_shape(kind: FrameType, dtype: Dtype, rows: int, columns: int, length: int) -> None:
    if kind in ACTIVATIONS:
        if dtype not in ROW_TYPES or rows == 0 or columns == 0:
            raise FrameError(f"An activation of {rows} x {columns} {dtype.name} is none.")
        if dtype is Dtype.CODED:
            _check_coded(rows, columns, length)
        elif rows * columns * dtype.element_bytes != length:
            raise FrameError(f"{rows} x {columns} {dtype.name} do not fill {length} B.")
    elif rows or columns:
        raise FrameError(f"A {kind.name} frame has no rows.")
    elif kind is FrameType.TOKEN:
        if dtype is not Dtype.U32 or length % 4 or not 1 <= length // 4 <= MAX_DRAFTS + 1:
            raise FrameError(f"A TOKEN frame holds 1 to {MAX_DRAFTS + 1} ids of 32 bits.")
    elif dtype is not Dtype.BYTES:
        raise FrameError(f"A {kind.name} frame holds bytes, not {dtype.name}.")


def _check_coded(rows: int, columns: int, length: int) -> None:
    """No encoding is longer than its rows and a little; nor are rows that no frame could carry."""
    largest = rows * columns * Dtype.F32.element_bytes
    if largest > MAX_PAYLOAD_BYTES:
        raise FrameTooLarge(f"{rows} x {columns} elements are over the limit of a frame.",
                            "Send the prompt in smaller chunks.")
    if not 2 <= length <= largest + CODED_BYTES * (rows + 1):
        raise FrameError(f"{length} B are no {rows} x {columns} encoded elements.")


class FrameDecoder:
    """Frames out of a byte stream that arrives in pieces of any size."""

    def __init__(self, max_payload_bytes: int = MAX_PAYLOAD_BYTES) -> None:
        self._max_payload_bytes = max_payload_bytes
        self._buffer = bytearray()  # bounded: one header, then at most one allowed payload ahead

    def feed(self, data: bytes) -> list[Frame]:
        """Take `data`; return the frames it completed. Raises `FrameError`, then is unusable."""
        self._buffer += data
        frames: list[Frame] = []
        while len(self._buffer) >= HEADER_BYTES:
            end = HEADER_BYTES + payload_length(self._buffer, self._max_payload_bytes)
            if len(self._buffer) < end:
                break
            frames.append(_decode_whole(memoryview(bytes(self._buffer[:end]))))
            del self._buffer[:end]
        return frames


def token_frame(session: int, epoch: int, position: int, *tokens: int) -> Frame:
    """The edge's answer to a row, or to drafted ones: `tokens` stand at `position` and after."""
    return Frame(FrameType.TOKEN, session, epoch, position, Dtype.U32,
                 payload=struct.pack(f"<{len(tokens)}I", *tokens))


def tokens_of(frame: Frame) -> tuple[int, ...]:
    """The ids that a TOKEN frame carries, one or more."""
    if frame.type is not FrameType.TOKEN:
        raise FrameError(f"A token was expected, and a {frame.type.name} frame came.")
    return struct.unpack(f"<{len(frame.payload) // 4}I", frame.payload)


def token_of(frame: Frame) -> int:
    """The one id that a TOKEN frame carries where nothing was drafted."""
    tokens = tokens_of(frame)
    if len(tokens) != 1:
        raise FrameError(f"One token was expected, and {len(tokens)} came.")
    return tokens[0]


def drafts_of(frame: Frame) -> tuple[tuple[int, ...], memoryview]:
    """The ids that a ROWS frame guesses, if any, and its rows."""
    payload = memoryview(frame.payload)
    size = _drafts_bytes(frame.flags, frame.rows)
    return struct.unpack(f"<{size // 4}I", payload[:size]), payload[size:]


def drafted(drafts: Sequence[int], rows: bytes | memoryview) -> bytes | memoryview:
    """The payload of a ROWS frame: its guesses, if any, then its rows."""
    return struct.pack(f"<{len(drafts)}I", *drafts) + rows if drafts else rows
