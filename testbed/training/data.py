"""Story texts as token arrays on disk, and the rows of every training step.

Does: read {train,valid}.txt.gz, write memory-mappable .npy arrays (plain text; chat samples with
their loss mask), and give the rows of a step as a pure function of seed and step.
Does not know: the model, the optimiser.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random

import numpy
from numpy.typing import NDArray
from tokenizers import Tokenizer

from testbed.training.chats import Turn, cut_chats
from testbed.training.errors import BadTrainingInput
from testbed.training.settings import TrainingSettings
from testbed.training.tokenizer import (
    BOS_ID,
    END_OF_TURN_ID,
    EOS_ID,
    PAD_ID,
    START_OF_TURN_ID,
    load_tokenizer,
    train_tokenizer,
)

Tokens = NDArray[numpy.uint16]
Mask = NDArray[numpy.uint8]
Notice = Callable[[str], None]
STORIES_PER_BATCH = 64


@dataclass(frozen=True)
class Corpus:
    """Tokenised data: two token streams, and chat rows with the mask of trained targets."""

    train: Tokens
    valid: Tokens
    chat_tokens: Tokens  # rows x (sequence_length + 1)
    chat_mask: Mask  # same shape; 1 where the token is to be predicted


def data_path(folder: Path, name: str) -> Path:
    """One of the two data files."""
    path = folder / f"{name}.txt.gz"
    if not path.is_file():
        raise BadTrainingInput(
            f"No {path}. Give --data a folder with train.txt.gz and valid.txt.gz: UTF-8 text, one"
            " paragraph a line, a blank line between stories."
        )
    return path


def read_stories(folder: Path, name: str) -> list[str]:
    """The stories of one file: a paragraph per line, a blank line between stories."""
    path = data_path(folder, name)
    try:
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            text = stream.read()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise BadTrainingInput(
            f"{path} is not UTF-8 text packed with gzip ({error}); pack it anew."
        ) from error
    stories = [story for part in text.split("\n\n") if (story := part.strip("\n"))]
    if not stories:
        raise BadTrainingInput(f"{path} holds no text; give a file with at least one story.")
    return stories


def chosen_stories(folder: Path, settings: TrainingSettings) -> list[str]:
    """The stories that are trained on."""
    return read_stories(folder, "train")[: settings.story_limit or None]


def encode_stories(tokenizer: Tokenizer, stories: list[str]) -> Tokens:
    """One stream: bos, the story, eos, for every story."""
    pieces: list[Tokens] = []
    for start in range(0, len(stories), STORIES_PER_BATCH):
        batch = tokenizer.encode_batch(stories[start : start + STORIES_PER_BATCH])
        pieces.extend(numpy.array([*item.ids, EOS_ID], dtype=numpy.uint16) for item in batch)
    return numpy.concatenate(pieces)


def encode_chat(tokenizer: Tokenizer, turns: list[Turn]) -> tuple[list[int], list[int]]:
    """Token ids of a conversation as the chat template writes it, and the mask of trained ones."""
    texts = [part for turn in turns for part in (f"user\n{turn.user}", "model\n", turn.model, "\n")]
    encoded = tokenizer.encode_batch(texts, add_special_tokens=False)
    ids, mask = [BOS_ID], [0]
    for index in range(0, len(encoded), 4):
        user, role, reply, newline = (item.ids for item in encoded[index : index + 4])
        prompt = [START_OF_TURN_ID, *user, END_OF_TURN_ID, *newline, START_OF_TURN_ID, *role]
        answer = [*reply, END_OF_TURN_ID]
        ids += [*prompt, *answer, *newline]
        mask += [*([0] * len(prompt)), *([1] * len(answer)), *([0] * len(newline))]
    return ids, mask


def pack_chats(
    samples: Iterable[tuple[list[int], list[int]]], width: int
) -> Iterator[tuple[list[int], list[int]]]:
    """Rows of whole conversations, padded to the width; longer conversations are left out."""
    ids: list[int] = []
    mask: list[int] = []
    for sample_ids, sample_mask in samples:
        if len(sample_ids) > width:
            continue
        if len(ids) + len(sample_ids) > width:
            yield ids + [PAD_ID] * (width - len(ids)), mask + [0] * (width - len(mask))
            ids, mask = [], []
        ids, mask = ids + sample_ids, mask + sample_mask
    if ids:
        yield ids + [PAD_ID] * (width - len(ids)), mask + [0] * (width - len(mask))


def encode_chats(
    tokenizer: Tokenizer, stories: list[str], width: int, seed: int
) -> tuple[Tokens, Mask]:
    """Chat rows cut once through all stories."""
    random = Random(seed)
    samples = (
        encode_chat(tokenizer, turns) for story in stories for turns in cut_chats(story, random)
    )
    rows = list(pack_chats(samples, width))
    tokens = numpy.array([ids for ids, _ in rows], dtype=numpy.uint16)
    return tokens.reshape(-1, width), numpy.array(
        [mask for _, mask in rows], dtype=numpy.uint8
    ).reshape(-1, width)


def save_array(path: Path, array: NDArray[numpy.generic]) -> None:
    """Write an array so that the file exists complete or not at all."""
    part = path.with_suffix(".part")
    with part.open("wb") as stream:
        numpy.save(stream, array)
    os.replace(part, path)


def prepare_corpus(
    data: Path, cache: Path, settings: TrainingSettings, notice: Notice
) -> tuple[Tokenizer, Corpus]:
    """Tokenizer and token arrays, made on the first call and memory-mapped from then on."""
    cache.mkdir(parents=True, exist_ok=True)
    made_from = {
        "vocabulary_size": settings.vocabulary_size,
        "sequence_length": settings.sequence_length,
        "seed": settings.seed,
        "story_limit": settings.story_limit,
        "packed_bytes": [data_path(data, name).stat().st_size for name in ("train", "valid")],
    }
    marker = cache / "made_from.json"
    if not marker.is_file():
        _write_corpus(data, cache, settings, notice)
        part = marker.with_suffix(".part")
        part.write_text(json.dumps(made_from))
        os.replace(part, marker)
    elif json.loads(marker.read_text()) != made_from:
        raise BadTrainingInput(
            f"{cache} was made from {marker.read_text()}, not {json.dumps(made_from)}; give the"
            " same data and settings, or a new folder as --out."
        )
    names = ("train", "valid", "chat_tokens", "chat_mask")
    arrays = [numpy.load(cache / f"{name}.npy", mmap_mode="r") for name in names]
    return load_tokenizer(cache / "tokenizer.json"), Corpus(*arrays)


def _write_corpus(data: Path, cache: Path, settings: TrainingSettings, notice: Notice) -> None:
    train, valid = chosen_stories(data, settings), read_stories(data, "valid")
    notice(f"Training a tokenizer of {settings.vocabulary_size} tokens ...")
    tokenizer = train_tokenizer(
        (line for story in train for line in story.split("\n")), settings.vocabulary_size
    )
    tokenizer.save(str(cache / "tokenizer.json"))
    notice("Encoding the stories ...")
    save_array(cache / "train.npy", encode_stories(tokenizer, train))
    save_array(cache / "valid.npy", encode_stories(tokenizer, valid))
    notice("Cutting chat samples ...")
    width = settings.sequence_length + 1
    tokens, mask = encode_chats(tokenizer, train, width, settings.seed)
    save_array(cache / "chat_tokens.npy", tokens)
    save_array(cache / "chat_mask.npy", mask)


@lru_cache(maxsize=8)
def _order(seed: int, kind: int, epoch: int, count: int) -> NDArray[numpy.int64]:
    return numpy.random.default_rng((seed, kind, epoch)).permutation(count)


def _plain_row(corpus: Corpus, index: int, settings: TrainingSettings) -> Tokens:
    length = settings.sequence_length
    per_epoch = (len(corpus.train) - 1) // length - 1
    if per_epoch < 1:
        raise BadTrainingInput(
            f"The training text has {len(corpus.train)} tokens, fewer than two rows of {length};"
            " give more text."
        )
    epoch, place = divmod(index, per_epoch)
    shift = int(numpy.random.default_rng((settings.seed, 2, epoch)).integers(length))
    start = int(_order(settings.seed, 0, epoch, per_epoch)[place]) * length + shift
    return corpus.train[start : start + length + 1]


def rows_of_step(
    corpus: Corpus, step: int, settings: TrainingSettings
) -> tuple[NDArray[numpy.int64], NDArray[numpy.int64]]:
    """Inputs and targets (-100 where no loss counts) of a step; depends on seed and step only."""
    chat_count = settings.chat_rows_per_step if len(corpus.chat_tokens) else 0
    plain_count = settings.rows_per_step - chat_count
    rows = [
        _plain_row(corpus, step * plain_count + number, settings).astype(numpy.int64)
        for number in range(plain_count)
    ]
    targets = [row[1:] for row in rows]
    for number in range(chat_count):
        epoch, place = divmod(step * chat_count + number, len(corpus.chat_tokens))
        index = int(_order(settings.seed, 1, epoch, len(corpus.chat_tokens))[place])
        row = corpus.chat_tokens[index].astype(numpy.int64)
        rows.append(row)
        targets.append(numpy.where(corpus.chat_mask[index][1:] == 1, row[1:], -100))
    order = numpy.random.default_rng((settings.seed, 3, step)).permutation(len(rows))
    inputs = numpy.stack([row[:-1] for row in rows])[order]
    return inputs, numpy.stack(targets)[order]
