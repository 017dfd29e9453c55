"""The hash that says two folders hold the same model, computed once and remembered.

A part carries it in its manifest. A whole checkpoint is hashed on first use (about 1 s/GB) and the
result kept in the user's cache, keyed by the files' names, sizes and times; a cache that cannot be
read or written costs time, nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from edge_server.engine.checkpoint import Checkpoint, model_identity, tensor_files


def cache_folder() -> Path:
    """Where airsplit keeps what it can make again."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "airsplit"


def identity_of(checkpoint: Checkpoint) -> str:
    """The model's identity, from the manifest, the cache, or the bytes."""
    if checkpoint.manifest is not None:
        return checkpoint.manifest.identity
    remembered = cache_folder() / "identities" / f"{_key(checkpoint)}.json"
    try:
        identity: str = json.loads(remembered.read_text(encoding="utf-8"))["identity"]
        if len(bytes.fromhex(identity)) == 32:
            return identity
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not remembered: hash the model
    identity = model_identity(checkpoint, checkpoint.hash_tensor)
    try:
        remembered.parent.mkdir(parents=True, exist_ok=True)
        partial = remembered.with_suffix(f".{os.getpid()}.partial")
        partial.write_text(json.dumps({"identity": identity}), encoding="utf-8")
        partial.replace(remembered)
    except OSError:
        pass  # a read-only home: the next start hashes again
    return identity


def _key(checkpoint: Checkpoint) -> str:
    facts = [str(checkpoint.folder.resolve()), json.dumps(checkpoint.config, sort_keys=True)]
    for file in tensor_files(checkpoint.folder):
        status = file.stat()
        facts.append(f"{file.name} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()
