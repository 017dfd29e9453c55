"""Cutting a checkpoint: where, what each part holds, hashes, interruption, and joining again."""

from __future__ import annotations

import hashlib
import json
import shutil
from itertools import chain
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from edge_server.engine.checkpoint import Checkpoint, layer_of, model_identity
from edge_server.engine.identity import identity_of
from edge_server.engine.manifest import MANIFEST_NAME
from edge_server.engine.parts import (
    COMPANION_FILES,
    Part,
    held,
    open_folders,
    parse_cuts,
    plan_parts,
    verify,
    write_parts,
)
from edge_server.errors import ConfigurationError, HashMismatch, MissingTensor, ModelError
from edge_server.split import LayerRange
from tests.conftest import MakeCheckpoint
from tests.models import ALL_FAMILIES, LAYERS, save_model

WEIGHTS = "model.safetensors"


class Interrupted(Exception):
    """What a progress callback raises in place of Ctrl-C."""


def cut(
    folder: Path, out: Path, at: str = "1", private: bool = False, force: bool = False
) -> list[Path]:
    checkpoint = Checkpoint.open(folder)
    parts = plan_parts(parse_cuts(at, LAYERS), LAYERS, private)
    return write_parts(checkpoint, parts, out, force)


@pytest.mark.parametrize(("text", "cuts"), [
    ("first", [1]), ("middle", [4]), ("last", [7]), ("each", [1, 2, 3, 4, 5, 6, 7]), ("1", [1]),
    ("0", [0]), ("8", [8]), ("1,3", [1, 3]), ("0,8", [0, 8]), (" 1 , 3 ", [1, 3]),
    ("first,last", [1, 7]), ("first,middle,last", [1, 4, 7]), ("2,last", [2, 7])])
def test_where_to_cut(text: str, cuts: list[int]) -> None:
    assert parse_cuts(text, 8) == cuts


@pytest.mark.parametrize("text", ["", ",", "1,", "one", "1.5", "1;3", "-1", "9", "3,1", "1,1",
                                  "first,1", "each,1", "0x1", "1 3", "middle,first", "99999999999"])
def test_where_not_to_cut(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"--at .*Give ") as caught:
        parse_cuts(text, 8)
    assert repr(text) in caught.value.problem


@given(st.text(max_size=8), st.integers(1, 40))
def test_any_text_is_a_cut_or_an_error(text: str, layers: int) -> None:
    try:
        cuts = parse_cuts(text, layers)
    except ConfigurationError:
        return
    assert cuts == sorted(set(cuts))
    assert all(0 <= place <= layers for place in cuts)


def test_a_model_of_one_layer() -> None:
    assert parse_cuts("first", 1) == [1]
    assert parse_cuts("last", 1) == [0]
    with pytest.raises(ConfigurationError):
        parse_cuts("each", 1)


@given(st.sets(st.integers(0, 12), min_size=1), st.just(12))
def test_parts_cover_every_layer_once(places: set[int], layers: int) -> None:
    parts = plan_parts(sorted(places), layers, private=False)
    assert [layer for part in parts for layers in part.ranges
            for layer in range(layers.start, layers.end)] == list(range(12))
    assert [part.name for part in parts] == [
        "head", *(f"part-{index}" for index in range(1, len(places))), "tail"]
    assert [part.embedding for part in parts] == [True] + [False] * len(places)
    assert [part.output for part in parts] == [False] * len(places) + [True]


def test_a_private_plan() -> None:
    assert plan_parts([1, 3], 4, private=True) == [
        Part("phone", (LayerRange(0, 1), LayerRange(3, 4)), True, True),
        Part("edge", (LayerRange(1, 3),), False, False)]
    for cuts in ([1], [1, 2, 3]):
        with pytest.raises(ConfigurationError, match=r"--private.*Give both, such as --at 1,3"):
            plan_parts(cuts, 4, private=True)


CUTS = [("0", False), ("1", False), ("middle", False), ("last", False), ("4", False),
        ("1,3", False), ("each", False), ("1,3", True), ("0,4", True)]


