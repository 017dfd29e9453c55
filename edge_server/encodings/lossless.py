"""Every bit, in fewer bytes: exponents are alike and compress, mantissas are noise and do not.

The payload is one byte, 0 for elements as they are where nothing was won and 1 for planes: the
bytes that are not exponents, then the exponents, one byte each, as one zstd frame. Which bytes a
frame holds depends on how rows were put into it, the rows that come out do not.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import torch
import zstandard

from edge_server.encodings.arrays import Array, bits, from_bits, whole_type
from edge_server.encodings.encoding import check_length, damaged, plain
from edge_server.engine.tensors import WIRE_TYPES, from_bytes, to_bytes
from edge_server.frame import MAX_PAYLOAD_BYTES

LEVEL = 1  # measured: higher ones win nothing on exponents
_AS_IS, _PLANES = 0, 1


class Lossless:
    """Exponents apart, compressed."""

    code, name, parameter, lossy, chained = 6, "lossless", 0, False, False

    def __init__(self) -> None:
        self._own = threading.local()  # compressors are for one thread each

    def encode(self, rows: torch.Tensor, before: torch.Tensor | None = None) -> bytes:
        exponents, rest = planes_of(bits(rows), rows.dtype)
        packed: bytes = self._tools()[0].compress(exponents.tobytes())
        if len(packed) >= exponents.size:
            return bytes((_AS_IS,)) + to_bytes(rows)
        return b"".join((bytes((_PLANES,)), rest, packed))

    def decode(
        self, payload: memoryview, rows: int, columns: int, dtype: torch.dtype,
        before: torch.Tensor | None = None,
    ) -> torch.Tensor:
        form = payload[0] if len(payload) else -1
        if form == _AS_IS:
            check_length(payload, 1 + rows * columns * dtype.itemsize, self.name)
            return from_bytes(payload[1:], WIRE_TYPES[dtype], rows, columns)
        size = rows * columns
        end = 1 + size * (dtype.itemsize - 1)
        if form != _PLANES or not end < len(payload) < end + size:
            damaged(self.name, "neither elements nor planes of its rows")
        exponents = np.frombuffer(self._expand(payload[end:], size), np.uint8)
        whole = _join(exponents, payload[1:end], dtype)
        return from_bits(whole.reshape(rows, columns), dtype)

    def _expand(self, packed: memoryview, size: int) -> bytes:
        """Exactly `size` bytes; what a frame announces is looked at before memory is taken."""
        try:
            announced = zstandard.frame_content_size(packed)
            if announced != size:
                damaged(self.name, f"{announced} exponents for {size} elements")
            data: bytes = self._tools()[1].decompress(
                packed, max_output_size=size, allow_extra_data=False)
        except zstandard.ZstdError:
            damaged(self.name, "exponents that cannot be expanded")
        if len(data) != size:
            damaged(self.name, "fewer exponents than it announces")
        return data

    def _tools(self) -> tuple[Any, Any]:
        if not hasattr(self._own, "tools"):
            self._own.tools = (
                zstandard.ZstdCompressor(level=LEVEL, write_checksum=False, write_dict_id=False),
                zstandard.ZstdDecompressor(max_window_size=MAX_PAYLOAD_BYTES))
        tools: tuple[Any, Any] = self._own.tools
        return tools


def planes_of(whole: Array, dtype: torch.dtype) -> tuple[Array, bytes]:
    """A byte of exponent for each element, and the bytes of all the rest."""
    if dtype is torch.float16:  # 5 bits of exponent, between a sign and the upper mantissa
        return (whole >> 8).astype(np.uint8), whole.astype(np.uint8).tobytes()
    shift = 8 * (dtype.itemsize - 1) - 1
    top = (whole >> (shift + 1)).astype(np.uint8)  # sign and upper exponent
    exponents = (whole >> shift).astype(np.uint8)
    rest = (top & 0x80) | ((whole >> (shift - 7)).astype(np.uint8) & 0x7F)
    if dtype is torch.float32:
        return exponents, rest.tobytes() + (whole & 0xFFFF).astype("<u2").tobytes()
    return exponents, rest.tobytes()


def _join(exponents: Array, rest: memoryview, dtype: torch.dtype) -> Array:
    """The elements again."""
    kind = whole_type(dtype)
    size = exponents.size
    first = np.frombuffer(rest, np.uint8, count=size).astype(kind)
    whole: Array = exponents.astype(kind)
    if dtype is torch.float16:
        joined: Array = whole << 8 | first
        return joined
    shift = 8 * (dtype.itemsize - 1) - 1
    whole = whole << shift | (first & 0x80) << (shift + 1) | (first & 0x7F) << (shift - 7)
    if dtype is torch.float32:
        whole |= np.frombuffer(rest, "<u2", offset=size)
    return whole


def create(parameter: str = "") -> Lossless:
    plain(parameter, Lossless.name)
    return Lossless()
