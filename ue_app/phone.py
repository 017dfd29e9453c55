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
from ue_app.drafts.drafter import Drafter
from ue_app.drafts.pace import AdaptivePace, SteadyPace
from ue_app.drafts.registry import DraftConfig, Surroundings, open_drafter
from ue_app.drafts.speculation import Speculation
from ue_app.encoding import RowEncoder, encoder_for, on_the_way_back
from ue_app.generate import Conversation, Limits
from ue_app.head import Head, Placement, place
from ue_app.link import Link, LocalLink
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


@dataclass(frozen=True)
class Phone:
    """A phone that is ready to ask."""

    prompter: Prompter
    engine: Engine
    placement: Placement
    head: Head
    link: Link
    conversation: Conversation

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
    drafter = _open_drafter(config, checkpoint)
    link: Link
    capacity, chunk = engine.options.capacity, config.chunk
    longest = MAX_DRAFTS
    if config.link is None:
        link = LocalLink(engine, placement.remote)
    else:
        hello = Hello(identity_of(checkpoint), placement.remote, WIRE_TYPES[engine.row_type],
                      Mode.PRIVATE if placement.private else Mode.TOKENS)
        encoder = encoder_for(config.encoding, config.max_ppl_increase, checkpoint, config.models,
                              placement.first.end, engine.row_type, time.perf_counter)
        if placement.private:
            back = on_the_way_back(config.encoding)
            hello = replace(hello, back=back.code, back_parameter=back.parameter)
        edge = _open_link(config.link, hello, checkpoint, encoder)
        capacity = min(capacity, edge.welcome.capacity)
        chunk = min(chunk, edge.welcome.max_rows)
        longest = min(longest, edge.welcome.max_rows - 1)
        link = edge
    limits = Limits(config.max_new_tokens, prompter.stop_ids, capacity, chunk)
    conversation = Conversation(
        head, link, limits, time.monotonic, _speculation(config, drafter, longest))
    return Phone(prompter, engine, placement, head, link, conversation)


def _speculation(
    config: PhoneConfig, drafter: Drafter | None, longest: int
) -> Speculation | None:
    if drafter is None or config.drafts is None:
        return None
    longest = min(longest, config.drafts.longest)
    pace = SteadyPace(longest) if config.drafts.steady else AdaptivePace(longest)
    return Speculation(drafter, pace, time.monotonic)


def _open_drafter(config: PhoneConfig, checkpoint: Checkpoint) -> Drafter | None:
    if config.drafts is None:
        return None
    return open_drafter(Surroundings(config.drafts, config.models, checkpoint, config.engine))


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
        if config.encoding != RAW:
            raise ConfigurationError("--local sends no rows, so there is nothing to encode.",
                                     "Leave out --encoding or --local.")
        return place(split, total, None)
    if tail is not None and split == 0:
        raise ConfigurationError(
            "--private with no first layers here would send the embedding's own rows, in which "
            "the edge can look the prompt up.", "Give --split 1 or more.")
    return place(split, total, tail)
