"""Settings of a draft model's training: one frozen dataclass.

Does: hold every number of the exit head, of the rows it learns from and of the schedule, and turn
them into the settings that the training's other modules read.
Does not know: files, tensors, the command line.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from testbed.training.errors import BadTrainingInput
from testbed.training.settings import TrainingSettings


@dataclass(frozen=True)
class DraftSettings:
    """What is trained and how. Every field except the step counts fixes the run."""

    after: int = 1  # layers of the model that run before the exit; the phone holds them anyway
    sources: tuple[int, ...] = (3, 7)  # layers of the model that the exit's layers begin as
    temperature: float = 0.8  # at which both distributions are compared
    story_limit: int = 300  # stories of the training text
    own_rows: int = 4000  # texts that the model itself goes on with
    own_tokens: int = 160  # longest of them, without what they begin with
    sequence_length: int = 512  # tokens per training row
    rows_per_step: int = 8  # rows per optimiser step, half of them the model's own texts
    muon_learning_rate: float = 2.5e-3  # per step, for the layers' matrices
    adamw_learning_rate: float = 2.5e-3  # per step, for the norm scales
    warmup_steps: int = 20  # steps
    seed: int = 17  # fixes the rows and their order
    steps: int = 1200  # steps in all, cool-down included
    cooldown_steps: int = 400  # last steps, over which the learning rate falls to zero

    def identity(self) -> dict[str, Any]:
        """The fields that must stay the same when a run is resumed."""
        values = asdict(self)
        del values["steps"], values["cooldown_steps"]
        return values | {"sources": list(self.sources)}  # as it comes back from a file

    def training(self, hidden_size: int) -> TrainingSettings:
        """The same for the training's other modules."""
        return TrainingSettings(
            hidden_size=hidden_size,
            layer_count=self.after + len(self.sources),
            sequence_length=self.sequence_length,
            rows_per_step=self.rows_per_step,
            rows_per_pass=self.rows_per_step,
            story_limit=self.story_limit,
            chat_rows_per_step=0,
            muon_learning_rate=self.muon_learning_rate,
            adamw_learning_rate=self.adamw_learning_rate,
            warmup_steps=self.warmup_steps,
            seed=self.seed,
            steps=self.steps,
            cooldown_steps=self.cooldown_steps,
        )


def check_draft_settings(settings: DraftSettings, layers: int) -> None:
    """Refuse settings that cannot work with a model of so many layers."""
    if settings.steps < 1:
        raise BadTrainingInput(f"--steps is {settings.steps}; give 1 or more.")
    if not 0 <= settings.cooldown_steps <= settings.steps:
        raise BadTrainingInput(
            f"--cooldown-steps is {settings.cooldown_steps}, outside 0 to --steps"
            f" ({settings.steps}); choose a value in between."
        )
    if not 1 <= settings.after < layers:
        raise BadTrainingInput(
            f"--after is {settings.after}; the model has {layers} layers, so give 1 to"
            f" {layers - 1}."
        )
    wrong = [source for source in settings.sources if not 0 <= source < layers]
    if wrong or not settings.sources:
        raise BadTrainingInput(
            f"--sources names {wrong or 'no layer'}; give layers from 0 to {layers - 1}, such as"
            f" 3,{layers - 1}."
        )
