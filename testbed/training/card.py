"""The text of the model card.

Does: say in Markdown what the model is, what it learned from, how good it is and what it cannot.
Does not know: how the numbers came about, files.
"""

from __future__ import annotations

from dataclasses import dataclass

from testbed.training.evaluate import (
    SAMPLE_TEMPERATURE,
    SAMPLE_TOKENS,
    SAMPLE_TOP_P,
    Sample,
    Score,
)
from testbed.training.settings import TrainingSettings


@dataclass(frozen=True)
class CardFacts:
    """Everything the card states beyond the settings."""

    parameters: int
    train_stories: int
    train_bytes: int  # bytes of UTF-8
    valid_stories: int
    weights_bytes: int  # bytes of model.safetensors
    train_tokens: int  # tokens of the training text, once through
    vocabulary_size: int  # tokens
    steps: int  # steps finished
    training_seconds: float  # seconds of wall time spent training
    device: str
    threads: int
    score: Score
    stride: int  # tokens
    samples: list[Sample]
    cooldown_steps: int  # steps
    command: str


def card_text(settings: TrainingSettings, facts: CardFacts) -> str:
    """The whole card."""
    sections = (
        _header(),
        _architecture(settings, facts),
        _training(settings, facts),
        _quality(settings, facts),
        _samples(facts),
        _limits(settings),
        _reproduce(settings, facts),
    )
    return "\n".join(sections)


def _header() -> str:
    return """---
language: en
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
---
# story-gemma3: a small Gemma-3-architecture model that tells old stories

Trained from nothing on public-domain English stories, so that the project says something out of
the box without any download. It uses Gemma 3's architecture as `transformers` implements it
(`Gemma3ForCausalLM`) and Gemma's form of chat template; it contains no weights, no tokenizer and
no output of Google's Gemma models.

It continues an opening ("Once upon a time there was an old fisherman") or answers a request
("Tell me a story about a king.") with a few sentences, then stops with `<end_of_turn>`.
"""


def _architecture(settings: TrainingSettings, facts: CardFacts) -> str:
    every = settings.full_attention_every
    return f"""## Architecture

| | |
|---|---|
| Parameters | {facts.parameters:,} (embedding tied with the output) |
| Layers | {settings.layer_count}; every {every}th has full attention, the others slide |
| Hidden size, MLP size | {settings.hidden_size}, {settings.mlp_size} |
| Query heads, key/value heads, head size | {settings.head_count}, \
{settings.key_value_head_count}, {settings.head_size} |
| Sliding window | {settings.sliding_window} tokens |
| Tokenizer | byte-level BPE, {facts.vocabulary_size} tokens, learned from the training text |
| Special tokens | `<pad>` 0, `<eos>` 1, `<bos>` 2, `<unk>` 3, `<start_of_turn>` 4, \
`<end_of_turn>` 5 |
| Weights | bfloat16, {facts.weights_bytes / 1e6:.1f} MB |
"""


def _training(settings: TrainingSettings, facts: CardFacts) -> str:
    read = facts.steps * settings.tokens_per_step()
    plain = settings.rows_per_step - settings.chat_rows_per_step
    epochs = read * plain / settings.rows_per_step / facts.train_tokens
    share = settings.chat_rows_per_step / settings.rows_per_step
    return f"""## Data and licence

{facts.train_stories:,} English stories in the public domain ({facts.train_bytes / 1e6:.1f} MB):
Project Gutenberg texts as collected in LCATS (Literary Captain's Advisory Tool System; MIT
licence). {facts.valid_stories} further ones ({facts.score.text_bytes / 1e6:.1f} MB) are held out
for validation. The weights are under the licence of this project (Apache-2.0).

{share:.0%} of the training rows are chats cut from the same stories: an opening of one or two
sentences (some broken off mid-sentence, some behind a request, some replaced by a request for a
story on a topic named in it) is the user's turn, the following two to six sentences are the
model's. Only the model's turns count in the loss there; in the other rows, plain text, all does.

## Training

| | |
|---|---|
| Tokens read | {read / 1e6:.1f} million in {facts.steps} steps of {settings.tokens_per_step():,}; \
the plain text {epochs:.2f} times through |
| Row length | {settings.sequence_length} tokens |
| Optimisers | Muon (hidden matrices, learning rate {settings.muon_learning_rate:g}), AdamW \
(embedding and norms, {settings.adamw_learning_rate:g}) |
| Schedule | warm-up {settings.warmup_steps} steps, stable, linear cool-down over the last \
{facts.cooldown_steps} steps |
| Seed | {settings.seed} |
| Machine | {facts.device}, {facts.threads} threads, {facts.training_seconds / 60:.0f} minutes \
of wall time in all |

![Loss over tokens](training_curve.png)
"""


def _quality(settings: TrainingSettings, facts: CardFacts) -> str:
    score = facts.score
    return f"""## Quality

Measured on the {facts.valid_stories} validation stories with the weights as shipped (bfloat16
values, computed in float32 by `transformers`). Each story is encoded as `<bos>` text `<eos>`;
every token after `<bos>` is scored once, {score.tokens:,} tokens in all. A window of
{settings.sequence_length} tokens moves on by {facts.stride} tokens, and each window scores only
the tokens no earlier window has scored; so every token sees at least
{settings.sequence_length - facts.stride} tokens before it, where the story has them.

| Measure | Value |
|---|---|
| Loss | {score.loss:.4f} nats per token |
| Perplexity per token | **{score.token_perplexity:.2f}** |
| Perplexity per word (white space; {score.words:,} words) | {score.word_perplexity:.1f} |
| Bits per byte ({score.text_bytes:,} bytes of UTF-8) | {score.bits_per_byte:.4f} |
"""


def _samples(facts: CardFacts) -> str:
    parts = [
        f"""## Samples

First answers, not chosen: temperature {SAMPLE_TEMPERATURE:g}, top-p {SAMPLE_TOP_P:g}, seed
{facts.samples[0].seed if facts.samples else 0}, at most {SAMPLE_TOKENS} tokens.
"""
    ]
    for sample in facts.samples:
        quoted = "\n> ".join(sample.text.strip().split("\n"))
        end = "stopped by itself" if sample.stopped else f"cut at {SAMPLE_TOKENS} tokens"
        parts.append(f"**{sample.prompt}** ({end})\n\n> {quoted}\n")
    return "\n".join(parts)


def _limits(settings: TrainingSettings) -> str:
    return f"""## Limits

- It imitates the tone of old stories; it knows no facts, follows no other instructions and loses
  the thread within a few sentences. It need not keep to the request, names and persons change.
- It has learned from texts of the 19th century and the first half of the 20th and repeats their
  language and prejudices. Nothing was filtered, and it has had no safety training.
- English only. Rows in training were {settings.sequence_length} tokens long; up to
  {settings.maximum_positions} positions are declared, and beyond {settings.sequence_length} it
  merely extrapolates.
- The training also runs on a CUDA GPU when one is present, but this was never tested there.
"""


def _reproduce(settings: TrainingSettings, facts: CardFacts) -> str:
    return f"""## Reproduce

```
{facts.command} --steps {facts.steps} \\
    --cooldown-steps {facts.cooldown_steps} --seed {settings.seed} --export MODEL
```

with FOLDER holding `train.txt.gz` and `valid.txt.gz` (UTF-8 text, one paragraph a line, a blank
line between stories). The data order depends on seed and step only; the weights themselves
depend, in their last bits and so in the course of the training, on machine and library versions.
"""
