"""Settings of the demo model's training: one frozen dataclass, and the learning-rate schedule.

Does: hold every number of the model, the data mix and the optimiser with its unit, and say
which of them fix a run (a checkpoint resumes only under the same ones).
Does not know: files, tensors, the command line.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from testbed.training.errors import BadTrainingInput


@dataclass(frozen=True)
class TrainingSettings:
    """What is trained and how. Every field except the step counts fixes the run."""

    vocabulary_size: int = 4096  # tokens, special tokens included
    hidden_size: int = 256  # features
    layer_count: int = 8  # layers
    head_count: int = 4  # query heads
    key_value_head_count: int = 1  # key and value heads
    head_size: int = 64  # features per head
    mlp_size: int = 768  # features
    full_attention_every: int = 4  # layers; every so many-th sees everything, the others a window
    sliding_window: int = 256  # tokens
    maximum_positions: int = 2048  # tokens; declared in config.json (trained on sequence_length)
    sequence_length: int = 512  # tokens per training row
    rows_per_step: int = 16  # rows per optimiser step
    rows_per_pass: int = 16  # rows per forward pass; several passes make up one step
    story_limit: int = 0  # stories of the training text; 0 takes all
    chat_rows_per_step: int = 4  # rows of rows_per_step that hold chat samples
    muon_learning_rate: float = 2.5e-3  # per step, for hidden matrices (scaled to AdamW's RMS)
    adamw_learning_rate: float = 2.5e-3  # per step, for the embedding and the norm scales
    weight_decay: float = 0.1  # fraction of the learning rate, matrices only
    gradient_clip: float = 1.0  # largest gradient norm of the AdamW parameters
    warmup_steps: int = 100  # steps
    seed: int = 17  # any integer; fixes initial weights and data order
    steps: int = 3200  # steps in all, cool-down included
    cooldown_steps: int = 900  # last steps, over which the learning rate falls to zero

    def identity(self) -> dict[str, Any]:
        """The fields that must stay the same when a run is resumed."""
        fields = asdict(self)
        for changeable in ("steps", "cooldown_steps", "rows_per_pass"):
            del fields[changeable]
        return fields

    def tokens_per_step(self) -> int:
        """Tokens that one optimiser step reads."""
        return self.rows_per_step * self.sequence_length


QUICK_CHANGES: dict[str, int] = {
    "hidden_size": 64,
    "layer_count": 8,
    "head_count": 2,
    "head_size": 32,
    "mlp_size": 128,
    "vocabulary_size": 1024,
    "sequence_length": 128,
    "sliding_window": 64,
    "rows_per_step": 8,
    "rows_per_pass": 8,
    "chat_rows_per_step": 2,
    "warmup_steps": 5,
    "story_limit": 40,
    "steps": 60,
    "cooldown_steps": 20,
}


def check_settings(settings: TrainingSettings) -> None:
    """Refuse settings that cannot work, naming the field and the remedy."""
    if settings.steps < 0:
        raise BadTrainingInput(f"--steps is {settings.steps}; give 0 (train nothing) or more.")
    if not 0 <= settings.cooldown_steps <= settings.steps:
        raise BadTrainingInput(
            f"--cooldown-steps is {settings.cooldown_steps}, outside 0 to --steps"
            f" ({settings.steps}); choose a value in between."
        )
    if settings.rows_per_step % settings.rows_per_pass:
        raise BadTrainingInput(
            f"rows_per_step {settings.rows_per_step} is not a multiple of rows_per_pass"
            f" {settings.rows_per_pass}; choose a divisor."
        )
    if not 0 <= settings.chat_rows_per_step < settings.rows_per_step:
        raise BadTrainingInput(
            f"chat_rows_per_step {settings.chat_rows_per_step} must be at least 0 and below"
            f" rows_per_step {settings.rows_per_step}."
        )


def learning_rate_factor(step: int, settings: TrainingSettings) -> float:
    """Warm-up, stable, cool-down: the factor (0 to 1) on the learning rates at a step from 0."""
    warmup = min(1.0, (step + 1) / max(1, settings.warmup_steps))
    left = settings.steps - step
    if settings.cooldown_steps and left < settings.cooldown_steps:
        return min(warmup, max(0.0, left / settings.cooldown_steps))
    return warmup