@pytest.mark.parametrize(("at", "private"), CUTS)
@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_parts_hold_exactly_their_tensors(
    family: str, at: str, private: bool, checkpoint_folder: MakeCheckpoint, tmp_path: Path
) -> None:
    """Seen through safetensors' own library, against the whole file."""
    folder = checkpoint_folder(family)
    whole = load_file(folder / WEIGHTS)
    tied = family not in ("llama", "gptj")
    gpt = family.startswith("gpt")
    prefix = "transformer." if gpt else "model."
    embedding = prefix + ("wte.weight" if gpt else "embed_tokens.weight")
    ends = {f"{prefix}ln_f.weight", f"{prefix}ln_f.bias"} if gpt else {f"{prefix}norm.weight"}
    ends |= set() if tied else {"lm_head.weight"}
    ends |= {"lm_head.bias"} if family == "gptj" else set()
    folders = cut(folder, tmp_path, at, private)
    seen: list[str] = []
    for target in folders:
        part = held(Checkpoint.open(target))
        mine_too = {layer for layers in part.ranges for layer in range(layers.start, layers.end)}
        expected = {name for name in whole if layer_of(name.removeprefix(prefix)) in mine_too}
        if part.embedding or (part.output and tied):
            expected.add(embedding)
        if part.output:
            expected |= ends
        if family == "gpt2" and 0 in mine_too:  # whoever runs layer 0 adds positions
            expected.add("transformer.wpe.weight")
        mine = load_file(target / WEIGHTS)
        assert set(mine) == expected
        assert all(torch.equal(mine[name], whole[name]) for name in mine)
        seen += mine
    assert set(seen) == set(whole)
    assert set(seen) - {embedding} <= {
        name for name in seen if seen.count(name) == 1}


@pytest.mark.parametrize("at", ["1", "1,3", "each"])
def test_data_starts_aligned(at: str, checkpoint_folder: MakeCheckpoint, tmp_path: Path) -> None:
    for target in cut(checkpoint_folder("gemma3"), tmp_path, at):
        entries = Checkpoint.open(target).tensors.values()
        assert min((entry.offset for entry in entries), default=0) % 64 == 0


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_identity_is_one_for_the_whole_and_every_part(
    family: str, checkpoint_folder: MakeCheckpoint, tmp_path: Path
) -> None:
    checkpoint = Checkpoint.open(checkpoint_folder(family))
    whole = model_identity(checkpoint, checkpoint.hash_tensor)
    cuts = [("1", False), ("1,3", True), ("each", False), ("0,4", True)]
    folders = chain.from_iterable(
        cut(checkpoint_folder(family), tmp_path / f"{at}-{private}", at, private)
        for at, private in cuts)
    assert {identity_of(Checkpoint.open(target)) for target in folders} == {whole}
    assert identity_of(checkpoint) == whole


def test_identity_of_a_sharded_source(checkpoint_folder: MakeCheckpoint, tmp_path: Path) -> None:
    save_model(tmp_path / "sharded", "gemma2", max_shard_size="60KB")
    part = cut(tmp_path / "sharded", tmp_path / "parts")[0]
    assert identity_of(Checkpoint.open(part)) == identity_of(
        Checkpoint.open(checkpoint_folder("gemma2")))


def test_manifests_tell_the_truth(checkpoint_folder: MakeCheckpoint, tmp_path: Path) -> None:
    for target in cut(checkpoint_folder("gemma3"), tmp_path, "1,3"):
        manifest = Checkpoint.open(target).manifest
        assert manifest is not None
        assert {record.name: (record.size, record.sha256) for record in manifest.files} == {
            file.name: (file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest())
            for file in target.iterdir() if file.name != MANIFEST_NAME}
        verify(Checkpoint.open(target))


def test_companions_travel(checkpoint_folder: MakeCheckpoint, tmp_path: Path) -> None:
    source = checkpoint_folder("gemma3")
    for target in cut(source, tmp_path, "1,3"):
        for name in COMPANION_FILES:
            assert (target / name).is_file() == (source / name).is_file()
            if (source / name).is_file():
                assert (target / name).read_bytes() == (source / name).read_bytes()
        assert (target / "tokenizer.json").is_file()
        assert (target / "chat_template.jinja").is_file()


