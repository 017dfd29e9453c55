"""The manifest of a part: round trip, words, and one error for whatever is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_server.engine.manifest import (
    MANIFEST_FORMAT,
    MANIFEST_NAME,
    FileRecord,
    Manifest,
    read_manifest,
)
from edge_server.errors import DamagedFile
from edge_server.split import LayerRange

GOOD = Manifest("ab" * 32, 4, (LayerRange(0, 1), LayerRange(3, 4)), True, True,
                (FileRecord("model.safetensors", 1234, "cd" * 32),))


def write(folder: Path, document: object) -> None:
    (folder / MANIFEST_NAME).write_text(json.dumps(document))


def test_round_trip(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_text(GOOD.to_json())
    assert read_manifest(tmp_path) == GOOD


def test_it_is_plain_json() -> None:
    assert json.loads(GOOD.to_json()) == {
        "format": MANIFEST_FORMAT, "identity": "ab" * 32, "total_layers": 4,
        "ranges": [[0, 1], [3, 4]], "embedding": True, "output": True,
        "files": [{"name": "model.safetensors", "size": 1234, "sha256": "cd" * 32}]}


@pytest.mark.parametrize(("ranges", "embedding", "output", "words"), [
    ([(0, 1)], True, False, "the input embedding and layers [0, 1) of 4"),
    ([(1, 4)], False, True, "layers [1, 4) of 4 and the output head"),
    ([(0, 1), (3, 4)], True, True,
     "the input embedding and layers [0, 1) of 4 and layers [3, 4) of 4 and the output head"),
    ([(0, 0)], True, False, "the input embedding"),
    ([(2, 2)], False, False, "nothing"),
])
def test_in_words(
    ranges: list[tuple[int, int]], embedding: bool, output: bool, words: str
) -> None:
    manifest = Manifest("ab" * 32, 4, tuple(LayerRange(*pair) for pair in ranges), embedding,
                        output, ())
    assert manifest.describe() == words


CHANGES: list[dict[str, Any]] = [
    {"format": 2}, {"format": None}, {"identity": "short"}, {"identity": "zz" * 32},
    {"identity": 5}, {"total_layers": "four"}, {"total_layers": 1e400}, {"ranges": [[3, 1]]},
    {"ranges": [[-1, 1]]}, {"ranges": [[0]]}, {"ranges": [[0, 1, 2]]}, {"ranges": 7},
    {"ranges": [["a", "b"]]}, {"ranges": []}, {"files": [{}]}, {"files": 7}, {"files": None}]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_damaged_manifest(change: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path, json.loads(GOOD.to_json()) | change)
    with pytest.raises(DamagedFile, match=r"airsplit\.json.*Split the model again"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("key", ["format", "identity", "total_layers", "ranges", "embedding",
                                 "output", "files"])
def test_a_missing_key(key: str, tmp_path: Path) -> None:
    document = json.loads(GOOD.to_json())
    del document[key]
    write(tmp_path, document)
    with pytest.raises(DamagedFile, match=rf"airsplit\.json.*{key}.*Split the model again"):
        read_manifest(tmp_path)


def test_a_newer_format_says_so(tmp_path: Path) -> None:
    write(tmp_path, json.loads(GOOD.to_json()) | {"format": 2})
    with pytest.raises(DamagedFile, match="format 2; this version reads 1"):
        read_manifest(tmp_path)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(json_values.map(json.dumps).map(str.encode) | st.binary(max_size=40)
       | st.tuples(st.sampled_from(sorted(vars(GOOD))), json_values).map(
           lambda change: json.dumps(
               json.loads(GOOD.to_json()) | {change[0]: change[1]}).encode()))
def test_fuzzed(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / MANIFEST_NAME).write_bytes(raw)
    try:
        manifest = read_manifest(tmp_path)
    except DamagedFile:
        return
    assert bytes.fromhex(manifest.identity)
    assert manifest.ranges
