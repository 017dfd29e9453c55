"""Seeded toy stories and tiny settings for the tests of the training.

Does: make texts and a model small enough that a run takes a second.
Does not know: the tests.
"""

from __future__ import annotations

import dataclasses
import gzip
from pathlib import Path
from random import Random

from testbed.training.settings import TrainingSettings

PEOPLE = ("an old fisherman", "a king", "a little girl", "a soldier", "a miller", "a wise queen")
PLACES = ("by the sea", "in a dark forest", "in a great castle", "on a hill", "near the river")
DEEDS = (
    "found a ring",
    "saw a ghost",
    "lost the way",
    "heard a song",
    "met a bear",
    "built a ship",
)
TOY = TrainingSettings(
    vocabulary_size=320,
    hidden_size=32,
    layer_count=4,
    head_count=2,
    key_value_head_count=1,
    head_size=16,
    mlp_size=48,
    sliding_window=24,
    maximum_positions=256,
    sequence_length=64,
    rows_per_step=4,
    rows_per_pass=2,
    chat_rows_per_step=1,
    muon_learning_rate=1e-2,
    adamw_learning_rate=1e-2,
    warmup_steps=2,
    steps=6,
    cooldown_steps=2,
)


def toy_story(random: Random, sentences: int) -> str:
    """A story of a few paragraphs."""
    lines: list[str] = []
    for _ in range(sentences // 3):
        person = random.choice(PEOPLE)
        lines.append(
            f"There was {person} {random.choice(PLACES)}. One day {person}"
            f' {random.choice(DEEDS)}. "What is this?" said {person}.'
        )
    return "\n".join(lines)


def write_toy_data(folder: Path, seed: int = 5) -> Path:
    """A data folder as the program expects it."""
    folder.mkdir(parents=True, exist_ok=True)
    random = Random(seed)
    for name, count in (("train", 20), ("valid", 3)):
        text = "\n\n".join(toy_story(random, 30) for _ in range(count)) + "\n"
        with gzip.open(folder / f"{name}.txt.gz", "wt", encoding="utf-8") as stream:
            stream.write(text)
    return folder


def toy(**changes: int) -> TrainingSettings:
    """The tiny settings with changes."""
    return dataclasses.replace(TOY, **changes)
