"""Checkpoint folders: sharded, prefixed, damaged in every way; one clear error for each."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from edge_server.engine.checkpoint import (
    Checkpoint,
    canonical_names,
    layer_of,
    model_identity,
    read_header,
    read_json,
)
from edge_server.engine.family import names_of
from edge_server.engine.load import EngineOptions, open_engine
from edge_server.errors import (
    DamagedFile,
    EdgeError,
    MissingTensor,
    ModelError,
    UnknownArchitecture,
    WrongShape,
)
from tests.conftest import MakeCheckpoint
from tests.models import ALL_FAMILIES, GPT_FAMILIES, LAYERS, save_model

WEIGHTS = "model.safetensors"
EMBEDDING, PROJECTION = "embed_tokens.weight", "layers.2.mlp.up_proj.weight"


@pytest.fixture
def folder(checkpoint_folder: MakeCheckpoint, tmp_path: Path) -> Path:
    """A checkpoint of one's own."""
    return shutil.copytree(checkpoint_folder("gemma3"), tmp_path / "model")


def use(folder: Path) -> Checkpoint:
    """Open `folder` and read all it should hold, as loading a model does."""
    checkpoint = Checkpoint.open(folder)
    for name in checkpoint.expected:
        for _ in checkpoint.chunks(name):
            pass
    return checkpoint


def refusal(kind: type[ModelError], act: Callable[[], object], *names: object) -> ModelError:
    """The error of `act`, once it is seen to be of `kind`, to name its input and a remedy."""
    with pytest.raises(ModelError) as caught:
        act()
    error = caught.value
    assert type(error) is kind
    for name in names:
        assert str(name) in error.problem
    assert error.remedy
    assert "\n" not in str(error)
    return error


def contents(checkpoint: Checkpoint) -> dict[str, bytes]:
    return {name: b"".join(map(bytes, checkpoint.chunks(name))) for name in checkpoint.expected}


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_every_tensor_is_what_the_safetensors_library_reads(
    family: str, checkpoint_folder: MakeCheckpoint
) -> None:
    checkpoint = Checkpoint.open(checkpoint_folder(family))
    theirs = load_file(checkpoint_folder(family) / WEIGHTS)
    prefix = "transformer." if family in GPT_FAMILIES else "model."
    assert set(theirs) == {name if name.startswith("lm_head.") else prefix + name
                           for name in checkpoint.expected}
    for name, raw in contents(checkpoint).items():
        tensor = theirs[name if name.startswith("lm_head.") else prefix + name]
        assert raw == tensor.numpy().tobytes()
        assert checkpoint.entry(name).shape == tuple(tensor.shape)


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_sharded_is_the_same_model(
    family: str, checkpoint_folder: MakeCheckpoint, tmp_path: Path
) -> None:
    save_model(tmp_path, family, max_shard_size="60KB")
    sharded, plain = Checkpoint.open(tmp_path), Checkpoint.open(checkpoint_folder(family))
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 3
    assert contents(sharded) == contents(plain)
    assert model_identity(sharded, sharded.hash_tensor) == model_identity(plain, plain.hash_tensor)


@pytest.mark.parametrize("prefix", ["", "model.", "language_model.model.", "model.language_model."])
def test_prefixes(prefix: str, folder: Path) -> None:
    plain = contents(Checkpoint.open(folder))
    tensors = {name.replace("model.", prefix, 1): tensor
               for name, tensor in load_file(folder / WEIGHTS).items()}
    tensors["vision_tower.vision_model.encoder.layers.0.layer_norm1.weight"] = torch.ones(3)
    tensors["vision_tower.vision_model.embeddings.norm.weight"] = torch.ones(3)
    save_file(tensors, folder / WEIGHTS)
    assert contents(Checkpoint.open(folder)) == plain


@pytest.mark.parametrize("family", GPT_FAMILIES)
def test_a_release_without_prefix_and_with_masks(
    family: str, checkpoint_folder: MakeCheckpoint, tmp_path: Path
) -> None:
    """As GPT-2 was released: no prefix, and each layer's causal mask among the weights."""
    folder = shutil.copytree(checkpoint_folder(family), tmp_path / "model")
    plain = contents(Checkpoint.open(folder))
    tensors = {name.removeprefix("transformer."): tensor
               for name, tensor in load_file(folder / WEIGHTS).items()}
    tensors |= {f"h.{layer}.attn.bias": torch.ones(1, 1, 8, 8, dtype=torch.bool)
                for layer in range(LAYERS)}
    save_file(tensors, folder / WEIGHTS)
    assert contents(Checkpoint.open(folder)) == plain


