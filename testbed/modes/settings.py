"""What a trial of the execution modes is told. Data with units, and what cannot be is refused."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from edge_server.encodings.registry import by_name
from edge_server.engine.device import CPU
from edge_server.engine.options import BACKENDS, PRECISIONS
from edge_server.errors import EdgeError
from testbed.modes.pieces import MOST_SEQUENCES
from testbed.modes.policies import BY_EDGE, BY_SERVER, Mode
from xapp.errors import ConfigurationError

AUTO = "auto"  # in place of an encoding: what is fastest of what costs no more than it may
BUNDLED_MODEL = Path(__file__).parents[1] / "models" / "story-gemma3"
MOST_STEPS = 100_000
MOST_LAYERS = 1024
MOST_INCREASE = 1000  # percent of perplexity: more is no text any more
MOST_SCORES = 1 << 20  # the largest vocabularies have a quarter of that


class LinkKind(StrEnum):
    """What is between the two ends."""

    LOOPBACK = "loopback"
    SHAPED = "shaped"  # a rate and a delay, between two namespaces (root)
    CELL = "cell"  # the emulated cell, with nobody else in it (root)
    HOST = "host"  # another host: `edge` and `server` name what runs there, or `ssh` starts it


class Batching(StrEnum):
    """How several sequences are answered."""

    SIDE_BY_SIDE = "side_by_side"  # each a conversation of its own, on a connection of its own
    TOGETHER = "together"  # in step: one pass, one message and one answer for all of them


class Phase(StrEnum):
    """Which part of an answer is asked for."""

    PREFILL = "prefill"  # the prompt, and its one token
    DECODE = "decode"  # tokens after a prompt of one
    BOTH = "both"


@dataclass(frozen=True)
class ModesSettings:
    """One trial."""

    mode: Mode = Mode.SPLIT
    model: Path = BUNDLED_MODEL  # a whole checkpoint's folder
    backend: str = "auto"  # of the layers: auto, fast, reference
    precision: str = "auto"  # as for `airsplit edge --dtype`
    threads: int = 1  # of each side
    context: int = 1024  # tokens that a conversation may hold
    split: int = 1  # first layers on the client, in the modes that split
    tail: int = 1  # last layers there too, in `private`
    encoding: str = "int8"  # of rows, in `split_compressed`; auto needs `max_ppl_increase`
    max_ppl_increase: float | None = None  # percent, of what `encoding: auto` may choose
    likeliest: int = 0  # scores that come back in `semantic`; 0: the token alone
    prompt_tokens: int = 64
    steps: int = 50  # tokens of an answer
    batch: int = 1  # sequences at a time
    batching: Batching = Batching.SIDE_BY_SIDE  # together: the modes' server serves all modes
    turns: int = 1  # questions of a conversation, each with all that was said before
    phase: Phase = Phase.BOTH
    link: LinkKind = LinkKind.LOOPBACK
    rate_mbps: float = 20.0  # of IP packets, each way; `shaped`
    round_trip_ms: float = 20.0  # of an empty link; `shaped`
    bandwidth_mhz: int = 20  # `cell`
    snr_db: float = 16.0  # `cell`
    edge: str | None = None  # HOST:PORT of an edge; `host`
    server: str | None = None  # HOST:PORT of `airsplit modes serve`; `host`
    ssh: str | None = None  # where what is not named is started: USER@HOST, as ssh takes it; `host`
    ssh_command: str = "airsplit"  # how it is called there
    server_device: str = CPU  # of the layers at a server that is started: cpu, cuda, cuda:1
    ssh_model: str | None = None  # the checkpoint's folder there; without it the same path
    device: str = "any"  # what to capture on; `host`
    capture: bool = True  # where it is permitted

    def __post_init__(self) -> None:
        for name, least, most in (
                ("threads", 1, 1024), ("context", 2, 1 << 20), ("prompt_tokens", 1, 1 << 20),
                ("steps", 1, MOST_STEPS), ("batch", 1, MOST_SEQUENCES), ("turns", 1, 64),
                ("rate_mbps", 0.001, 1e5), ("round_trip_ms", 0.0, 60_000.0),
                ("split", 0, MOST_LAYERS), ("tail", 0, MOST_LAYERS),
                ("likeliest", 0, MOST_SCORES), ("bandwidth_mhz", 5, 100), ("snr_db", -20, 60)):
            value = getattr(self, name)
            if not least <= value <= most:
                raise ConfigurationError(f"{name} is {value}.", f"Give {least} to {most}.")
        for name, known in (("backend", BACKENDS), ("precision", PRECISIONS)):
            if getattr(self, name) not in known:
                raise ConfigurationError(f"{name} is {getattr(self, name)!r}.",
                                         f"Give one of {', '.join(known)}.")
        if self.server_device != CPU and self.backend == "fast":
            raise ConfigurationError(f"The fast backend does not compute on {self.server_device}.",
                                     "Give `backend: reference`, or leave `backend` out.")
        if self.tokens_in_all > self.context:
            raise ConfigurationError(
                f"{self.tokens_in_all} tokens do not fit into a context of {self.context}.",
                "Raise `context`, or lower `prompt_tokens`, `steps` or `turns`.")
        self._check_encoding()
        if self.link is LinkKind.HOST and not self.ssh and (
                (self.needs_edge and not self.edge) or (self.needs_server and not self.server)):
            raise ConfigurationError(
                f"{self.mode} needs {'`edge`' if self.needs_edge else '`server`'}: HOST:PORT.",
                "Start `airsplit edge` and `airsplit modes serve` there and name both, or give "
                "`ssh`: USER@HOST.")

    def _check_encoding(self) -> None:
        if (self.encoding == AUTO) != (self.max_ppl_increase is not None):
            raise ConfigurationError("`encoding: auto` and `max_ppl_increase` need each other.",
                                     "Give both, or name an encoding.")
        if self.max_ppl_increase is not None and not 0 <= self.max_ppl_increase <= MOST_INCREASE:
            raise ConfigurationError(f"max_ppl_increase is {self.max_ppl_increase}.",
                                     f"Give 0 to {MOST_INCREASE}.")
        if self.encoding == AUTO:
            # Whoever answers in step has no link that says how long it was busy.
            if self.together:
                raise ConfigurationError("`encoding: auto` is not chosen for a batch in step.",
                                         "Give `batching: side_by_side`, or name an encoding.")
            return
        try:
            by_name(self.encoding)
        except EdgeError as error:
            raise ConfigurationError(error.problem, error.remedy) from error

    @property
    def tokens_in_all(self) -> int:
        return self.turns * (self.prompt() + self.wanted())

    def prompt(self) -> int:
        """Tokens that are asked in each turn."""
        return 1 if self.phase is Phase.DECODE else self.prompt_tokens

    def wanted(self) -> int:
        """Tokens that are answered in each turn."""
        return 1 if self.phase is Phase.PREFILL else self.steps

    @property
    def together(self) -> bool:
        return self.batching is Batching.TOGETHER

    @property
    def needs_server(self) -> bool:
        return self.mode in BY_SERVER or (self.together and self.mode in BY_EDGE)

    @property
    def needs_edge(self) -> bool:
        return self.mode in BY_EDGE and not self.together

    def link_key(self) -> tuple[object, ...]:
        """The same for trials that can share a link."""
        return {LinkKind.LOOPBACK: (self.link,), LinkKind.HOST: (self.link, self.ssh),
                LinkKind.SHAPED: (self.link, self.rate_mbps, self.round_trip_ms),
                LinkKind.CELL: (self.link, self.bandwidth_mhz, self.snr_db)}[self.link]
