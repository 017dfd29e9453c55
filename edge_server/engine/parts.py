"""Cuts a checkpoint folder into parts, explains a folder, and checks its hashes.

Parts are written beside their final place and moved there once complete, so an interrupted split
leaves nothing that looks finished. Tensors are streamed: memory use does not grow with the model.
The bytes are copied by hand because the safetensors writer wants every tensor in memory at once.
It knows no torch, and prints nothing: progress goes to a callback.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge_server.engine.checkpoint import CONFIG_NAME, Checkpoint, layer_of, model_identity
from edge_server.engine.exit_parts import copy_exit, misfit
from edge_server.engine.family import PROJECTION, PROJECTION_BIAS
from edge_server.engine.manifest import MANIFEST_NAME, FileRecord, Manifest
from edge_server.errors import ConfigurationError, HashMismatch
from edge_server.split import LayerRange

WEIGHTS_NAME = "model.safetensors"
COMPANION_FILES = (  # small files a part is unusable or mute without
    CONFIG_NAME, "generation_config.json", "tokenizer.json", "tokenizer_config.json",
    "tokenizer.model", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja",
    "chat_template.json", "vocab.json", "merges.txt", "LICENSE", "MODEL_CARD.md",
    "encodings.json",
)
Progress = Callable[[int], None]  # called with the number of bytes just written


@dataclass(frozen=True)
class Part:
    """One folder to be written."""

    name: str
    ranges: tuple[LayerRange, ...]
    embedding: bool
    output: bool

    def tensors(self, checkpoint: Checkpoint) -> list[str]:
        """Canonical names of what this part holds, in the model's order."""
        names = checkpoint.names
        wanted = {names.embedding} if self.embedding else set()
        if self.output:
            wanted |= {*names.norm_tensors, checkpoint.projection, PROJECTION_BIAS}
        if names.positions and self._holds_layer(0):  # only who runs layers knows positions
            wanted.add(names.positions)
        return [name for name in checkpoint.expected
                if name in wanted or self._holds_layer(layer_of(name))]

    def _holds_layer(self, layer: int | None) -> bool:
        return layer is not None and any(layer in part for part in self.ranges)

    def bytes(self, checkpoint: Checkpoint) -> int:
        return sum(checkpoint.entry(name).size for name in self.tensors(checkpoint))