def test_an_image_and_text_checkpoint(folder: Path) -> None:
    plain = Checkpoint.open(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(
        {"model_type": "gemma3", "text_config": config, "vision_config": {"hidden_size": 5}}))
    nested = Checkpoint.open(folder)
    assert nested.architecture == plain.architecture
    assert contents(nested) == contents(plain)


def test_an_untied_head_under_a_prefix(checkpoint_folder: MakeCheckpoint) -> None:
    entries = Checkpoint.open(checkpoint_folder("llama")).tensors
    prefixed = {f"language_model.{name}" if name == "lm_head.weight"
                else f"language_model.model.{name}": entry for name, entry in entries.items()}
    assert canonical_names(prefixed, names_of("llama")) == entries


def test_names_and_layers() -> None:
    assert layer_of("layers.12.mlp.up_proj.weight") == 12
    assert layer_of("h.7.attn.c_attn.weight") == 7
    assert layer_of("wpe.weight") is None
    assert layer_of("norm.weight") is None
    assert layer_of("embed_tokens.weight") is None


@pytest.mark.parametrize("family", ["gemma2", "llama"])
def test_truncation_at_many_places(
    family: str, checkpoint_folder: MakeCheckpoint, tmp_path: Path
) -> None:
    folder = shutil.copytree(checkpoint_folder(family), tmp_path / "model")
    whole = (folder / WEIGHTS).read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    places = [*range(10), *range(10, header, header // 20), header - 1, header,
              *range(header + 1, len(whole), len(whole) // 20), len(whole) - 1]
    for length in places:
        (folder / WEIGHTS).write_bytes(whole[:length])
        error = refusal(DamagedFile, lambda: Checkpoint.open(folder), folder / WEIGHTS)
        assert "Download it again" in error.remedy


def test_a_file_cut_after_it_was_opened(folder: Path) -> None:
    checkpoint = Checkpoint.open(folder)
    entry = checkpoint.entry(PROJECTION)
    with (folder / WEIGHTS).open("r+b") as file:
        file.truncate(entry.offset + entry.size // 2)
    for act in (lambda: list(checkpoint.chunks(PROJECTION)),
                lambda: checkpoint.read_into(PROJECTION, memoryview(bytearray(entry.size)))):
        refusal(DamagedFile, act, folder / WEIGHTS, PROJECTION)


def replace_header(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Rewrite the weights' header as what `change` makes of it."""
    raw = (folder / WEIGHTS).read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    changed = json.dumps(change(header)).encode()
    (folder / WEIGHTS).write_bytes(
        len(changed).to_bytes(8, "little") + changed + raw[8 + length:])


@pytest.mark.parametrize("header", [
    [], "text", 7, None, {"x": 1}, {"x": {}}, {"x": {"dtype": "F32"}}, {"x": None},
    {"x": {"dtype": "F32", "shape": [1], "data_offsets": [0]}},
    {"x": {"dtype": "F32", "shape": None, "data_offsets": [0, 4]}},
    {"x": {"dtype": "F32", "shape": [float("inf")], "data_offsets": [0, 4]}},
    {"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, float("inf")]}},
    {"x": {"dtype": "F32", "shape": [1], "data_offsets": [float("nan"), 4]}},
    {"x": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}},
    {"x": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}},
    {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}},
    {"x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}},
    {"x": {"dtype": "BF16", "shape": [2**62, 2**62], "data_offsets": [0, 4]}},
], ids=str)
def test_corrupted_headers(header: object, folder: Path) -> None:
    replace_header(folder, lambda _: header)
    refusal(DamagedFile, lambda: Checkpoint.open(folder), folder / WEIGHTS)


@pytest.mark.parametrize("raw", [
    b"", b"\x00" * 8, b"\xff" * 8, (2**40).to_bytes(8, "little"), b"<html>not found</html>",
    (6).to_bytes(8, "little") + b"{\"a\": ", (4).to_bytes(8, "little") + b"\xff\xfe\xfd\xfc",
    (200_000).to_bytes(8, "little") + b"[" * 200_000,
    (6000).to_bytes(8, "little") + b"{\"x\":" + b"9" * 5994 + b"}",
], ids=range(9))
def test_files_that_are_no_safetensors(raw: bytes, folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(raw)
    refusal(DamagedFile, lambda: Checkpoint.open(folder), folder / WEIGHTS)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8)
entries = st.fixed_dictionaries({}, optional={
    "dtype": st.sampled_from(["F32", "BF16", "I64", "F8_E4M3", ""]) | json_values,
    "shape": st.lists(st.integers(-2, 300), max_size=3) | json_values,
    "data_offsets": st.lists(st.integers(-8, 400_000), min_size=2, max_size=2) | json_values})


def assert_opens_or_is_refused(folder: Path) -> None:
    """No other error than a model's, and it names the folder."""
    refused = ""
    try:
        use(folder)
    except ModelError as error:
        refused = error.problem
    assert not refused or str(folder) in refused


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(
    st.sampled_from(["model.embed_tokens.weight", "model.norm.weight", "__metadata__"])
    | st.text(max_size=5), entries | json_values, max_size=3))
@example({"model.norm.weight": {"dtype": "F32", "shape": [1e400], "data_offsets": [0, 4]}})
def test_fuzzed_headers(folder: Path, changes: dict[str, Any]) -> None:
    """Whatever a header says, it opens or is refused as a model."""
    original = (folder / WEIGHTS).read_bytes()
    replace_header(folder, lambda header: header | changes)
    try:
        assert_opens_or_is_refused(folder)
    finally:
        (folder / WEIGHTS).write_bytes(original)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_flipped_bits_of_a_header(folder: Path, data: st.DataObject) -> None:
    original = (folder / WEIGHTS).read_bytes()
    raw = bytearray(original)
    end = 8 + int.from_bytes(raw[:8], "little")
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, end - 1))] ^= 1 << data.draw(st.integers(0, 7))
    (folder / WEIGHTS).write_bytes(raw)
    try:
        assert_opens_or_is_refused(folder)
    finally:
        (folder / WEIGHTS).write_bytes(original)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["config.json", "model.safetensors.index.json"]),
       st.binary(max_size=40) | json_values.map(json.dumps).map(str.encode))
