"""Packed captures: told by content, joined, cut short, damaged, and blown up beyond measure."""

from __future__ import annotations

import gzip
import lzma
import tracemalloc
import zlib
from collections.abc import Callable

import numpy as np
import pytest
import zstandard

from pcap_tools.containers.compressed import Unpacked, unpacker
from tests.pcap_tools.captures import (
    BEGIN,
    Frame,
    Pipe,
    pcap,
    pcapng,
    read_bytes,
    some_frames,
)

FRAMES = some_frames(200)
Pack = Callable[[bytes], bytes]


def zst(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


PACKERS = {"gz": gzip.compress, "zst": zst, "xz": lzma.compress}


@pytest.fixture(params=list(PACKERS))
def pack(request: pytest.FixtureRequest) -> Pack:
    return PACKERS[request.param]


@pytest.mark.parametrize("most", [1, 5, 1 << 20])
def test_packed_captures_are_read_whatever_they_are_called(pack: Pack, most: int) -> None:
    frames, reader = read_bytes(pack(pcapng(FRAMES)), most=most)
    assert frames == FRAMES
    assert reader.warnings == []


def test_streams_that_were_joined_are_one(pack: Pack) -> None:
    data = pcap(FRAMES)
    pieces = [data[at:at + 1000] for at in range(0, len(data), 1000)]
    joined = b"".join(map(pack, pieces))
    for most in (1, 11, 1 << 20):
        assert read_bytes(joined, most=most)[0] == FRAMES


def test_zeros_at_the_end_fill_a_tape_and_mean_nothing(pack: Pack) -> None:
    for count in (1, 4, 100_000):
        frames, reader = read_bytes(pack(pcap(FRAMES)) + bytes(count))
        assert frames == FRAMES
        assert reader.warnings == []


def test_frames_of_zst_that_hold_nothing_are_passed_over() -> None:
    nothing = b"\x52\x2a\x4d\x18" + (7).to_bytes(4, "little") + b"ignored"
    data = pcap(FRAMES)
    frames, reader = read_bytes(zst(data[:999]) + nothing + zst(data[999:]))
    assert frames == FRAMES
    assert reader.warnings == []


def test_what_follows_a_packed_stream_and_is_none_is_warned_of(pack: Pack) -> None:
    frames, reader = read_bytes(pack(pcap(FRAMES)) + b"something else altogether")
    assert frames == FRAMES
    assert "what follows its end is not packed" in reader.warnings[0].problem


def test_a_stream_that_ends_early_gives_what_it_has(pack: Pack) -> None:
    random = np.random.default_rng(1)  # noise: half of what is packed is half of what is in it
    original: list[Frame] = [(BEGIN, random.bytes(1000), 1000) for _ in range(500)]
    data = pack(pcap(original))
    for kept, least in ((len(data) // 2, 100), (len(data) - 1, 500)):
        frames, reader = read_bytes(data[:kept])
        assert frames == original[:len(frames)]
        assert len(frames) >= least
        assert "stream ends in the middle" in reader.warnings[-1].problem


def test_gz_gives_everything_before_the_damaged_byte() -> None:
    data = pcap(some_frames(3000))
    packed = bytearray(gzip.compress(data))
    place = len(packed) // 2
    packed[place:place + 8] = b"\xff" * 8
    # What zlib itself gets out of the bytes before the damage, one at a time:
    expected = len(_by_bytes(bytes(packed[:place])))
    frames, reader = read_bytes(bytes(packed))
    assert sum(16 + len(kept) for _, kept, _ in frames) + 24 > expected - 500
    assert "stream is damaged" in reader.warnings[-1].problem


def _by_bytes(packed: bytes) -> bytes:
    engine = zlib.decompressobj(wbits=31)
    return b"".join(engine.decompress(packed[at:at + 1]) for at in range(len(packed)))


def test_a_wrong_sum_is_told_after_everything_was_delivered() -> None:
    packed = bytearray(gzip.compress(pcap(FRAMES)))
    packed[-5] ^= 1
    frames, reader = read_bytes(bytes(packed))
    assert frames == FRAMES
    assert "stream is damaged" in reader.warnings[-1].problem


@pytest.mark.parametrize("name", list(PACKERS))
def test_a_bomb_takes_no_more_memory_than_one_piece_of_it(name: str) -> None:
    """100 MiB of zeros in a few kilobytes: never more than the bound at once."""
    bomb = PACKERS[name](bytes(100 << 20))
    assert len(bomb) < 200_000
    kind = unpacker(bomb)
    assert kind is not None
    stream: Unpacked = kind(Pipe(bomb, 1 << 16).read, b"")
    tracemalloc.start()
    try:
        total = 0
        while data := stream.read(1 << 20):
            total += len(data)
            del data
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == 100 << 20
    assert stream.problem is None
    # xz: its window of 8 MiB; zst: a piece of 1 KiB, here up to 32 MiB, and its joining.
    assert peak < (80 << 20)


def test_thousands_of_tiny_streams_are_no_burden(pack: Pack) -> None:
    data = pack(b"")
    joined = pack(pcap(FRAMES)) + data * 3000
    frames, reader = read_bytes(joined)
    assert frames == FRAMES
    assert reader.warnings == []


def test_a_window_larger_than_allowed_is_refused_in_words() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=28,
                                                                enable_ldm=False)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = packer.compress(pcap(FRAMES)) + packer.flush()
    with pytest.raises(Exception, match="zst stream is damaged"):
        read_bytes(packed)
