"""Bits in and out as aligned PER (X.691) wants them: fields, whole numbers, lengths.

`Reader` walks over the bytes of one message, `Writer` collects them. What they carry is not known
here. Bytes are a stranger's: a reader never reads past the end, and counts what lists promise.
A reader's methods raise ProtocolError, and IndexError where the bytes end; whoever decodes a whole
message (`aper.Codec.decode`) makes one ProtocolError of both.
"""

from __future__ import annotations

from xapp.errors import ProtocolError

# Elements of all lists of one message together, where those that take longer count more. 256 UEs
# with 8 metrics each count 3,300; with 8,192 a message could be crafted that took 15 ms, with these
# the worst that was found takes 9, and a stranger's 256 KiB that promise more are refused at once.
MOST_ELEMENTS = 5120
FRAGMENT = 16384  # a length above comes in pieces, each a multiple of it (X.691 11.9.3.8)
LARGEST_OCTETS = 16  # of a number: nothing in E2 needs more than 8


def refused(problem: str) -> ProtocolError:
    """The one error for bytes and values that are no message."""
    return ProtocolError(f"No E2 message: {problem}.",
                         "Compare the versions of E2AP and the service models on both sides.")


def width_of(span: int) -> int:
    """Bits that hold the numbers 0 to span - 1."""
    return (span - 1).bit_length()


class Reader:
    """Bytes of a message, and how far it has been read."""

    __slots__ = ("budget", "data", "end", "position")

    def __init__(self, data: bytes, budget: int = MOST_ELEMENTS) -> None:
        self.data = data
        self.position = 0  # bits
        self.end = len(data) * 8  # bits
        self.budget = budget  # elements that lists may still have

    def bits(self, width: int) -> int:
        """The next `width` bits as a number."""
        position = self.position
        self.position = after = position + width
        if after > self.end:
            raise IndexError
        return (int.from_bytes(self.data[position >> 3:(after + 7) >> 3]) >> (-after & 7)
                & ((1 << width) - 1))

    def align(self) -> None:
        """Go to the next whole octet."""
        self.position = (self.position + 7) & ~7

    def octets(self, count: int) -> bytes:
        """The next `count` octets, from a whole octet on."""
        start = (self.position + 7) >> 3
        self.position = after = (start + count) << 3
        if after > self.end:
            raise IndexError
        return self.data[start:start + count]

    def constrained(self, low: int, high: int) -> int:
        """A whole number that is known to be from `low` to `high` (X.691 11.5)."""
        span = high - low + 1
        if span <= 255:
            offset = self.bits(width_of(span))
        elif span <= 65536:
            offset = int.from_bytes(self.octets(1 if span == 256 else 2))
        else:
            most = (width_of(span) + 7) // 8
            offset = int.from_bytes(self.octets(self.constrained(1, most)))
        if offset >= span:
            raise refused(f"a number above {high}")
        return low + offset

    def semi_constrained(self, low: int) -> int:
        """A whole number of which only a lower bound is known (X.691 11.7)."""
        return low + int.from_bytes(self._number_octets())

    def unconstrained(self) -> int:
        """A whole number without bounds (X.691 11.8)."""
        return int.from_bytes(self._number_octets(), signed=True)

    def _number_octets(self) -> bytes:
        count = self.length()
        if not 0 < count <= LARGEST_OCTETS:
            raise refused(f"a number of {count} octets")
        return self.octets(count)

    def small(self) -> int:
        """A normally small number (X.691 11.6)."""
        if not self.bits(1):
            return self.bits(6)
        return self.semi_constrained(0)

    def small_length(self) -> int:
        """A normally small length, from 1 on (X.691 11.9.3.4)."""
        if not self.bits(1):
            return self.bits(6) + 1
        return self.length()

    def length(self) -> int:
        """A length that is not in pieces (X.691 11.9.3.6 and 11.9.3.7)."""
        start = (self.position + 7) >> 3
        count = self.data[start]
        if count < 0x80:
            self.position = (start + 1) << 3
            return count
        count, more = self.piece()
        if more:
            raise refused("a length in pieces where nothing can be so long")
        return count

    def piece(self) -> tuple[int, bool]:
        """A length, and whether it is that of a piece which others follow (X.691 11.9.3.8)."""
        data = self.data
        start = (self.position + 7) >> 3
        first = data[start]
        if first < 0x80:
            self.position = (start + 1) << 3
            return first, False
        if first < 0xC0:
            self.position = (start + 2) << 3
            return (first & 0x3F) << 8 | data[start + 1], False
        if not 1 <= first & 0x3F <= 4:
            raise refused("a length of no known form")
        self.position = (start + 1) << 3
        return (first & 0x3F) * FRAGMENT, True

    def long_octets(self) -> bytes:
        """Octets behind their length, in pieces or not."""
        start = (self.position + 7) >> 3
        data = self.data
        count = data[start]
        if count < 0x80:  # short ones at once
            end = start + 1 + count
            self.position = end << 3
            if end << 3 > self.end:
                raise IndexError
            return data[start + 1:end]
        count, more = self.piece()
        if not more:
            return self.octets(count)
        pieces = [self.octets(count)]
        while more:
            count, more = self.piece()
            pieces.append(self.octets(count))
        return b"".join(pieces)

    def spend(self, count: int) -> None:
        """Take `count` elements off what lists may still have."""
        self.budget -= count
        if self.budget < 0:
            raise refused(f"more than {MOST_ELEMENTS} elements in lists")