def test_fuzzed_json_files(folder: Path, name: str, raw: bytes) -> None:
    original = (folder / "config.json").read_bytes()
    (folder / name).write_bytes(raw)
    try:
        assert_opens_or_is_refused(folder)
    finally:
        (folder / "model.safetensors.index.json").unlink(missing_ok=True)
        (folder / "config.json").write_bytes(original)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_fuzzed_values_of_a_configuration(folder: Path, data: st.DataObject) -> None:
    original = (folder / "config.json").read_text()
    config = json.loads(original)
    key = data.draw(st.sampled_from(sorted(set(config) - {"num_hidden_layers"})))
    (folder / "config.json").write_text(json.dumps(config | {key: data.draw(json_values)}))
    try:
        assert_opens_or_is_refused(folder)
    finally:
        (folder / "config.json").write_text(original)


@pytest.mark.parametrize("name", [EMBEDDING, PROJECTION, "norm.weight",
                                  "layers.0.self_attn.q_norm.weight"])
def test_a_missing_tensor(name: str, folder: Path) -> None:
    replace_header(folder, lambda header: {
        other: about for other, about in header.items() if other != f"model.{name}"})
    checkpoint = Checkpoint.open(folder)
    error = refusal(MissingTensor, lambda: checkpoint.entry(name), folder, name)
    assert "download it again" in error.remedy
    with pytest.raises(MissingTensor):
        model_identity(checkpoint, checkpoint.hash_tensor)


@pytest.mark.parametrize("change", [
    {"shape": [96, 63]}, {"shape": [64, 96]}, {"shape": [96 * 64]}, {"shape": [96, 64, 1]},
    {"dtype": "F64"}, {"dtype": "I8"}, {"dtype": "F8_E4M3"}])
def test_a_wrong_shape_or_type(change: dict[str, Any], folder: Path) -> None:
    def damage(header: dict[str, Any]) -> dict[str, Any]:
        about = header[f"model.{PROJECTION}"]
        about.update(change)
        if change.get("shape") == [96, 63]:
            about["data_offsets"][1] -= 4 * 96
        return header

    replace_header(folder, damage)
    checkpoint = Checkpoint.open(folder)
    error = refusal(WrongShape, lambda: checkpoint.entry(PROJECTION), folder / WEIGHTS, PROJECTION)
    assert "[96, 64]" in error.problem
    assert "config.json" in error.remedy


@pytest.mark.parametrize("stored", [torch.float64, torch.int8, torch.float8_e4m3fn])
def test_weights_stored_in_a_type_that_does_not_run(stored: torch.dtype, folder: Path) -> None:
    save_file({name: tensor.to(stored) for name, tensor in load_file(folder / WEIGHTS).items()},
              folder / WEIGHTS)
    refusal(WrongShape, lambda: open_engine(Checkpoint.open(folder), EngineOptions()),
            folder / WEIGHTS)