@pytest.mark.parametrize("name", [WEIGHTS, "config.json", "tokenizer.json"])
@pytest.mark.parametrize("damage", ["flip", "append", "remove"])
def test_a_tampered_file_is_caught(
    name: str, damage: str, checkpoint_folder: MakeCheckpoint, tmp_path: Path
) -> None:
    target = cut(checkpoint_folder("gemma3"), tmp_path)[0]
    checkpoint = Checkpoint.open(target)
    raw = bytearray((target / name).read_bytes())
    raw[-3] ^= 1
    if damage == "remove":
        (target / name).unlink()
    else:
        (target / name).write_bytes(raw if damage == "flip" else bytes(raw) + b" ")
    with pytest.raises(HashMismatch, match=r"not the file that was written.*Copy the part") as got:
        verify(checkpoint)
    assert str(target / name) in got.value.problem


def test_a_whole_checkpoint_has_nothing_to_verify(checkpoint_folder: MakeCheckpoint) -> None:
    checkpoint = Checkpoint.open(checkpoint_folder("gemma3"))
    verify(checkpoint)
    assert checkpoint.manifest is None


def test_parts_join_to_the_whole(checkpoint_folder: MakeCheckpoint, tmp_path: Path) -> None:
    whole = Checkpoint.open(checkpoint_folder("llama"))
    head, middle, tail = cut(checkpoint_folder("llama"), tmp_path, "1,3")
    joined = open_folders([tail, head, middle])  # in any order
    assert identity_of(joined) == identity_of(whole)
    assert {name: joined.hash_tensor(name) for name in whole.expected} == {
        name: whole.hash_tensor(name) for name in whole.expected}
    part = held(joined)
    assert (part.embedding, part.output) == (True, True)
    assert [layer for layers in part.ranges for layer in range(layers.start, layers.end)] == [
        0, 1, 2, 3]


def test_a_joined_whole_is_one_range(checkpoint_folder: MakeCheckpoint, tmp_path: Path) -> None:
    """Two ranges are how a phone's part with both ends looks; a joined whole has no gap."""
    folders = cut(checkpoint_folder("gemma3"), tmp_path, "1")
    assert held(open_folders(folders)).ranges == (LayerRange(0, LAYERS),)


def test_a_phone_and_an_edge_part_join_to_the_whole(
    checkpoint_folder: MakeCheckpoint, tmp_path: Path
) -> None:
    for at in ("1,3", "0,4"):
        folders = cut(checkpoint_folder("llama"), tmp_path / at, at, private=True)
        assert held(open_folders(folders)).ranges == (LayerRange(0, LAYERS),)


def test_some_of_the_parts(checkpoint_folder: MakeCheckpoint, tmp_path: Path) -> None:
    head, middle, _ = cut(checkpoint_folder("gemma3"), tmp_path, "1,3")
    joined = open_folders([head, middle])
    joined.entry("layers.2.mlp.up_proj.weight")
    with pytest.raises(MissingTensor, match=r"has no tensor layers\.3\..*It is a part that holds"):
        joined.entry("layers.3.mlp.up_proj.weight")


def test_parts_of_different_models_do_not_join(
    checkpoint_folder: MakeCheckpoint, tmp_path: Path
) -> None:
    save_model(tmp_path / "other", "gemma3", seed=1)
    head = cut(checkpoint_folder("gemma3"), tmp_path / "a")[0]
    tail = cut(tmp_path / "other", tmp_path / "b")[1]
    with pytest.raises(HashMismatch, match="not parts of one model") as caught:
        open_folders([head, tail])
    assert str(head) in caught.value.problem
    assert str(tail) in caught.value.problem
    assert "Give parts that one `airsplit split` wrote." in caught.value.remedy
    with pytest.raises(HashMismatch):
        open_folders([head, checkpoint_folder("gemma3")])


def test_one_changed_weight_is_another_model(tmp_path: Path) -> None:
    save_model(tmp_path / "model", "gemma3")
    before = cut(tmp_path / "model", tmp_path / "a")[0]
    file = tmp_path / "model" / WEIGHTS
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    after = cut(tmp_path / "model", tmp_path / "b")[1]
    with pytest.raises(HashMismatch):
        open_folders([before, after])


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes()
            for file in folder.rglob("*") if file.is_file()}


