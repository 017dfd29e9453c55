"""Reads Hugging Face checkpoint folders, whole or cut, tensor by tensor.

Headers are checked before anything is believed: a truncated file, a missing tensor or a wrong shape
is one clear error. Bytes are read with `pread` into memory the caller owns: the safetensors library
maps files, and mapped pages count once more in a phone's resident memory.
It knows no torch and computes nothing; `split` writes what it reads.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_server.engine.architecture import model_tensors, read_architecture, text_part
from edge_server.engine.family import (
    PROJECTION,
    PROJECTION_BIAS,
    Architecture,
    Names,
    names_of,
)
from edge_server.engine.manifest import MANIFEST_NAME, Manifest, read_manifest
from edge_server.errors import DamagedFile, MissingTensor, ModelError, WrongShape

CONFIG_NAME = "config.json"
INDEX_NAME = "model.safetensors.index.json"
ELEMENT_BYTES = {"BF16": 2, "F16": 2, "F32": 4}
MAX_HEADER_BYTES = 100_000_000  # the safetensors format's own limit
MAX_JSON_BYTES = 50_000_000  # a configuration or index is far smaller; caps hostile folders
CHUNK_BYTES = 4 << 20  # staging memory while hashing: large enough to stream, small on a phone
LAYER_NAME = re.compile(r"(?:layers|h)\.(\d+)\.")


@dataclass(frozen=True)
class TensorEntry:
    """Where one tensor's bytes are."""

    file: Path
    dtype: str  # as stored: "BF16", "F16" or "F32"
    shape: tuple[int, ...]
    offset: int  # bytes from the start of the file
    size: int  # bytes


class Checkpoint:
    """One checkpoint folder, opened for reading."""

    def __init__(
        self, folder: Path, config: Mapping[str, Any], tensors: Mapping[str, TensorEntry],
        manifest: Manifest | None,
    ) -> None:
        self.folder = folder
        self.config = dict(config)
        self.manifest = manifest
        self.architecture: Architecture = read_architecture(config, str(folder / CONFIG_NAME))
        self.expected = model_tensors(self.architecture)
        self.tensors = dict(tensors)

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Checkpoint:
        """Read the headers of `folder`; raises a `ModelError` that says what is wrong with it."""
        path = Path(folder)
        if not path.is_dir():
            raise ModelError(f"{path} is not a folder.",
                             "Give the folder that holds config.json and model.safetensors.")
        config = read_json(path / CONFIG_NAME)
        manifest = read_manifest(path) if (path / MANIFEST_NAME).exists() else None
        tensors: dict[str, TensorEntry] = {}
        for file in tensor_files(path):
            tensors |= read_header(file)
        names = names_of(text_part(config).get("model_type"))
        return cls(path, config, canonical_names(tensors, names), manifest)

    @property
    def names(self) -> Names:
        """How its family spells what lies outside the layers."""
        return self.architecture.names

    @property
    def projection(self) -> str:
        """The tensor that holds the output projection."""
        return self.names.embedding if self.architecture.tied else PROJECTION

    @property
    def dtype(self) -> str:
        """The stored element type of the layers ("BF16", "F16", "F32")."""
        for name, entry in self.tensors.items():
            if name in self.expected and len(entry.shape) == 2:
                return self.entry(name).dtype
        raise MissingTensor(f"{self.folder} holds no weights.", "Download or split it again.")

    def entry(self, name: str) -> TensorEntry:
        """The tensor `name` (canonical), checked against what config.json implies."""
        shape = self.expected.get(name)
        found = self.tensors.get(name)
        if found is None or shape is None:
            raise MissingTensor(f"{self.folder} has no tensor {name}.", self._remedy(name))
        if found.shape != shape or found.dtype not in ELEMENT_BYTES:
            raise WrongShape(
                f"{found.file}: {name} is {found.dtype} {list(found.shape)}, but {CONFIG_NAME} "
                f"implies {' or '.join(ELEMENT_BYTES)} {list(shape)}.",
                "Use the config.json that came with these weights.")
        return found

    def _remedy(self, name: str) -> str:
        if self.manifest:
            return (f"It is a part that holds {self.manifest.describe()}; ask for those, "
                    "or give the part or the whole model that holds the rest.")
        return "The checkpoint is incomplete: download it again."

    def read_into(
        self, name: str, buffer: memoryview, first_row: int = 0, rows: int | None = None
    ) -> None:
        """Fill `buffer` with the stored bytes of `name`, or of some of its leading-axis rows."""
        entry = self.entry(name)
        row_bytes = entry.size // entry.shape[0]
        wanted = entry.size if rows is None else rows * row_bytes
        if buffer.nbytes != wanted or first_row * row_bytes + wanted > entry.size:
            raise ValueError(f"{name}: a buffer of {buffer.nbytes} B for {wanted} B")
        view = buffer.cast("B") if buffer.format != "B" or buffer.ndim != 1 else buffer
        with entry.file.open("rb", buffering=0) as file:
            file.seek(entry.offset + first_row * row_bytes)
            done = 0
            while done < wanted:
                got = file.readinto(view[done:])
                if not got:
                    raise DamagedFile(f"{entry.file} ends inside {name}.",
                                      "It changed while it was read: download it again.")
                done += got

    def chunks(self, name: str, chunk_bytes: int = CHUNK_BYTES) -> Iterator[memoryview]:
        """The stored bytes of `name`, in order, in one reused buffer."""
        entry = self.entry(name)
        buffer = bytearray(min(chunk_bytes, entry.size))
        with entry.file.open("rb", buffering=0) as file:
            file.seek(entry.offset)
            left = entry.size
            while left:
                got = file.readinto(memoryview(buffer)[: min(left, len(buffer))])
                if not got:
                    raise DamagedFile(f"{entry.file} ends inside {name}.", "Download it again.")
                left -= got
                yield memoryview(buffer)[:got]

    def hash_tensor(self, name: str) -> str:
        """SHA-256 of the stored bytes of `name`."""
        digest = hashlib.sha256()
        for chunk in self.chunks(name):
            digest.update(chunk)
        return digest.hexdigest()


