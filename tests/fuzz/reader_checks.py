"""What holds for any bytes given to the capture reader; seeds and mutations to look for exceptions.

Shared by the tests and by the atheris harness; it needs neither.
"""

from __future__ import annotations

import gzip
import lzma
import random

from pcap_tools.containers.compressed import unpacker
from pcap_tools.containers.pcap import FILE_HEADER, MAGICS, PcapHeader
from pcap_tools.containers.walking import LATEST, LONGEST_FRAME, LONGEST_ON_WIRE
from pcap_tools.errors import CaptureError
from pcap_tools.read import CaptureReader, open_captures
from tests.pcap_tools import captures
from tests.pcap_tools.captures import Frame, Pipe, read_all

MOST_RESYNCHRONISED = 1 << 16  # bytes: reading in tiny chunks twice has to stay quick
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 6, 3, 16, 24)


def seeds() -> list[bytes]:
    """Small captures of every kind."""
    frames = captures.some_frames(8, cut=100)
    order = captures.section(">") + captures.interface(113, 80, 0x80 | 20, -5, ">")
    blocks = (captures.section() + captures.interface(resolution=9) + captures.interface(101)
              + captures.enhanced(frames[0][0], frames[0][1], 400)
              + captures.simple(frames[1][1], 90) + captures.statistics(7)
              + captures.old_packet(5, b"old") + captures.block(0xBAD, b"custom")
              + order + captures.enhanced(1 << 40, b"abc", order=">"))
    plain = [captures.pcap(frames, magic, byte_order)
             for magic in (captures.MICRO, captures.NANO, captures.KUZNETSOV)
             for byte_order in "<>"]
    return [*plain, plain[0] + plain[3], captures.pcapng(frames), captures.pcapng(frames, ">"),
            blocks, gzip.compress(plain[1], mtime=0), gzip.compress(plain[1][:200], mtime=0) * 2,
            lzma.compress(blocks)]


def mutated(seed: bytes, source: random.Random) -> bytes:
    """`seed` with a few bytes flipped, set, cut out, repeated or put in, or its end cut off."""
    data = bytearray(seed)
    for _ in range(source.choice((1, 1, 1, 2, 4, 9))):
        place, size = source.randrange(len(data) + 1), source.choice((1, 2, 4, 16, 60))
        kind = source.randrange(6)
        if kind == 0 and place < len(data):
            data[place] ^= 1 << source.randrange(8)
        elif kind == 1 and place < len(data):
            data[place] = source.choice(INTERESTING)
        elif kind == 2:
            del data[place:place + size]
        elif kind == 3:
            data[place:place] = data[place:place + size]
        elif kind == 4:
            data[place:place] = source.randbytes(size)
        else:
            del data[place:]
    return bytes(data)


def outcome(data: bytes, chunk: int, most: int) -> tuple[list[Frame], list[str], CaptureReader]:
    """Frames, warnings and the reader; an error counts as a warning."""
    reader = open_captures(["-"], chunk=chunk, stdin=Pipe(data, most))
    try:
        frames = read_all(reader)
    except CaptureError as error:
        return [], [str(error)], reader
    return frames, [str(warning) for warning in reader.warnings], reader


def check(data: bytes) -> None:
    """Raise AssertionError where the reader breaks a promise; any other exception is a bug too."""
    frames, warnings, reader = outcome(data, 1 << 20, 1 << 20)
    counters = reader.counters
    assert counters.packets == len(frames)
    assert counters.captured_bytes == sum(len(kept) for _, kept, _ in frames)
    assert counters.bytes == sum(whole for _, _, whole in frames)
    for time, kept, whole in frames:
        assert -LATEST <= time <= LATEST
        assert len(kept) <= LONGEST_FRAME
        assert len(kept) <= whole <= LONGEST_ON_WIRE
    if counters.bad_records or counters.skipped_bytes:
        assert warnings
    check_bytes(data, reader)
    if len(data) <= MOST_RESYNCHRONISED:
        # The same comes out however the bytes come in.
        again, words, _ = outcome(data, 40, 61)
        if unpacker(data) is None:
            assert again == frames
            assert words == warnings
        else:  # how much of a piece comes out before damage in it depends on the piece
            common = min(len(again), len(frames))
            assert again[:common] == frames[:common]
            assert bool(words) == bool(warnings)


def check_bytes(data: bytes, reader: CaptureReader) -> None:
    """Every byte of a pcap is header, record header, frame, or counted as skipped."""
    header = PcapHeader.read(data[:FILE_HEADER])
    if header is None or any(data.find(magic, 4) > 0 for magic in MAGICS):
        return  # maybe joined: more headers than one
    counters = reader.counters
    explained = (FILE_HEADER + counters.packets * header.record_header + counters.captured_bytes
                 + counters.skipped_bytes)
    assert explained == len(data), f"{len(data) - explained} bytes are not accounted for"
