"""Puts the phone side together: model folder, placement, link and conversation."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge_server.encodings.registry import RAW
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.identity import identity_of
from edge_server.engine.load import Engine, EngineOptions, open_engine
from edge_server.engine.parts import held, open_folders
from edge_server.engine.tensors import WIRE_TYPES
from edge_server.errors import ConfigurationError, HashMismatch, SessionError
from edge_server.frame import MAX_DRAFTS
from edge_server.messages import ErrorCode, Hello, Mode
from ue_app.client import EdgeLink
from ue_app.drafts.registry import DraftConfig
from ue_app.encoding import RowEncoder, on_the_way_back
from ue_app.generate import Conversation, Limits
from ue_app.head import Head, Placement, place
from ue_app.link import Link, LocalLink
from ue_app.manner import Equipment, Manner
from ue_app.prompt import Prompter
from ue_app.wire import LinkConfig


@dataclass(frozen=True)
class PhoneConfig:
    """What one phone runs, and whom it asks for the rest."""

    models: tuple[Path, ...]  # checkpoint folder, whole or parts of one
    link: LinkConfig | None  # None: every layer runs here
    engine: EngineOptions = field(default_factory=EngineOptions)
    split: int | None = None  # layers that run here; None: all a part holds, or 1 of a whole
    tail: int | None = None  # last layers that run here too, with the output head: private mode
    private: bool = False  # whatever `tail` says: the part's own last layers, or 1 of a whole
    max_new_tokens: int = 256
    chunk: int = 32  # prompt rows a frame
    encoding: str = RAW  # of the rows that are sent; auto chooses
    max_ppl_increase: float | None = None  # percent that choosing may cost in perplexity
    drafts: DraftConfig | None = None  # what guesses tokens; None: nothing does

    @property
    def manner(self) -> Manner:
        return Manner(self.encoding, self.max_ppl_increase, self.drafts)


@dataclass(frozen=True)
class Phone:
    """A phone that is ready to ask."""

    prompter: Prompter
    engine: Engine
    placement: Placement
    head: Head
    link: Link
    conversation: Conversation
    equipment: Equipment

    def adapt(self, manner: Manner) -> bool:
        """Fetch answers so from the next on; False where that takes a session of its own."""
        now = self.equipment.manner
        if not manner.writes_like(now) and self.placement.private:
            return False  # the edge was told how rows come back when the session began
        if isinstance(self.link, EdgeLink):
            speculation = self.equipment.speculation(manner.drafts, self.link.welcome.max_rows)
            if not manner.writes_like(now):
                self.link.write_with(self.equipment.encoder(manner))
        else:
            check_local(manner.encoding)
            speculation = self.equipment.speculation(manner.drafts, MAX_DRAFTS + 1)
        if manner.drafts != now.drafts:
            self.conversation.guess_with(speculation)
        self.equipment.manner = manner
        return True

    def place(self) -> str:
        """Where the layers run, in words."""
        first, remote, last = (
            self.placement.first, self.placement.remote, self.placement.last)
        if isinstance(self.link, LocalLink):
            return "all layers here"
        here = f"layers {first} here" + (f" and {last}" if last is not None else "")
        encoding = self.link.status.encoding
        rows = f", rows in {encoding}" if encoding not in (None, RAW) else ""
        return f"{here}, {remote} at the edge{rows}"


def open_phone(config: PhoneConfig) -> Phone:
    """Load the phone's layers, and open the session where there is an edge."""
    checkpoint = open_folders(config.models)
    placement = placement_of(checkpoint, config)
    prompter = Prompter(config.models[0])
    engine = open_engine(checkpoint, config.engine)
    head = Head(engine, placement)  # before the session: no edge waits while the phone loads
    equipment = Equipment(checkpoint, config.models, config.engine, placement.first.end,
                          engine.row_type, config.manner)
    if config.drafts is not None:
        equipment.drafter(config.drafts)
    link: Link
    capacity, chunk = engine.options.capacity, config.chunk
    max_rows = MAX_DRAFTS + 1
    if config.link is None:
        link = LocalLink(engine, placement.remote)
    else:
        hello = Hello(identity_of(checkpoint), placement.remote, WIRE_TYPES[engine.row_type],
                      Mode.PRIVATE if placement.private else Mode.TOKENS)
        encoder = equipment.encoder(config.manner)
        if placement.private:
            back = on_the_way_back(config.encoding)
            hello = replace(hello, back=back.code, back_parameter=back.parameter)
        edge = _open_link(config.link, hello, checkpoint, encoder)
        capacity = min(capacity, edge.welcome.capacity)
        max_rows = edge.welcome.max_rows
        chunk = min(chunk, max_rows)
        link = edge
    limits = Limits(config.max_new_tokens, prompter.stop_ids, capacity, chunk)
    try:
        speculation = equipment.speculation(config.drafts, max_rows)
    except BaseException:
        link.close()
        raise
    conversation = Conversation(head, link, limits, time.monotonic, speculation)
    return Phone(prompter, engine, placement, head, link, conversation, equipment)


def _open_link(
    config: LinkConfig, hello: Hello, checkpoint: Checkpoint, encoder: RowEncoder
) -> EdgeLink:
    try:
        return EdgeLink(config, hello, encoder=encoder)
    except SessionError as error:
        if error.code != ErrorCode.WRONG_MODEL:
            raise
        # The edge cannot know which folder the phone was given.
        raise HashMismatch(f"{checkpoint.folder} and the model at {config.url} differ. "
                           f"{error.problem}", error.remedy) from error


def placement_of(checkpoint: Checkpoint, config: PhoneConfig) -> Placement:
    """Where the layers run, from what the folder holds and what was asked for."""
    part = held(checkpoint)
    total = checkpoint.architecture.layers
    if not part.embedding or part.ranges[0].start:
        raise ConfigurationError(
            f"{checkpoint.folder} holds {checkpoint.manifest.describe()}."
            if checkpoint.manifest else f"{checkpoint.folder} holds no embedding.",
            "The phone needs the head (or phone) folder; this one is for the edge.")
    first = part.ranges[0].end
    split, tail = config.split, config.tail
    if split is None:
        split = first if first < total else 1
    if tail is None and part.output and len(part.ranges) > 1:
        tail = total - part.ranges[-1].start  # a phone folder of `split --private`
    if tail is None and config.private:
        tail = 1
    if config.link is None:
        if tail is not None:
            raise ConfigurationError("--local runs every layer here, so nothing is private of it.",
                                     "Leave out --private or --local.")
        check_local(config.encoding)
        return place(split, total, None)
    if tail is not None and split == 0:
        raise ConfigurationError(
            "--private with no first layers here would send the embedding's own rows, in which "
            "the edge can look the prompt up.", "Give --split 1 or more.")
    return place(split, total, tail)


def check_local(encoding: str) -> None:
    """Refuse to encode rows where none are sent."""
    if encoding != RAW:
        raise ConfigurationError("--local sends no rows, so there is nothing to encode.",
                                 "Leave out --encoding or --local.")
