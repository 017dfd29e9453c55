"""Scoring: every token once, and the numbers that follow."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as functional
from tokenizers import Tokenizer

from testbed.training.data import Corpus
from testbed.training.evaluate import Score, score_stories, scoring_windows
from testbed.training.model import build_model
from testbed.training.tokenizer import EOS_ID, wrap_tokenizer
from tests.testbed.training.toy import TOY

Prepared = tuple[Tokenizer, Corpus]


@pytest.mark.parametrize("count", [2, 9, 10, 11, 57])
@pytest.mark.parametrize("stride", [4, 8])
def test_windows_score_every_token_once(count: int, stride: int) -> None:
    ids = list(range(count))
    windows = list(scoring_windows(ids, 8, stride))
    assert [token for window, scored in windows for token in window[-scored:]] == ids[1:]
    assert all(scored < len(window) <= 9 for window, scored in windows)


def test_a_short_text_scores_as_in_one_pass(prepared: Prepared) -> None:
    model = build_model(TOY, 320)
    wrapped = wrap_tokenizer(prepared[0], 256)
    stories = ["There was a king.", "A ship!\nIt sank."]
    score = score_stories(model, wrapped, stories, 64, 32)
    total, tokens = 0.0, 0
    for story in stories:
        ids = torch.tensor([[*wrapped.encode(story), EOS_ID]])
        with torch.no_grad():
            logits = model(input_ids=ids[:, :-1]).logits[0]
        total += float(functional.cross_entropy(logits, ids[0, 1:], reduction="sum"))
        tokens += ids.shape[1] - 1
    assert score.tokens == tokens
    assert score.words == 8
    assert score.text_bytes == len("".join(stories))
    assert score.nats == pytest.approx(total, rel=1e-4)


def test_measures_follow_from_the_sum() -> None:
    score = Score(nats=math.log(2) * 40, tokens=20, words=10, text_bytes=80)
    assert score.token_perplexity == pytest.approx(4.0)
    assert score.word_perplexity == pytest.approx(16.0)
    assert score.bits_per_byte == pytest.approx(0.5)