class Writer:
    """Bits of a message to be."""

    __slots__ = ("done", "pending", "width")

    def __init__(self) -> None:
        self.done = bytearray()  # whole octets
        self.pending = 0  # bits after them, as a number
        self.width = 0  # how many bits are pending

    def bits(self, value: int, width: int) -> None:
        self.pending = self.pending << width | value
        self.width += width

    def align(self) -> None:
        """Fill up with zeros to a whole octet."""
        width = self.width
        if width:
            fill = -width & 7
            self.done += (self.pending << fill).to_bytes((width + fill) >> 3)
            self.pending = self.width = 0

    def octets(self, data: bytes) -> None:
        """Whole octets, from a whole octet on."""
        if self.width:
            self.align()
        self.done += data

    def finish(self) -> bytes:
        """Everything written, at least one octet (X.691 11.1.3)."""
        self.align()
        return bytes(self.done) or b"\0"

    def constrained(self, value: int, low: int, high: int) -> None:
        """A whole number that is known to be from `low` to `high`."""
        if not low <= value <= high:
            raise refused(f"{value} is not from {low} to {high}")
        span, offset = high - low + 1, value - low
        if span <= 255:
            self.bits(offset, width_of(span))
        elif span <= 65536:
            self.octets(offset.to_bytes(1 if span == 256 else 2))
        else:
            data = offset.to_bytes(max(1, (offset.bit_length() + 7) // 8))
            self.constrained(len(data), 1, (width_of(span) + 7) // 8)
            self.octets(data)

    def semi_constrained(self, value: int, low: int) -> None:
        offset = value - low
        if offset < 0:
            raise refused(f"{value} is below {low}")
        self._number(offset.to_bytes(max(1, (offset.bit_length() + 7) // 8)))

    def unconstrained(self, value: int) -> None:
        # Two's complement: one bit more than the magnitude, and -128 still fits one octet.
        bits = (value if value >= 0 else ~value).bit_length() + 1
        self._number(value.to_bytes((bits + 7) // 8, signed=True))

    def _number(self, data: bytes) -> None:
        if len(data) > LARGEST_OCTETS:
            raise refused(f"a number of {len(data)} octets")
        self.length(len(data))
        self.octets(data)

    def small(self, value: int) -> None:
        """A normally small number."""
        if value < 64:
            self.bits(value, 7)
        else:
            self.bits(1, 1)
            self.semi_constrained(value, 0)

    def small_length(self, value: int) -> None:
        """A normally small length."""
        if value <= 64:
            self.bits(value - 1, 7)
        else:
            self.bits(1, 1)
            self.length(value)

    def length(self, count: int) -> None:
        """A length under 16,384."""
        if count < 0x80:
            if self.width:
                self.align()
            self.done.append(count)
        elif count < FRAGMENT:
            self.octets((0x8000 | count).to_bytes(2))
        else:
            raise refused(f"{count} of something that cannot come in pieces")

    def long_octets(self, data: bytes) -> None:
        """Octets behind their length, in pieces where they are many."""
        start = 0
        while (left := len(data) - start) >= FRAGMENT:
            pieces = min(4, left // FRAGMENT)
            self.octets(bytes((0xC0 | pieces,)))
            self.octets(data[start:start + pieces * FRAGMENT])
            start += pieces * FRAGMENT
        self.length(left)
        self.octets(data[start:] if start else data)
