"""Token arrays and the rows of a step."""

from __future__ import annotations

import gzip
from pathlib import Path
from random import Random

import numpy
import pytest
from tokenizers import Tokenizer

from testbed.training.chats import Turn
from testbed.training.data import (
    Corpus,
    encode_chat,
    pack_chats,
    prepare_corpus,
    read_stories,
    rows_of_step,
)
from testbed.training.errors import BadTrainingInput
from testbed.training.tokenizer import BOS_ID, EOS_ID, wrap_tokenizer
from tests.testbed.training.toy import TOY, toy

Prepared = tuple[Tokenizer, Corpus]


def test_rows_depend_on_seed_and_step_alone(prepared: Prepared) -> None:
    corpus = prepared[1]
    later = rows_of_step(corpus, 7, TOY)
    rows_of_step(corpus, 3, TOY)
    for first, second in zip(later, rows_of_step(corpus, 7, TOY), strict=True):
        assert numpy.array_equal(first, second)
    assert not numpy.array_equal(later[0], rows_of_step(corpus, 8, TOY)[0])
    assert not numpy.array_equal(later[0], rows_of_step(corpus, 7, toy(seed=18))[0])


def test_one_epoch_reads_every_plain_row_once(prepared: Prepared) -> None:
    corpus = prepared[1]
    settings = toy(chat_rows_per_step=0, rows_per_step=1, rows_per_pass=1)
    per_epoch = (len(corpus.train) - 1) // TOY.sequence_length - 1
    rows = [rows_of_step(corpus, step, settings)[0] for step in range(per_epoch)]
    read = numpy.sort(numpy.concatenate(rows, axis=None))
    shift = int(numpy.random.default_rng((TOY.seed, 2, 0)).integers(TOY.sequence_length))
    text = corpus.train[shift : shift + per_epoch * TOY.sequence_length]
    assert numpy.array_equal(read, numpy.sort(text))


def test_targets_follow_inputs_and_leave_the_user_out(prepared: Prepared) -> None:
    tokenizer, corpus = prepared
    inputs, targets = rows_of_step(corpus, 0, TOY)
    assert inputs.shape == targets.shape == (TOY.rows_per_step, TOY.sequence_length)
    masked = (targets == -100).any(axis=1)
    assert masked.sum() == TOY.chat_rows_per_step
    assert numpy.array_equal(inputs[~masked][:, 1:], targets[~masked][:, :-1])
    answers = targets[masked][targets[masked] != -100]
    assert "user" not in tokenizer.decode(answers.tolist(), skip_special_tokens=False)


def test_streams_hold_whole_stories(prepared: Prepared) -> None:
    valid = prepared[1].valid
    assert (valid == BOS_ID).sum() == (valid == EOS_ID).sum() == 3
    assert valid[0] == BOS_ID
    assert valid[-1] == EOS_ID


def test_a_chat_is_encoded_as_the_template_writes_it(prepared: Prepared) -> None:
    tokenizer = prepared[0]
    turns = [Turn("Tell me a story.", "There was a king."), Turn("Go on.", "He\nslept.")]
    messages = [
        message
        for turn in turns
        for message in (
            {"role": "user", "content": turn.user},
            {"role": "assistant", "content": turn.model},
        )
    ]
    ids, mask = encode_chat(tokenizer, turns)
    wrapped = wrap_tokenizer(tokenizer, 256)
    text = str(wrapped.apply_chat_template(messages, tokenize=False))
    assert wrapped.encode(text, add_special_tokens=False) == ids
    kept = tokenizer.decode(
        [token for token, on in zip(ids, mask, strict=True) if on], skip_special_tokens=False
    )
    assert kept == "There was a king.<end_of_turn>He\nslept.<end_of_turn>"


def test_packing_keeps_every_conversation_that_fits() -> None:
    random = Random(1)
    samples = [([9] * size, [1] * size) for size in (random.randint(1, 40) for _ in range(50))]
    rows = list(pack_chats([*samples, ([9] * 41, [1] * 41)], 40))
    assert {len(ids) for ids, _ in rows} == {len(mask) for _, mask in rows} == {40}
    assert sum(sum(mask) for _, mask in rows) == sum(len(ids) for ids, _ in samples)


def test_a_missing_folder_is_named_with_the_format(tmp_path: Path) -> None:
    with pytest.raises(BadTrainingInput, match=r"nowhere.*train\.txt\.gz.*paragraph"):
        read_stories(tmp_path / "nowhere", "train")


@pytest.mark.parametrize("content", [b"not gzip at all", gzip.compress(b"\xff\xfe\xfa", mtime=0)])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "train.txt.gz").write_bytes(content)
    with pytest.raises(BadTrainingInput, match=r"train\.txt\.gz"):
        read_stories(tmp_path, "train")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.txt.gz").write_bytes(gzip.compress(b"\n\n", mtime=0))
    with pytest.raises(BadTrainingInput, match="no text"):
        read_stories(tmp_path, "train")


def test_tokens_of_other_settings_are_not_reused(data_folder: Path, tmp_path: Path) -> None:
    prepare_corpus(data_folder, tmp_path, TOY, lambda text: None)
    with pytest.raises(BadTrainingInput, match="new folder"):
        prepare_corpus(data_folder, tmp_path, toy(vocabulary_size=300), lambda text: None)


def test_too_little_text_is_refused(prepared: Prepared) -> None:
    corpus = prepared[1]
    short = Corpus(corpus.train[:100], corpus.valid, corpus.chat_tokens, corpus.chat_mask)
    with pytest.raises(BadTrainingInput, match="100 tokens"):
        rows_of_step(short, 0, TOY)
