"""What every compiled type is: two closures, one that reads a value and one that writes it.

It knows no type; `primitives` and `aper` make them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from xapp.e2.bits import Reader, Writer, refused
from xapp.errors import ProtocolError

# No E2 message known is half as long; whatever carries them must have a cap too.
MOST_OCTETS = 256 * 1024

T = TypeVar("T")
Read = Callable[[Reader], Any]
Write = Callable[[Writer, Any], None]


class Codec(Generic[T]):
    """A type, compiled: `read` and `write` nest in other types, `decode` and `encode` do not."""

    __slots__ = ("kind", "name", "read", "write")

    def __init__(self, kind: type, read: Read, write: Write, name: str = "") -> None:
        self.kind = kind  # Python's type of its values: how a CHOICE tells alternatives apart
        self.read: Callable[[Reader], T] = read
        self.write: Callable[[Writer, T], None] = write
        self.name = name or kind.__name__

    def encode(self, value: T) -> bytes:
        """The bytes of `value`, or ProtocolError where a part of it is out of bounds."""
        writer = Writer()
        self.write(writer, value)
        return writer.finish()

    def decode(self, data: bytes | memoryview) -> T:
        """The value that is all of `data`, or ProtocolError."""
        if len(data) > MOST_OCTETS:
            raise refused(f"{len(data)} octets, more than {MOST_OCTETS}")
        reader = Reader(bytes(data))
        try:
            value = self.read(reader)
        except IndexError:
            raise refused(f"{self.name} ends too early, after {len(data)} octets") from None
        except ProtocolError as error:
            raise ProtocolError(f"{self.name} at octet {reader.position >> 3}: {error.problem}",
                                error.remedy) from None
        check_end(reader)
        return value


def check_end(reader: Reader) -> None:
    """All was read: at most the fill bits of the last octet are left."""
    left = reader.end - reader.position
    # An empty value is one octet (X.691 11.1.3).
    if left < 0:
        raise refused("it ends too early")
    if left >= 8 and not (reader.position == 0 and left == 8):
        raise refused(f"{left >> 3} octets after its end")


def open_type(codec: Codec[T]) -> Codec[T]:
    """A whole value behind its length."""
    read, write = codec.read, codec.write

    def write_open(writer: Writer, value: T) -> None:
        inner = Writer()
        write(inner, value)
        writer.long_octets(inner.finish())

    return Codec(codec.kind, lambda reader: inside(reader, read), write_open, codec.name)


def inside(reader: Reader, read: Read) -> Any:
    """What an open type holds; its lists count with those around it."""
    inner = Reader(reader.long_octets(), reader.budget)
    value = read(inner)
    check_end(inner)
    reader.budget = inner.budget
    return value