def tensor_files(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint, sharded or not."""
    index = folder / INDEX_NAME
    if index.exists():
        weights = read_json(index).get("weight_map")
        if not isinstance(weights, Mapping) or not all(
            isinstance(name, str) and Path(name).name == name for name in weights.values()
        ):
            raise DamagedFile(f"{index} has no usable weight_map.", "Download it again.")
        files = [folder / name for name in sorted(set(weights.values()))]
    else:
        files = [folder / "model.safetensors"]
        if not files[0].exists():
            files = sorted(folder.glob("*.safetensors"))
    missing = [file for file in files if not file.is_file()]
    if missing or not files:
        name = missing[0] if missing else folder / "model.safetensors"
        raise MissingTensor(f"{name} is not there.",
                            "Download the whole checkpoint in safetensors format.")
    return files


def read_header(file: Path) -> dict[str, TensorEntry]:
    """The tensors of one safetensors file; every offset is checked against the file's size."""
    size = file.stat().st_size
    with file.open("rb") as handle:
        prefix = handle.read(8)
        length = int.from_bytes(prefix, "little")
        if len(prefix) < 8 or length > min(size - 8, MAX_HEADER_BYTES):
            raise DamagedFile(f"{file} is truncated or not a safetensors file ({size:,} B).",
                              "Download it again.")
        raw = handle.read(length)
    try:
        header = json.loads(raw)
        entries = {
            name: TensorEntry(
                file, str(about["dtype"]), tuple(int(n) for n in about["shape"]),
                8 + length + int(about["data_offsets"][0]),
                int(about["data_offsets"][1]) - int(about["data_offsets"][0]))
            for name, about in header.items() if name != "__metadata__"
        }
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError,
            OverflowError) as error:
        raise DamagedFile(f"{file} has an unreadable header ({error}).",
                          "Download it again.") from error
    for name, entry in entries.items():
        _check_entry(name, entry, 8 + length, size)
    return entries


def _check_entry(name: str, entry: TensorEntry, data_start: int, file_size: int) -> None:
    count = 1
    for extent in entry.shape:
        count *= max(extent, 0)
    element = ELEMENT_BYTES.get(entry.dtype)
    if entry.offset < data_start or entry.size < 0 or (
        element is not None and entry.size != count * element
    ):
        raise DamagedFile(f"{entry.file}: the header contradicts itself about {name}.",
                          "Download it again.")
    if entry.offset + entry.size > file_size:
        raise DamagedFile(
            f"{entry.file} is truncated: {name} ends at byte {entry.offset + entry.size:,} "
            f"of {file_size:,}.", "Download it again.")


def canonical_names(
    tensors: Mapping[str, TensorEntry], names: Names
) -> dict[str, TensorEntry]:
    """Names as `architecture.model_tensors` spells them, whatever prefix the files use."""
    for prefix in names.prefixes:
        if any(name.startswith(prefix) and names.belongs(name[len(prefix):]) for name in tensors):
            break
    found: dict[str, TensorEntry] = {}
    for name, entry in tensors.items():
        if name.startswith(prefix) and names.belongs(name[len(prefix):]):
            found[name[len(prefix):]] = entry
            continue
        for beside in (PROJECTION, PROJECTION_BIAS):
            if name.endswith(beside):
                found[beside] = entry
    return found


def layer_of(name: str) -> int | None:
    """The layer a canonical tensor name belongs to, if any."""
    match = LAYER_NAME.match(name)
    return int(match.group(1)) if match else None


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file of bounded size."""
    try:
        if file.stat().st_size > MAX_JSON_BYTES:
            raise DamagedFile(f"{file} is larger than a JSON file of a checkpoint can be.",
                              "Download it again.")
        value = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{file} is not there.",
                         "Give a folder with a Hugging Face checkpoint.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedFile(f"{file} cannot be read: {error}.", "Download it again.") from error
    if not isinstance(value, dict):
        raise DamagedFile(f"{file} is not a JSON object.", "Download it again.")
    return value


def model_identity(checkpoint: Checkpoint, tensor_hash: Callable[[str], str]) -> str:
    """One hash for a model, the same however its tensors are spread over files.

    `tensor_hash` gives the SHA-256 of a tensor's bytes: read them, or remember them.
    """
    digest = hashlib.sha256()
    digest.update(json.dumps(asdict(checkpoint.architecture), sort_keys=True).encode())
    for name in checkpoint.expected:
        entry = checkpoint.entry(name)
        digest.update(f"\n{name} {entry.dtype} {entry.shape} {tensor_hash(name)}".encode())
    return digest.hexdigest()
