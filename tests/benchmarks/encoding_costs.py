"""Bytes and times of rows in each encoding, and of exponents under other compressors than ours.

Bytes are of a frame's payload, the one that names the encoding too.

A round writes and reads in every encoding, so that they share bad moments. Rows are noise with a
few larger channels: noise compresses as rows do, for it is the exponents' spread that counts.
`lossless` compresses its exponents with zstd; beside it stand lz4, whose figures are None with a
reason where it is not installed (it is no dependency), and zlib. It knows no models.
"""

from __future__ import annotations

import importlib
import statistics
import time
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
import zstandard

from edge_server.encodings.arrays import bits
from edge_server.encodings.lossless import LEVEL, planes_of
from edge_server.encodings.registry import RAW, by_name
from tests.benchmarks import report
from tests.benchmarks.report import Figures

WIDTHS = (256, 2048)
CHUNK = 32  # prompt rows of a frame
HEAD = 2  # bytes before the planes: the encoding's number, and that there are planes
LZ4_MISSING = "lz4 is not installed here: pip install lz4"
COST_COLUMNS = ["", "B, one row", "x raw", "B a row of 32", "write us", "read us", "write us of 32",
                "read us of 32"]
COMPRESSOR_COLUMNS = ["lossless with", "B, one row", "raw x", "B a row of 32", "raw x",
                      "compress us", "compress us of 32"]
Compress = Callable[[bytes], bytes]


def noise(width: int) -> torch.Tensor:
    """Rows of a prompt's frame."""
    generator = torch.Generator().manual_seed(width)
    rows = torch.randn(CHUNK, width, generator=generator)
    rows[:, :: width // 4] *= 20.0
    return rows.to(torch.bfloat16)


def costs(width: int, names: Sequence[str], rounds: int) -> list[Figures]:
    """A record an encoding."""
    rows = noise(width)
    found: list[Figures] = [{"width": width, "encoding": name} for name in names]
    for count in (1, CHUNK):
        some = rows[:count].contiguous()
        taken: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in names}
        sizes: dict[str, int] = {}
        for _ in range(rounds):
            for name in names:
                sizes[name] = _once(name, some, *taken[name])
        for row in found:
            name = str(row["encoding"])
            writing, reading = (statistics.median(each) * 1e6 for each in taken[name])
            row[f"bytes_{count}"] = sizes[name] / count
            row[f"write_us_{count}"], row[f"read_us_{count}"] = writing, reading
    return found


def _once(name: str, rows: torch.Tensor, writing: list[float], reading: list[float]) -> int:
    encoding = by_name(name)
    began = time.perf_counter()
    payload = encoding.encode(rows)
    written = time.perf_counter()
    encoding.decode(memoryview(payload), rows.shape[0], rows.shape[1], rows.dtype)
    reading.append(time.perf_counter() - written)
    writing.append(written - began)
    return len(payload) + (name != RAW)


def compressed(width: int, rounds: int) -> list[Figures]:
    """`lossless` under each compressor: a record each, with a reason where there is none."""
    rows = noise(width)
    found: list[Figures] = []
    for name, compress in compressors().items():
        row: Figures = {"width": width, "compressor": name,
                        "reason": LZ4_MISSING if compress is None else None}
        for count in (1, CHUNK):
            exponents, rest = planes_of(bits(rows[:count].contiguous()), rows.dtype)
            plane = exponents.tobytes()
            size = None if compress is None else (HEAD + len(rest) + len(compress(plane))) / count
            row[f"bytes_{count}"] = size
            row[f"times_smaller_{count}"] = report.ratio(2.0 * width, size)
            row[f"compress_us_{count}"] = (
                None if compress is None else _median_us(compress, plane, rounds))
        found.append(row)
    return found


def compressors() -> dict[str, Compress | None]:
    """By name; None is one that is not installed here."""
    zstd = zstandard.ZstdCompressor(level=LEVEL, write_checksum=False, write_dict_id=False)
    found: dict[str, Compress | None] = {
        f"zstd, level {LEVEL} (ours)": zstd.compress, "zlib, level 1": lambda data: zlib.compress(
            data, 1), "lz4, fast": None, "lz4, high": None}
    try:
        block: Any = importlib.import_module("lz4.block")
    except ImportError:
        return found
    # The size is known on both sides, so it need not be stored: the least that lz4 takes.
    found["lz4, fast"] = lambda data: block.compress(data, store_size=False)
    found["lz4, high"] = lambda data: block.compress(data, "high_compression", store_size=False)
    return found


def _median_us(compress: Compress, data: bytes, rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        compress(data)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1e6


def show(results: dict[str, list[Figures]]) -> None:
    """Two tables a width."""
    for width in WIDTHS:
        report.print_table(f"rows of {width} channels, bf16", COST_COLUMNS, [
            [row["encoding"], row["bytes_1"], row["bytes_1"] / (2 * width),
             row[f"bytes_{CHUNK}"], row["write_us_1"], row["read_us_1"],
             row[f"write_us_{CHUNK}"], row[f"read_us_{CHUNK}"]]
            for row in results["costs"] if row["width"] == width])
        rows = [row for row in results["compressors"] if row["width"] == width]
        report.print_table(f"exponents of rows of {width} channels", COMPRESSOR_COLUMNS, [
            [row["compressor"], row["bytes_1"], row["times_smaller_1"], row[f"bytes_{CHUNK}"],
             row[f"times_smaller_{CHUNK}"], row["compress_us_1"], row[f"compress_us_{CHUNK}"]]
            for row in rows])
        for reason in dict.fromkeys(row["reason"] for row in rows if row["reason"]):
            print(f"  not measured: {reason}")
