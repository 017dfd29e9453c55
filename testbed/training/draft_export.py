"""The folder an exit head ships in, and how well it foretells its model.

Does: write the trained layers and the norm (bfloat16), what they belong to, and a card with
measurements of the weights as written.
Does not know: the training loop, the command line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
from safetensors.torch import save_file
from transformers import Gemma3ForCausalLM

from edge_server.engine.exit_note import EXIT_NAME, ExitNote
from testbed.training.checkpoint import History
from testbed.training.draft_settings import DraftSettings

CARD_NAME = "MODEL_CARD.md"


@dataclass(frozen=True)
class Foresight:
    """How well an exit head foretells its model, over the positions of a text."""

    positions: int
    same: float  # share at which both find the same token likeliest
    overlap: float  # mean of the probability that both distributions share
    divergence: float  # mean Kullback-Leibler divergence, nats


@dataclass(frozen=True)
class DraftFacts:
    """What the card states beyond the settings."""

    identity: str  # of the model
    parameters: int  # that are shipped
    weights_bytes: int
    story_rows: int  # of the training
    own_rows: int
    steps: int
    seconds: float  # of training
    threads: int
    command: str
    stories: Foresight  # on validation stories
    own: Foresight  # on what the model writes after openings of theirs


def write_exit(
    student: Gemma3ForCausalLM, identity: str, settings: DraftSettings, folder: Path
) -> None:
    """Weights and note; the student then has the weights as they were written."""
    folder.mkdir(parents=True, exist_ok=True)
    trained = tuple(f"model.layers.{index}." for index in range(
        settings.after, student.config.num_hidden_layers))
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.copy_(parameter.to(torch.bfloat16))
    tensors = {name: value.detach().to(torch.bfloat16).contiguous()
               for name, value in student.state_dict().items()
               if name.startswith(trained) or name == "model.norm.weight"}
    weights = folder / "model.safetensors"
    save_file(tensors, weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # safetensors writes it for the owner alone
    note = ExitNote(identity, settings.after, tuple(student.config.layer_types or ()))
    (folder / EXIT_NAME).write_text(note.to_json(), encoding="utf-8")


@torch.no_grad()
def foresight(
    teacher: Gemma3ForCausalLM, student: Gemma3ForCausalLM, rows: Sequence[Sequence[int]],
    skipped: Sequence[int], temperature: float,
) -> Foresight:
    """Compare both over `rows`, each from its skipped count of tokens on."""
    same, overlap, divergence = [], [], []
    for ids, skip in zip(rows, skipped, strict=True):
        inputs = torch.tensor([list(ids)])
        theirs = teacher(input_ids=inputs).logits[0, skip:].float()
        ours = student(input_ids=inputs).logits[0, skip:].float()
        same += (theirs.argmax(-1) == ours.argmax(-1)).tolist()
        chances = torch.softmax(theirs / temperature, -1)
        guessed = torch.log_softmax(ours / temperature, -1)
        overlap += torch.minimum(chances, guessed.exp()).sum(-1).tolist()
        logs = torch.log_softmax(theirs / temperature, -1)
        divergence += (chances * (logs - guessed)).sum(-1).tolist()
    return Foresight(len(same), float(numpy.mean(same)), float(numpy.mean(overlap)),
                     float(numpy.mean(divergence)))


def write_card(settings: DraftSettings, facts: DraftFacts, history: History, folder: Path) -> None:
    """The card, as Markdown."""
    last = [loss for _, loss in history.train[-50:]]
    (folder / CARD_NAME).write_text(
        _head(settings, facts) + _figures(settings, facts, sum(last) / len(last)),
        encoding="utf-8")


def _head(settings: DraftSettings, facts: DraftFacts) -> str:
    read = facts.steps * settings.rows_per_step * settings.sequence_length
    return f"""---
language: en
license: apache-2.0
---
# An exit head that drafts for the model in the folder above

A phone that has the model's embedding and first {settings.after} layer(s) runs these
{len(settings.sources)} layers after them and guesses the tokens to come (`airsplit ue --speculate
exit`). The edge checks every guess with the whole model, so that the answer is the same, token
for token; a good guess saves a round trip.

It belongs to the model `{facts.identity[:16]}…` and to no other; `{EXIT_NAME}` has the whole hash.

| | |
|---|---|
| Parameters shipped | {facts.parameters:,}; the embedding, also the output, is the model's own |
| Layers | {len(settings.sources)}, which began as the model's layers \
{", ".join(map(str, settings.sources))} |
| Weights | bfloat16, {facts.weights_bytes / 1e6:.1f} MB |

## Training

It learned to have the model's own distribution (Kullback-Leibler divergence at temperature
{settings.temperature:g}, at every position), on two kinds of rows by halves: {facts.story_rows:,}
rows of the model's training stories, and {facts.own_rows:,} rows of texts that the model itself
wrote after openings and questions cut from them, greedily and at temperatures 0.8 and 1. All
stories are in the public domain, as the model's card says; the licence is the model's.

| | |
|---|---|
| Tokens read | {read / 1e6:.1f} million in {facts.steps} steps |
| Optimisers | Muon (matrices, {settings.muon_learning_rate:g}), AdamW (norms, \
{settings.adamw_learning_rate:g}) |
| Schedule | warm-up {settings.warmup_steps} steps, linear cool-down over the last \
{settings.cooldown_steps} |
| Seed | {settings.seed} |
| Machine | cpu, {facts.threads} thread(s), {facts.seconds / 60:.0f} minutes of wall time, shared \
with other work |
"""


def _figures(settings: DraftSettings, facts: DraftFacts, loss: float) -> str:
    lines = "\n".join(
        f"| {name} | {seen.positions:,} | {seen.same:.1%} | {seen.overlap:.1%} | "
        f"{seen.divergence:.3f} |"
        for name, seen in (("validation stories", facts.stories),
                           ("what the model writes after their openings", facts.own)))
    return f"""
## How well it guesses

Weights as shipped, in float32 by `transformers`. The share of positions at which both find the
same token likeliest, the probability both distributions share, and their divergence in nats, the
last two at temperature {settings.temperature:g}; each token given the true ones before it. The
divergence over the last steps of the training was {loss:.3f}.

| On | Positions | Same token | Shared probability | Divergence |
|---|---|---|---|---|
{lines}

What that brings over a link is what `python -m tests.benchmarks.bench_speculate` measures.

## Reproduce

```
{facts.command} --steps {facts.steps} \\
    --cooldown-steps {settings.cooldown_steps} --seed {settings.seed}
```

FOLDER holds `train.txt.gz` and `valid.txt.gz` (UTF-8 text, one paragraph a line, a blank line
between stories). Rows and their order depend on the seed alone; the weights, in their last bits,
on machine and library versions.
"""
