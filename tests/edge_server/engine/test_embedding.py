"""Rows from the file equal the library's embedding, bit for bit, in every type."""

from __future__ import annotations

import pytest
import torch

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.embedding import MappedEmbedding
from edge_server.errors import DamagedFile, StageError
from tests.conftest import MakeCheckpoint
from tests.models import ALL_FAMILIES, VOCABULARY, load_model

TYPES = (torch.float32, torch.bfloat16, torch.float16)


@pytest.mark.parametrize("family", ALL_FAMILIES)
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("stored", TYPES)
def test_rows_are_the_librarys(
    stored: torch.dtype, dtype: torch.dtype, family: str, checkpoint_folder: MakeCheckpoint
) -> None:
    folder = checkpoint_folder(family, stored)
    ids = [0, 7, VOCABULARY - 1, 7]
    expected = load_model(folder, dtype).get_input_embeddings()(torch.tensor(ids))
    rows = MappedEmbedding(Checkpoint.open(folder), dtype).rows(ids)
    assert rows.dtype == dtype
    assert rows.equal(expected)


def test_no_ids_are_no_rows(checkpoint_folder: MakeCheckpoint) -> None:
    checkpoint = Checkpoint.open(checkpoint_folder("gemma"))
    assert MappedEmbedding(checkpoint, torch.float32).rows([]).shape == (0, 64)


@pytest.mark.parametrize("token", [-1, VOCABULARY])
def test_an_unknown_id_is_one_clear_error(token: int, checkpoint_folder: MakeCheckpoint) -> None:
    embedding = MappedEmbedding(Checkpoint.open(checkpoint_folder("gemma")), torch.float32)
    with pytest.raises(StageError, match=str(token)):
        embedding.rows([3, token])


def test_a_file_that_shrinks_is_noticed(
    tmp_path: object, checkpoint_folder: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedding = MappedEmbedding(Checkpoint.open(checkpoint_folder("gemma")), torch.float32)
    monkeypatch.setattr("os.preadv", lambda *_: 3)
    with pytest.raises(DamagedFile, match="ends inside"):
        embedding.rows([3])
