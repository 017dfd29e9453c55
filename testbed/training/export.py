"""The folder a trained model ships in.

Does: write weights (bfloat16), configuration, tokenizer, card and curve; measure the weights as
written.
Does not know: the training loop, the command line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoTokenizer, Gemma3ForCausalLM, GenerationConfig
from transformers.utils.logging import disable_progress_bar

from testbed.training.card import CardFacts, card_text
from testbed.training.checkpoint import History
from testbed.training.curve import draw_curve
from testbed.training.errors import BadTrainingInput
from testbed.training.evaluate import SAMPLE_PROMPTS, score_stories, write_samples
from testbed.training.settings import TrainingSettings
from testbed.training.tokenizer import BOS_ID, END_OF_TURN_ID, EOS_ID, PAD_ID, wrap_tokenizer

SAMPLE_SEED = 1
LARGEST_WEIGHTS = 40_000_000  # bytes


@dataclass(frozen=True)
class Finished:
    """A model at the end of a run."""

    model: Gemma3ForCausalLM
    tokenizer: Tokenizer
    step: int  # finished steps
    history: History
    train_tokens: int  # tokens of the training text


@dataclass(frozen=True)
class Stories:
    """The texts behind a model."""

    train: list[str]
    valid: list[str]


@dataclass(frozen=True)
class Origin:
    """How and where a model was trained."""

    command: str  # the start of the command that makes such a model
    device: str


def generation_config() -> GenerationConfig:
    """Sampling as the model is best used; it stops at the end of its turn."""
    return GenerationConfig(  # type: ignore[no-untyped-call]  # untyped in transformers
        do_sample=True,
        temperature=0.8,
        top_p=0.95,
        top_k=64,
        pad_token_id=PAD_ID,
        bos_token_id=BOS_ID,
        eos_token_id=[EOS_ID, END_OF_TURN_ID],
    )


def write_model(finished: Finished, settings: TrainingSettings, folder: Path) -> None:
    """Weights, configuration and tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    shipped = Gemma3ForCausalLM(finished.model.config)
    shipped.load_state_dict(finished.model.state_dict())
    shipped.to(torch.bfloat16)  # type: ignore[arg-type]  # its wrapper hides self
    shipped.generation_config = generation_config()
    shipped.save_pretrained(folder)
    wrap_tokenizer(finished.tokenizer, settings.maximum_positions).save_pretrained(folder)
    weights = folder / "model.safetensors"
    weights.chmod(0o644)  # safetensors writes it for the owner alone
    size = weights.stat().st_size
    if size > LARGEST_WEIGHTS:
        raise BadTrainingInput(
            f"{weights} has {size / 1e6:.0f} MB, more than the"
            f" {LARGEST_WEIGHTS / 1e6:.0f} MB that ship; train a smaller model."
        )


def write_export(
    finished: Finished,
    settings: TrainingSettings,
    stories: Stories,
    origin: Origin,
    folder: Path,
    notice: Callable[[str], None],
) -> None:
    """The whole folder, its card with measurements of the weights just written."""
    disable_progress_bar()  # type: ignore[no-untyped-call]  # untyped in transformers
    notice(f"Writing the model to {folder} ...")
    write_model(finished, settings, folder)
    draw_curve(finished.history, settings.tokens_per_step(), folder / "training_curve.png")
    model = Gemma3ForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    notice("Measuring its perplexity ...")
    stride = settings.sequence_length // 2
    score = score_stories(model, tokenizer, stories.valid, settings.sequence_length, stride)
    facts = CardFacts(
        parameters=model.num_parameters(),
        weights_bytes=(folder / "model.safetensors").stat().st_size,
        train_stories=len(stories.train),
        train_bytes=sum(len(story.encode("utf-8")) for story in stories.train),
        valid_stories=len(stories.valid),
        train_tokens=finished.train_tokens,
        vocabulary_size=finished.tokenizer.get_vocab_size(),
        steps=finished.step,
        training_seconds=finished.history.seconds,
        device=origin.device,
        threads=torch.get_num_threads(),
        score=score,
        stride=stride,
        samples=write_samples(model, tokenizer, SAMPLE_PROMPTS, SAMPLE_SEED),
        cooldown_steps=finished.history.cooldown_steps,
        command=origin.command,
    )
    (folder / "MODEL_CARD.md").write_text(card_text(settings, facts), encoding="utf-8")
    notice(
        f"Validation: {score.loss:.4f} nats per token, perplexity {score.token_perplexity:.2f}"
        f" per token and {score.word_perplexity:.1f} per word, {score.bits_per_byte:.4f} bits"
        " per byte."
    )
