"""Perplexity and sample texts of a finished model, as transformers runs it.

Does: score every token of the validation stories with a sliding context; write seeded answers to
chat prompts.
Does not know: training, files, how the model was made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor
from transformers import Gemma3ForCausalLM, PreTrainedTokenizerBase

IGNORED_TARGET = -100
WINDOWS_PER_PASS = 8  # windows per forward pass
SAMPLE_TEMPERATURE = 0.75  # of the sampling
SAMPLE_TOP_P = 0.95  # probability mass that sampling keeps
SAMPLE_TOKENS = 220  # tokens at most
SAMPLE_PROMPTS = (
    "Once upon a time there was an old fisherman",
    "Tell me a story about a king.",
    "Tell me a story.",
    "Go on: The ship had been three days out of port when the storm came.",
)


@dataclass(frozen=True)
class Score:
    """How well a model predicts a text."""

    nats: float  # summed over all scored tokens
    tokens: int  # scored tokens
    words: int  # words between white space
    text_bytes: int  # bytes of UTF-8

    @property
    def loss(self) -> float:
        """Nats per token."""
        return self.nats / self.tokens

    @property
    def token_perplexity(self) -> float:
        """Perplexity per token."""
        return math.exp(self.loss)

    @property
    def word_perplexity(self) -> float:
        """Perplexity per word between white space."""
        return math.exp(self.nats / self.words)

    @property
    def bits_per_byte(self) -> float:
        """Bits per byte of the text."""
        return self.nats / math.log(2) / self.text_bytes


@dataclass(frozen=True)
class Sample:
    """One answer of the model."""

    prompt: str
    seed: int
    text: str
    stopped: bool  # whether it ended by itself


def scoring_windows(ids: list[int], length: int, stride: int) -> Iterator[tuple[list[int], int]]:
    """Windows (length tokens and the one after) and how many of their last tokens each scores."""
    done = 1
    start = 0
    while done < len(ids):
        end = min(len(ids), start + length + 1)
        yield ids[start:end], end - done
        done = end
        start += stride


@torch.no_grad()
def score_stories(
    model: Gemma3ForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    stories: list[str],
    length: int,
    stride: int,
) -> Score:
    """Every token after bos, eos included; each sees at least length - stride tokens if any."""
    eos, pad = int(tokenizer.eos_token_id), int(tokenizer.pad_token_id)
    windows: list[tuple[list[int], int]] = []
    for story in stories:
        windows += scoring_windows([*tokenizer.encode(story, verbose=False), eos], length, stride)
    windows.sort(key=lambda window: len(window[0]))
    total = 0.0
    for first in range(0, len(windows), WINDOWS_PER_PASS):
        inputs, targets = _batch(windows[first : first + WINDOWS_PER_PASS], pad)
        logits = model(input_ids=inputs.to(model.device)).logits.float().flatten(0, 1)
        wanted = targets.flatten().to(model.device)
        losses = functional.cross_entropy(
            logits, wanted, ignore_index=IGNORED_TARGET, reduction="sum"
        )
        total += float(losses)
    return Score(
        nats=total,
        tokens=sum(scored for _, scored in windows),
        words=sum(len(story.split()) for story in stories),
        text_bytes=sum(len(story.encode("utf-8")) for story in stories),
    )


def _batch(windows: list[tuple[list[int], int]], pad: int) -> tuple[Tensor, Tensor]:
    """Inputs padded on the right (causal, so padding changes nothing) and their targets."""
    width = max(len(ids) for ids, _ in windows) - 1
    inputs = torch.full((len(windows), width), pad)
    targets = torch.full((len(windows), width), IGNORED_TARGET)
    for row, (ids, scored) in enumerate(windows):
        inputs[row, : len(ids) - 1] = torch.tensor(ids[:-1])
        targets[row, len(ids) - 1 - scored : len(ids) - 1] = torch.tensor(ids[-scored:])
    return inputs, targets


@torch.no_grad()
def write_samples(
    model: Gemma3ForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    prompts: tuple[str, ...],
    seed: int,
) -> list[Sample]:
    """One seeded answer to each prompt, through the chat template."""
    samples = []
    for prompt in prompts:
        messages = [{"role": "user", "content": prompt}]
        text = str(
            tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        )
        encoded = tokenizer(text, add_special_tokens=False, return_tensors="pt").to(model.device)
        torch.manual_seed(seed)
        output = model.generate(  # type: ignore[misc]  # its self type names a mixin
            **encoded,
            do_sample=True,
            temperature=SAMPLE_TEMPERATURE,
            top_p=SAMPLE_TOP_P,
            top_k=0,
            max_new_tokens=SAMPLE_TOKENS,
        )
        new = output[0, encoded["input_ids"].shape[1] :]
        answer = str(tokenizer.decode(new, skip_special_tokens=True))
        samples.append(Sample(prompt, seed, answer, len(new) < SAMPLE_TOKENS))
    return samples