def parse_cuts(text: str, layers: int) -> list[int]:
    """Where to cut: `first`, `middle`, `last`, `each`, or layer numbers with commas."""
    if text == "each" and layers > 1:
        return list(range(1, layers))
    named = {"first": 1, "middle": layers // 2, "last": layers - 1}
    cuts: list[int] = []
    for word in text.split(","):
        cut = named.get(word.strip())
        if cut is None:
            try:
                cut = int(word)
            except ValueError:
                raise ConfigurationError(
                    f"--at {text!r}: {word!r} is not a place to cut.",
                    "Give first, middle, last, each, or layer numbers such as 1 or 1,17."
                ) from None
        cuts.append(cut)
    if sorted(set(cuts)) != cuts or cuts[0] < 0 or cuts[-1] > layers:
        raise ConfigurationError(f"--at {text!r} does not cut a model of {layers} layers.",
                                 f"Give increasing numbers from 0 to {layers}.")
    return cuts


def plan_parts(cuts: Sequence[int], layers: int, private: bool) -> list[Part]:
    """The folders that cutting at `cuts` makes: head, parts between, tail; or phone and edge."""
    if private:
        if len(cuts) != 2:
            raise ConfigurationError(
                "--private cuts the model in two places, and --at gave "
                f"{len(cuts)}.", f"Give both, such as --at 1,{max(1, layers - 1)}.")
        first, second = cuts
        return [Part("phone", (LayerRange(0, first), LayerRange(second, layers)), True, True),
                Part("edge", (LayerRange(first, second),), False, False)]
    bounds = [0, *cuts, layers]
    names = ["head", *(f"part-{index}" for index in range(1, len(cuts))), "tail"]
    return [Part(name, (LayerRange(start, end),), index == 0, index == len(names) - 1)
            for index, (name, start, end)
            in enumerate(zip(names, bounds, bounds[1:], strict=False))]


def write_parts(
    checkpoint: Checkpoint, parts: Sequence[Part], out: Path, force: bool = False,
    progress: Progress = lambda _: None,
) -> list[Path]:
    """Write `parts` under `out`; returns their folders."""
    if checkpoint.manifest:
        raise ConfigurationError(f"{checkpoint.folder} is itself a part of a model.",
                                 "Split the whole checkpoint.")
    targets = [out / part.name for part in parts]
    taken = [target for target in targets if target.exists()]
    if taken and not force:
        raise ConfigurationError(f"{taken[0]} exists already.",
                                 "Give another --out, or --force to replace it.")
    names = {name for part in parts for name in part.tensors(checkpoint)}
    for name in checkpoint.expected:
        checkpoint.entry(name)  # an incomplete model is reported before anything is written
    hashes: dict[str, str] = {}
    staged = [out / f".{part.name}.partial" for part in parts]
    try:
        for part, folder in zip(parts, staged, strict=True):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            _copy_companions(checkpoint.folder, folder)
            _write_weights(checkpoint, part, folder / WEIGHTS_NAME, hashes, progress)
        for name in set(checkpoint.expected) - names:
            hashes[name] = checkpoint.hash_tensor(name)
        identity = model_identity(checkpoint, hashes.__getitem__)
        for part, folder in zip(parts, staged, strict=True):
            if misfit(checkpoint, part, identity) == "":
                copy_exit(checkpoint.folder, folder)
            _write_manifest(checkpoint, part, folder, identity)
        for folder, target in zip(staged, targets, strict=True):
            if target.is_symlink() or target.is_file():
                target.unlink()
            elif target.exists():
                shutil.rmtree(target)
            folder.rename(target)
    except OSError as error:
        raise ConfigurationError(f"{error.filename or out} cannot be written: {error.strerror}.",
                                 "Give another --out, or make room there.") from error
    finally:
        for folder in staged:
            shutil.rmtree(folder, ignore_errors=True)
    return targets


def _copy_companions(source: Path, target: Path) -> None:
    for name in COMPANION_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


def _write_weights(
    checkpoint: Checkpoint, part: Part, file: Path, hashes: dict[str, str], progress: Progress
) -> None:
    names = part.tensors(checkpoint)
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name in names:
        entry = checkpoint.entry(name)
        # The spelling ordinary checkpoints use, so that parts look like them.
        stored = (name if name in (PROJECTION, PROJECTION_BIAS)
                  else checkpoint.names.prefixes[0] + name)
        header[stored] = {"dtype": entry.dtype, "shape": list(entry.shape),
                          "data_offsets": [offset, offset + entry.size]}
        offset += entry.size
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (-(8 + len(raw)) % 64)  # data starts aligned, for those who map the file
    with file.open("wb") as handle:
        handle.write(len(raw).to_bytes(8, "little") + raw)
        for name in names:
            digest = hashlib.sha256()
            for chunk in checkpoint.chunks(name):
                digest.update(chunk)
                handle.write(chunk)
                progress(len(chunk))
            hashes[name] = digest.hexdigest()


def _write_manifest(checkpoint: Checkpoint, part: Part, folder: Path, identity: str) -> None:
    files = tuple(
        FileRecord(file.relative_to(folder).as_posix(), file.stat().st_size, hash_file(file))
        for file in sorted(folder.rglob("*")) if file.is_file())
    manifest = Manifest(identity, checkpoint.architecture.layers, part.ranges, part.embedding,
                        part.output, files)
    (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")


def hash_file(file: Path) -> str:
    """SHA-256 of a file's bytes."""
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def verify(checkpoint: Checkpoint) -> None:
    """Raise `HashMismatch` for a file of a part that is not as it was written."""
    if checkpoint.manifest is None:
        return
    for record in checkpoint.manifest.files:
        file = checkpoint.folder / record.name
        if not file.is_file() or file.stat().st_size != record.size \
                or hash_file(file) != record.sha256:
            raise HashMismatch(f"{file} is not the file that was written when the model was split.",
                               "Copy the part again, or split the model again.")


def open_folders(folders: Sequence[Path]) -> Checkpoint:
    """One checkpoint out of a whole model's folder, or of several parts of the same model."""
    opened = [Checkpoint.open(folder) for folder in folders]
    first = opened[0]
    if len(opened) == 1:
        return first
    for other in opened[1:]:
        if first.manifest is None or other.manifest is None \
                or first.manifest.identity != other.manifest.identity:
            raise HashMismatch(f"{first.folder} and {other.folder} are not parts of one model.",
                               "Give parts that one `airsplit split` wrote.")
    tensors = {name: entry for part in opened for name, entry in part.tensors.items()}
    manifests = [part.manifest for part in opened if part.manifest is not None]
    ranges: list[LayerRange] = []
    for layers in sorted(layers for manifest in manifests for layers in manifest.ranges):
        if ranges and layers.start <= ranges[-1].end:  # what meets is one range
            layers = LayerRange(ranges[-1].start, max(layers.end, ranges.pop().end))
        ranges.append(layers)
    merged = replace(
        manifests[0], files=(), ranges=tuple(ranges),
        embedding=any(manifest.embedding for manifest in manifests),
        output=any(manifest.output for manifest in manifests))
    return Checkpoint(first.folder, first.config, tensors, merged)


def held(checkpoint: Checkpoint) -> Part:
    """What a folder holds, whole or part."""
    if checkpoint.manifest is None:
        whole = LayerRange(0, checkpoint.architecture.layers)
        return Part(checkpoint.folder.name, (whole,), True, True)
    manifest = checkpoint.manifest
    return replace(Part("", manifest.ranges, manifest.embedding, manifest.output),
                   name=checkpoint.folder.name)
