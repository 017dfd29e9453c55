"""Fixtures: toy data, prepared once."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer

from testbed.training.data import Corpus, prepare_corpus
from tests.testbed.training.toy import TOY, write_toy_data


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.txt.gz and valid.txt.gz."""
    return write_toy_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def prepared(
    data_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Tokenizer, Corpus]:
    """Tokenizer and corpus of the toy settings."""
    return prepare_corpus(data_folder, tmp_path_factory.mktemp("tokens"), TOY, lambda text: None)
