"""The likeliest token of many rows at once: what `logits` and `argmax` say, on either backend."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.fast import FastOutput
from edge_server.engine.reference import ReferenceOutput
from edge_server.engine.stage import Output
from edge_server.errors import StageError
from tests.conftest import MakeCheckpoint
from tests.edge_server.engine.test_fast import random_model
from tests.models import FAMILIES, VOCABULARY, configuration

HIDDEN = 64
KINDS = ("reference", "fp32", "bf16", "int8")


def open_output(folder: Path, kind: str, threads: int = 1) -> Output:
    checkpoint = Checkpoint.open(folder)
    if kind == "reference":
        return ReferenceOutput(checkpoint, torch.float32)
    return FastOutput(checkpoint, kind, threads)


def random_rows(count: int, kind: str) -> torch.Tensor:
    rows = torch.randn(count, HIDDEN, generator=torch.Generator().manual_seed(count))
    return rows.to(torch.float32 if kind in ("reference", "fp32") else torch.bfloat16)


def save_head(folder: Path, weight: torch.Tensor) -> Path:
    """A model whose output matrix is `weight`."""
    model = random_model(configuration("llama"))
    model.lm_head.weight.data = weight
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_it_is_the_largest_of_the_logits(
    family: str, kind: str, checkpoint_folder: MakeCheckpoint
) -> None:
    for threads in (1, 3):
        output = open_output(checkpoint_folder(family), kind, threads)
        for count in (1, 5, 70):  # 70 rows are more than the kernels run together
            rows = random_rows(count, kind)
            logits = output.logits(rows).clone()
            wanted = list(range(0, count, 3))
            tokens, scores = output.likeliest(rows, wanted)
            assert tokens == logits.argmax(dim=-1).tolist()
            assert torch.equal(scores, logits[wanted])


@pytest.mark.parametrize("kind", KINDS)
def test_of_equals_the_first(kind: str, tmp_path: Path) -> None:
    weight = torch.randn(VOCABULARY, HIDDEN, generator=torch.Generator().manual_seed(3))
    for first, later in ((5, 37), (64, 159), (100, 101), (3, 3 + 64)):
        weight[later] = weight[first]
    folder = save_head(tmp_path, weight)
    for threads in (1, 2):
        output = open_output(folder, kind, threads)
        for first in (5, 64, 100, 3):
            rows = (20 * weight[first : first + 1]).to(random_rows(1, kind).dtype)
            assert output.likeliest(rows, [])[0] == [first]
        zeros = torch.zeros(1, HIDDEN, dtype=random_rows(1, kind).dtype)
        assert output.likeliest(zeros, [])[0] == [0]


@pytest.mark.parametrize("kind", KINDS)
def test_padding_is_no_token(kind: str, tmp_path: Path) -> None:
    """Where every score is negative, the zeros that fill the last panel are larger."""
    direction = torch.randn(HIDDEN, generator=torch.Generator().manual_seed(4))
    sizes = torch.linspace(2.0, 1.0, VOCABULARY)
    folder = save_head(tmp_path, sizes[:, None] * direction)
    row = -direction[None].to(random_rows(1, kind).dtype)
    output = open_output(folder, kind)
    assert float(output.logits(row).max()) < 0
    assert output.likeliest(row, [])[0] == [VOCABULARY - 1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_row_without_usable_scores_is_told_and_disturbs_no_other(
    bad: float, kind: str, checkpoint_folder: MakeCheckpoint
) -> None:
    output = open_output(checkpoint_folder("gemma3"), kind)
    rows = random_rows(7, kind)
    expected = output.likeliest(rows, [])[0]
    rows[4, 10] = bad
    tokens, scores = output.likeliest(rows, [4, 5])
    assert tokens == [*expected[:4], None, *expected[5:]]
    assert not scores[0].isfinite().all()
    assert scores[1].isfinite().all()


@pytest.mark.parametrize("kind", ["reference", "fp32", "bf16"])
@pytest.mark.parametrize("where", [0, 63, 64, VOCABULARY - 1])
def test_one_score_that_is_none_is_enough(kind: str, where: int, tmp_path: Path) -> None:
    weight = torch.randn(VOCABULARY, HIDDEN, generator=torch.Generator().manual_seed(5))
    weight[where] = -torch.inf
    output = open_output(save_head(tmp_path, weight), kind)
    assert output.likeliest(random_rows(3, kind).abs() + 1, [])[0] == [None] * 3


def test_rows_that_cannot_run(checkpoint_folder: MakeCheckpoint) -> None:
    output = open_output(checkpoint_folder("gemma"), "fp32")
    with pytest.raises(StageError, match=r"takes \[rows, 64\]"):
        output.likeliest(torch.zeros(1, 63), [])
    assert output.likeliest(torch.zeros(0, HIDDEN), [])[0] == []
