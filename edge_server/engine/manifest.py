"""The manifest of a part of a model: which layers it holds, from which model, with hashes.

It knows the file's shape only; `parts` writes the folders and checks the hashes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_server.errors import ConfigurationError, DamagedFile
from edge_server.split import LayerRange

MANIFEST_NAME = "airsplit.json"
MANIFEST_FORMAT = 1


@dataclass(frozen=True)
class FileRecord:
    """One file of a part, as it was written."""

    name: str  # within the folder, with / between
    size: int  # bytes
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What one folder holds of a model."""

    identity: str  # hash of the whole model, the same in all its parts
    total_layers: int
    ranges: tuple[LayerRange, ...]  # one, or two where the phone keeps both ends
    embedding: bool
    output: bool  # final norm and output projection
    files: tuple[FileRecord, ...]

    def describe(self) -> str:
        """In words, for errors and `inspect`."""
        pieces = ["the input embedding"] if self.embedding else []
        pieces += [f"layers {part} of {self.total_layers}" for part in self.ranges if len(part)]
        pieces += ["the output head"] if self.output else []
        return " and ".join(pieces) or "nothing"

    def to_json(self) -> str:
        document: dict[str, Any] = {"format": MANIFEST_FORMAT} | asdict(self)
        document["ranges"] = [[part.start, part.end] for part in self.ranges]
        return json.dumps(document, indent=2) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of `folder`; one error whatever is wrong with it."""
    file = folder / MANIFEST_NAME
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["format"] != MANIFEST_FORMAT:
            raise DamagedFile(f"{file} has format {document['format']!r}; this version reads "
                              f"{MANIFEST_FORMAT}.", "Split the model again with this version.")
        manifest = Manifest(
            identity=str(document["identity"]),
            total_layers=int(document["total_layers"]),
            ranges=tuple(LayerRange(int(start), int(end)) for start, end in document["ranges"]),
            embedding=bool(document["embedding"]),
            output=bool(document["output"]),
            files=tuple(FileRecord(str(record["name"]), int(record["size"]), str(record["sha256"]))
                        for record in document["files"]),
        )
        if len(bytes.fromhex(manifest.identity)) != 32 or not manifest.ranges:
            raise ValueError("no SHA-256 as identity, or no ranges")
        return manifest
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError,
            ConfigurationError) as error:
        raise DamagedFile(f"{file} is not a usable manifest ({error}).",
                          "Split the model again.") from error