def test_what_is_there_is_not_replaced(checkpoint_folder: MakeCheckpoint, tmp_path: Path) -> None:
    (tmp_path / "tail").mkdir()
    (tmp_path / "tail" / "notes.txt").write_text("mine")
    before = snapshot(tmp_path)
    with pytest.raises(ConfigurationError, match=r"tail exists already.*--out, or --force"):
        cut(checkpoint_folder("gemma3"), tmp_path)
    assert snapshot(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["tail"]
    cut(checkpoint_folder("gemma3"), tmp_path, force=True)
    assert not (tmp_path / "tail" / "notes.txt").exists()
    assert (tmp_path / "tail" / WEIGHTS).exists()


def test_a_file_in_the_way(checkpoint_folder: MakeCheckpoint, tmp_path: Path) -> None:
    (tmp_path / "head").write_text("mine")
    with pytest.raises(ConfigurationError, match="exists already"):
        cut(checkpoint_folder("gemma3"), tmp_path)
    cut(checkpoint_folder("gemma3"), tmp_path, force=True)
    assert (tmp_path / "head" / WEIGHTS).exists()


@pytest.mark.parametrize("calls", [1, 20, 60])
@pytest.mark.parametrize("interrupt", [Interrupted, KeyboardInterrupt])
def test_an_interrupted_split_leaves_nothing(
    calls: int, interrupt: type[BaseException], checkpoint_folder: MakeCheckpoint, tmp_path: Path
) -> None:
    checkpoint = Checkpoint.open(checkpoint_folder("llama"))
    left = calls

    def progress(_: int) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise interrupt

    with pytest.raises(interrupt):
        write_parts(checkpoint, plan_parts([1, 3], LAYERS, False), tmp_path / "out",
                    progress=progress)
    assert left == 0
    assert list((tmp_path / "out").iterdir()) == []


def test_an_interrupted_replacement_leaves_the_old(
    checkpoint_folder: MakeCheckpoint, tmp_path: Path
) -> None:
    cut(checkpoint_folder("gemma3"), tmp_path)
    before = snapshot(tmp_path)

    def progress(_: int) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        write_parts(Checkpoint.open(checkpoint_folder("gemma3")), plan_parts([1], LAYERS, False),
                    tmp_path, force=True, progress=progress)
    assert snapshot(tmp_path) == before


def test_the_remains_of_a_killed_split_do_not_matter(
    checkpoint_folder: MakeCheckpoint, tmp_path: Path
) -> None:
    (tmp_path / ".head.partial").mkdir()
    (tmp_path / ".head.partial" / "half").write_text("x")
    head = cut(checkpoint_folder("gemma3"), tmp_path)[0]
    assert not (head / "half").exists()
    assert not (tmp_path / ".head.partial").exists()


def test_an_incomplete_model_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    save_model(tmp_path / "model", "gemma2", max_shard_size="60KB")
    config = tmp_path / "model" / "config.json"
    document = json.loads(config.read_text())
    config.write_text(json.dumps(document | {"num_hidden_layers": LAYERS + 1,
                                             "layer_types": [*document["layer_types"],
                                                             "full_attention"]}))
    with pytest.raises(ModelError):
        cut(tmp_path / "model", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_part_is_not_split_again(checkpoint_folder: MakeCheckpoint, tmp_path: Path) -> None:
    head = cut(checkpoint_folder("gemma3"), tmp_path)[0]
    with pytest.raises(ConfigurationError, match=r"itself a part.*Split the whole checkpoint"):
        cut(head, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_progress_counts_every_byte(checkpoint_folder: MakeCheckpoint, tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(checkpoint_folder("gemma3"))
    parts = plan_parts([2], LAYERS, False)
    counted: list[int] = []
    write_parts(checkpoint, parts, tmp_path, progress=counted.append)
    assert sum(counted) == sum(part.bytes(checkpoint) for part in parts)


def test_splitting_twice_gives_the_same_bytes(
    checkpoint_folder: MakeCheckpoint, tmp_path: Path
) -> None:
    cut(checkpoint_folder("gemma3"), tmp_path / "a", "1,3")
    cut(checkpoint_folder("gemma3"), tmp_path / "b", "1,3")
    assert snapshot(tmp_path / "a") == snapshot(tmp_path / "b")


def test_a_part_can_be_copied_and_used(checkpoint_folder: MakeCheckpoint, tmp_path: Path) -> None:
    """Nothing in it points back to where it was made."""
    head = cut(checkpoint_folder("gemma3"), tmp_path / "a")[0]
    moved = shutil.copytree(head, tmp_path / "b")
    shutil.rmtree(tmp_path / "a")
    verify(Checkpoint.open(moved))