def test_another_models_configuration(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_size": 32}))
    refusal(WrongShape, lambda: use(folder), folder / WEIGHTS, EMBEDDING)


def test_more_layers_promised_than_there_are(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(
        config | {"num_hidden_layers": LAYERS + 1,
                  "layer_types": [*config["layer_types"], "full_attention"]}))
    refusal(MissingTensor, lambda: use(folder), folder, f"layers.{LAYERS}.")


def test_missing_files(folder: Path, tmp_path: Path) -> None:
    refusal(ModelError, lambda: Checkpoint.open(tmp_path / "nowhere"), tmp_path / "nowhere")
    refusal(ModelError, lambda: Checkpoint.open(folder / WEIGHTS), folder / WEIGHTS)
    (folder / WEIGHTS).rename(folder / "elsewhere.bin")
    refusal(MissingTensor, lambda: Checkpoint.open(folder), folder / WEIGHTS)
    (folder / "config.json").unlink()
    refusal(ModelError, lambda: Checkpoint.open(folder), folder / "config.json")


def test_a_missing_shard(tmp_path: Path) -> None:
    save_model(tmp_path, "gemma2", max_shard_size="60KB")
    shard = sorted(tmp_path.glob("model-*.safetensors"))[1]
    shard.unlink()
    refusal(MissingTensor, lambda: Checkpoint.open(tmp_path), shard)


@pytest.mark.parametrize("index", [
    {}, {"weight_map": None}, {"weight_map": []}, {"weight_map": {"a": 1}},
    {"weight_map": {"a": "../model.safetensors"}}, {"weight_map": {"a": "/etc/passwd"}},
    {"weight_map": {"a": "."}}], ids=str)
def test_a_hostile_index(index: object, folder: Path) -> None:
    file = folder / "model.safetensors.index.json"
    file.write_text(json.dumps(index))
    refusal(DamagedFile, lambda: Checkpoint.open(folder), file)


@pytest.mark.parametrize("name", ["", "..", "missing.safetensors", "a\x00b"])
def test_an_index_of_files_that_are_none(name: str, folder: Path) -> None:
    file = folder / "model.safetensors.index.json"
    file.write_text(json.dumps({"weight_map": {"a": name}}))
    refusal(MissingTensor, lambda: Checkpoint.open(folder), folder)


def test_an_unknown_architecture_names_the_file(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "mamba"}')
    refusal(UnknownArchitecture, lambda: Checkpoint.open(folder), folder / "config.json",
            "model_type")


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"7", b"\xff", b"[" * 100_000])
def test_json_that_is_none(raw: bytes, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_bytes(raw)
    refusal(DamagedFile, lambda: read_json(file), file)


def test_json_of_any_size_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    with file.open("wb") as handle:
        handle.truncate(60_000_000)
    refusal(DamagedFile, lambda: read_json(file), file, "larger")


def test_a_folder_in_a_files_place(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).mkdir()
    refusal(MissingTensor, lambda: Checkpoint.open(folder), folder / WEIGHTS)
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()
    refusal(DamagedFile, lambda: Checkpoint.open(folder), folder / "config.json")


@given(st.integers(0, 159), st.integers(0, 160))
def test_rows_of_a_tensor(checkpoint_folder: MakeCheckpoint, first: int, rows: int) -> None:
    checkpoint = Checkpoint.open(checkpoint_folder("gemma3"))
    rows = min(rows, 160 - first)
    buffer = bytearray(rows * 64 * 4)
    checkpoint.read_into(EMBEDDING, memoryview(buffer), first, rows)
    whole = b"".join(map(bytes, checkpoint.chunks(EMBEDDING, chunk_bytes=1000)))
    assert buffer == whole[first * 256 : (first + rows) * 256]


def test_a_buffer_of_another_size_is_a_bug(checkpoint_folder: MakeCheckpoint) -> None:
    checkpoint = Checkpoint.open(checkpoint_folder("gemma3"))
    for size, first, rows in ((255, 0, 1), (512, 159, 2), (256, 160, 1)):
        with pytest.raises(ValueError, match="a buffer of"):
            checkpoint.read_into(EMBEDDING, memoryview(bytearray(size)), first, rows)


def test_the_header_alone_is_read(folder: Path) -> None:
    """Opening a checkpoint of any size costs its header, not its weights."""
    entries = read_header(folder / WEIGHTS)
    assert {entry.dtype for entry in entries.values()} == {"F32"}
    assert sum(entry.size for entry in entries.values()) < (folder / WEIGHTS).stat().st_size


def test_no_other_error_than_ours(folder: Path) -> None:
    """A part of another model's tensors is still one of our errors."""
    save_file({"classifier.weight": torch.ones(2, 2)}, folder / WEIGHTS)
    checkpoint = Checkpoint.open(folder)
    for act in (lambda: checkpoint.dtype, lambda: open_engine(checkpoint, EngineOptions())):
        with pytest.raises(EdgeError):
            act()
