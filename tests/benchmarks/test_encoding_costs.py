"""Sizes of rows are the registry's own, and a compressor that is not installed has no figures."""

from __future__ import annotations

import sys

import pytest

from edge_server.encodings.registry import NAMES, by_name
from edge_server.encodings.wire import pack
from tests.benchmarks.encoding_costs import CHUNK, LZ4_MISSING, compressed, costs, noise


def test_bytes_are_those_of_a_frame() -> None:
    for row in costs(64, NAMES, 1):
        encoding = by_name(row["encoding"])
        assert row["bytes_1"] == len(pack(noise(64)[:1], encoding).payload)
        assert row[f"bytes_{CHUNK}"] == len(pack(noise(64), encoding).payload) / CHUNK
        assert min(row["write_us_1"], row["read_us_32"]) > 0


def test_the_first_compressor_is_the_products_own() -> None:
    ours = compressed(256, 1)[0]
    (lossless,) = costs(256, ["lossless"], 1)
    assert ours["bytes_1"] == lossless["bytes_1"]
    assert ours[f"bytes_{CHUNK}"] == lossless[f"bytes_{CHUNK}"]


def test_what_is_not_installed_was_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lz4.block", None)
    found = {row["compressor"]: row for row in compressed(64, 1)}
    lz4 = found["lz4, fast"]
    assert lz4["reason"] == LZ4_MISSING
    assert lz4["bytes_1"] is lz4["times_smaller_1"] is lz4["compress_us_1"] is None
    assert found["zlib, level 1"]["bytes_1"] > 0
