"""What a draft model learns from: stories, and texts that the model itself goes on with.

Does: let the model continue openings and chats, greedily and sampled, many at a time on the fast
engine; pack them into rows; give the rows of a step as a pure function of seed and step.
Does not know: the draft model, losses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy
import torch
from numpy.typing import NDArray

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import Engine, EngineOptions, open_engine
from edge_server.engine.sampling import Sampler
from edge_server.messages import Sampling
from edge_server.split import LayerRange
from testbed.training.chats import cut_chats
from testbed.training.data import Tokens, encode_chat, encode_stories, pack_chats, read_stories
from testbed.training.draft_settings import DraftSettings
from testbed.training.tokenizer import BOS_ID, END_OF_TURN_ID, EOS_ID, load_tokenizer

TOGETHER = 64  # texts that are written at the same time
OPENING = (8, 48)  # tokens of a story that a text begins with, at least and at most
# A third greedy, as programs ask; the rest as people do, and freer.
TEMPERATURES = (0.0, 0.8, 1.0)
STOPS = frozenset({EOS_ID, END_OF_TURN_ID})
Written = Callable[[int], None]  # told how many texts are done


@dataclass(frozen=True)
class DraftRows:
    """Rows of two kinds, [rows, sequence length + 1]."""

    stories: Tokens
    own: Tokens

    def of_step(self, step: int, settings: DraftSettings) -> NDArray[numpy.int64]:
        """The rows of a step, half of each kind; depends on seed and step only."""
        count = settings.rows_per_step // 2
        kinds = (self.stories, settings.rows_per_step - count), (self.own, count)
        picked = [
            rows[_places(settings.seed, kind, step * number, number, len(rows))]
            for kind, (rows, number) in enumerate(kinds)
        ]
        return numpy.concatenate(picked).astype(numpy.int64)


def _places(seed: int, kind: int, first: int, count: int, total: int) -> list[int]:
    orders = {epoch: numpy.random.default_rng((seed, kind, epoch)).permutation(total)
              for epoch in {index // total for index in range(first, first + count)}}
    return [int(orders[index // total][index % total]) for index in range(first, first + count)]


def prepare_rows(
    data: Path, cache: Path, checkpoint: Checkpoint, settings: DraftSettings, written: Written
) -> DraftRows:
    """The rows, made on the first call and kept in `cache`."""
    cache.mkdir(parents=True, exist_ok=True)
    name = (f"rows-{settings.story_limit}-{settings.own_rows}-{settings.own_tokens}"
            f"-{settings.sequence_length}-{settings.seed}.npz")
    if not (cache / name).is_file():
        width = settings.sequence_length + 1
        tokenizer = load_tokenizer(checkpoint.folder / "tokenizer.json")
        stories = read_stories(data, "train")[: settings.story_limit]
        stream = encode_stories(tokenizer, stories)
        rows = stream[: len(stream) // width * width].reshape(-1, width)
        random = Random(settings.seed)
        chats = [encode_chat(tokenizer, turns) for story in stories[: settings.own_rows]
                 for turns in cut_chats(story, random)]
        prompts = _prompts(stream, chats, settings, random)
        texts = write_texts(checkpoint, prompts, settings, written)
        own = [ids for ids, _ in pack_chats(((text, text) for text in texts), width)]
        part = cache / "rows.part.npz"
        numpy.savez(part, stories=rows, own=numpy.array(own, dtype=numpy.uint16))
        part.replace(cache / name)
    arrays = numpy.load(cache / name)
    return DraftRows(arrays["stories"], arrays["own"])


def _prompts(
    stream: Tokens, chats: Sequence[tuple[list[int], list[int]]], settings: DraftSettings,
    random: Random,
) -> list[list[int]]:
    """Openings of stories and questions of chats by turns: what the model is asked."""
    prompts: list[list[int]] = []
    for index in range(settings.own_rows):
        if index % 2 and chats:
            ids, mask = chats[random.randrange(len(chats))]
            prompts.append(ids[: mask.index(1)])
        else:
            length = random.randint(*OPENING)
            start = random.randrange(max(1, len(stream) - length))
            prompts.append([BOS_ID, *map(int, stream[start : start + length])])
    return prompts


@dataclass
class _Text:
    """One text as it grows."""

    slot: int
    ids: list[int]
    sampler: Sampler
    wanted: int  # tokens in all
    new: list[int] = field(default_factory=list)  # ids that have not been run yet


def write_texts(
    checkpoint: Checkpoint, prompts: Sequence[list[int]], settings: DraftSettings,
    written: Written,
) -> list[list[int]]:
    """Each prompt with what the model goes on with; in the order of the prompts."""
    engine = open_engine(checkpoint, EngineOptions(
        slots=TOGETHER, capacity=settings.sequence_length, threads=torch.get_num_threads()))
    writer = _Writer(engine)
    results: list[list[int]] = [[] for _ in prompts]
    waiting = list(enumerate(prompts))[::-1]
    running: dict[int, _Text] = {}
    free = list(range(TOGETHER))
    while waiting or running:
        while waiting and free:
            number, prompt = waiting.pop()
            prompt = prompt[: settings.sequence_length - settings.own_tokens]
            sampling = Sampling(TEMPERATURES[number % 3], seed=settings.seed + number)
            running[number] = _Text(free.pop(), list(prompt), Sampler(sampling, len(prompt)),
                                    len(prompt) + settings.own_tokens, list(prompt))
        writer.step(list(running.values()))
        for number, text in list(running.items()):
            if text.ids[-1] in STOPS or len(text.ids) >= text.wanted:
                results[number] = text.ids
                free.append(text.slot)
                del running[number]
                written(len(prompts) - len(waiting) - len(running))
    return results


class _Writer:
    """The whole model, one token for many texts at a time."""

    def __init__(self, engine: Engine) -> None:
        self._embedding, self._output = engine.embedding(), engine.output()
        self._stage = engine.stage(LayerRange(0, engine.checkpoint.architecture.layers))

    def step(self, texts: Sequence[_Text]) -> None:
        """One more token for each of `texts`."""
        slots = [text.slot for text in texts for _ in text.new]
        positions = [position for text in texts
                     for position in range(len(text.ids) - len(text.new), len(text.ids))]
        ids = [token for text in texts for token in text.new]
        rows = self._stage.forward(slots, positions, self._embedding.rows(ids))
        ends = numpy.cumsum([len(text.new) for text in texts]) - 1
        for text, logits in zip(texts, self._output.logits(rows[ends]), strict=True):
            token = text.sampler.choose(logits, len(text.ids))
            text.ids.append(token)
            text.new = [token]
