"""Token ids to rows, read from the checkpoint file one row at a time.

The matrix is the largest tensor of a small model and never enters memory: a token needs one row of
it, and the page cache holds what is used often without counting as this process's own.
It serves both backends. It does not know tokenizers or layers.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.tensors import STORED_TYPES
from edge_server.errors import DamagedFile, StageError


class MappedEmbedding:
    """The embedding matrix of a checkpoint, left in its file."""

    def __init__(self, checkpoint: Checkpoint, dtype: torch.dtype) -> None:
        self._entry = checkpoint.entry(checkpoint.names.embedding)
        self._stored = STORED_TYPES[self._entry.dtype]
        self.dtype = dtype
        # As the library does: the scale is rounded to the computation's type, then multiplied.
        scale = checkpoint.architecture.embedding_scale
        self._scale = None if scale == 1.0 else torch.tensor(scale).to(dtype)
        self._file = os.open(self._entry.file, os.O_RDONLY | os.O_CLOEXEC)
        if hasattr(os, "posix_fadvise"):
            # Reading ahead would fetch neighbours of a row, which nothing asks for.
            os.posix_fadvise(self._file, self._entry.offset, self._entry.size,
                             os.POSIX_FADV_RANDOM)

    def rows(self, ids: Sequence[int]) -> torch.Tensor:
        """[ids, hidden], scaled as the family scales."""
        vocabulary, hidden = self._entry.shape
        for token in ids:
            if not 0 <= token < vocabulary:
                raise StageError(f"Token id {token} is not among the {vocabulary} of this model.",
                                 "Use the tokenizer that came with it.")
        row_bytes = self._entry.size // vocabulary
        stored = bytearray(len(ids) * row_bytes)
        for index, token in enumerate(ids):
            target = memoryview(stored)[index * row_bytes:(index + 1) * row_bytes]
            if os.preadv(self._file, [target], self._entry.offset + token * row_bytes) < row_bytes:
                raise DamagedFile(f"{self._entry.file} ends inside the embedding matrix.",
                                  "It changed while it was read: download it again.")
        if not ids:
            return torch.empty(0, hidden, dtype=self.dtype)
        rows = torch.frombuffer(stored, dtype=self._stored).view(len(ids), hidden).to(self.dtype)
        return rows if self._scale is None else rows * self._scale

    def close(self) -> None:
        """Close the file; any later call is an error."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self.close()
