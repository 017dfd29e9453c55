"""What may change between two answers of an open phone: how its rows are written, what guesses.

`Equipment` makes what that takes when it is first asked for. The last drafter is kept beside what
was learned of it, so that who switches guessing off and on again waits for nothing. It knows no
link: who asks says how many rows that takes at a time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from edge_server.encodings.registry import RAW
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import EngineOptions
from edge_server.errors import ConfigurationError
from edge_server.frame import MAX_DRAFTS
from ue_app.drafts.drafter import Drafter
from ue_app.drafts.pace import AdaptivePace, SteadyPace
from ue_app.drafts.registry import DraftConfig, Surroundings, open_drafter
from ue_app.drafts.speculation import Speculation
from ue_app.encoding import RowEncoder, encoder_for


@dataclass(frozen=True)
class Manner:
    """How answers are to be fetched; the same tokens come, unless the encoding loses something."""

    encoding: str = RAW  # of the rows that are sent; auto chooses
    max_ppl_increase: float | None = None  # percent that choosing may cost in perplexity
    drafts: DraftConfig | None = None  # what guesses tokens; None: nothing does

    def writes_like(self, other: Manner) -> bool:
        """Whether rows are written alike."""
        return (self.encoding, self.max_ppl_increase) == (other.encoding, other.max_ppl_increase)


class Equipment:
    """Encoders and drafters for one phone."""

    def __init__(
        self, checkpoint: Checkpoint, models: tuple[Path, ...], engine: EngineOptions, split: int,
        row_type: torch.dtype, manner: Manner,
    ) -> None:
        """`manner` is the one in use; the phone changes it."""
        self.manner = manner
        self._checkpoint, self._models, self._engine = checkpoint, models, engine
        self._split, self._row_type = split, row_type
        self._drafter: tuple[DraftConfig, Drafter] | None = None  # the last that was opened
        self._speculation: tuple[DraftConfig, int, Speculation] | None = None

    def encoder(self, manner: Manner) -> RowEncoder:
        """What writes rows so."""
        return encoder_for(manner.encoding, manner.max_ppl_increase, self._checkpoint,
                           self._models, self._split, self._row_type, time.perf_counter)

    def drafter(self, config: DraftConfig) -> Drafter:
        """What guesses so, with its layers loaded."""
        if self._drafter is None or self._drafter[0] != config:
            self._drafter = config, open_drafter(
                Surroundings(config, self._models, self._checkpoint, self._engine))
        return self._drafter[1]

    def speculation(self, config: DraftConfig | None, max_rows: int) -> Speculation | None:
        """The same with its pace, where the other side takes `max_rows` in one frame."""
        if config is None:
            return None
        longest = min(config.longest, MAX_DRAFTS, max_rows - 1)
        if longest < 1:
            raise ConfigurationError(
                f"This edge takes {max_rows} row at a time, so no guess can go along.",
                "Switch guessing off, or ask another edge.")
        known = self._speculation
        if known is None or known[:2] != (config, longest):
            pace = SteadyPace(longest) if config.steady else AdaptivePace(longest)
            known = config, longest, Speculation(self.drafter(config), pace, time.monotonic)
            self._speculation = known
        return known[2]
