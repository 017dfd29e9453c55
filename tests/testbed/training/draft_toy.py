"""A tiny model to draft for, and settings with which training for it takes a second.

Does: name them, and make seeded rows.
Does not know: the tests.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import torch
from transformers import Gemma3ForCausalLM

from testbed.training.draft_rows import DraftRows
from testbed.training.draft_settings import DraftSettings
from tests.models import VOCABULARY

DRAFT_TOY = DraftSettings(
    after=1,
    sources=(1, 3),
    story_limit=6,
    own_rows=6,
    own_tokens=8,
    sequence_length=32,
    rows_per_step=4,
    muon_learning_rate=2e-3,
    adamw_learning_rate=2e-3,
    warmup_steps=2,
    steps=6,
    cooldown_steps=2,
)


def draft_toy(**changes: Any) -> DraftSettings:
    """The tiny settings with changes."""
    return dataclasses.replace(DRAFT_TOY, **changes)


def load_teacher(folder: Path) -> Gemma3ForCausalLM:
    """The model of a small checkpoint, in float32."""
    return Gemma3ForCausalLM.from_pretrained(folder, dtype=torch.float32)


def greedy(model: Gemma3ForCausalLM, ids: list[int], count: int, stops: Sequence[int] = ()
           ) -> list[int]:
    """What transformers' own loop goes on with."""
    anyway: Any = model  # its types and transformers' own do not agree
    said = anyway.generate(torch.tensor([ids]), max_new_tokens=count, do_sample=False,
                           eos_token_id=list(stops) or None)
    return [int(token) for token in said[0, len(ids):]]


def random_rows(count: int = 12, seed: int = 3) -> DraftRows:
    """Rows of any ids but the special ones."""
    random = numpy.random.default_rng(seed)
    width = DRAFT_TOY.sequence_length + 1
    stories, own = random.integers(6, VOCABULARY, (2, count, width), dtype=numpy.uint16)
    return DraftRows(stories, own)
