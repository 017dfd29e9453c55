"""What a UE's session wants to send and receive: constant, on and off, or one split LLM in use.

Each source is told what was delivered and answers with the bits that it adds. The split LLM waits
for its own answers, as the real one does: a token's activations go up, the edge works, the answer
comes down, the phone works, and the next token follows. So a slow cell makes it slower, and not
its queue longer. It makes up no packets.
"""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass
from typing import Protocol

from xapp.errors import ConfigurationError


class Kind(enum.Enum):
    """How a session behaves."""

    IDLE = "idle"
    CONSTANT = "constant"
    ON_OFF = "on-off"
    SPLIT_LLM = "split-llm"


@dataclass(frozen=True)
class LoadConfig:
    """One session's traffic."""

    kind: Kind = Kind.CONSTANT
    down_kbps: float = 2000.0  # of a constant source, and of an on-off one while on
    up_kbps: float = 200.0
    on_seconds: float = 2.0  # mean, of an on-off source
    off_seconds: float = 2.0  # mean
    prompt_kbit: float = 1300.0  # activations of a split LLM's prompt: 40 tokens of 4 KiB
    token_kbit: float = 33.0  # activations of one token, up
    answer_kbit: float = 1.0  # a token's id and what is around it, down
    edge_seconds: float = 0.02  # the edge's work for a token
    phone_seconds: float = 0.02  # the phone's
    tokens: int = 60  # of an answer
    think_seconds: float = 3.0  # mean, from an answer to the next prompt

    def __post_init__(self) -> None:
        numbers = (self.down_kbps, self.up_kbps, self.prompt_kbit, self.token_kbit,
                   self.answer_kbit, self.edge_seconds, self.phone_seconds, self.think_seconds)
        if min(numbers) < 0 or self.on_seconds <= 0 or self.off_seconds <= 0 or self.tokens < 1:
            raise ConfigurationError("A load has figures below 0.",
                                     "Rates, sizes and times are above 0, tokens at least 1.")


class Source(Protocol):
    """One session's traffic as it happens."""

    tokens: int  # that came back to a phone; 0 for what is no split LLM

    def offer(self, now: float, seconds: float, down_left: float,
              up_left: float) -> tuple[float, float]:
        """Bits that come to be sent down and up in a step; `*_left` of them still wait."""


class _Constant:
    tokens = 0

    def __init__(self, config: LoadConfig) -> None:
        self._config = config

    def offer(self, now: float, seconds: float, down_left: float,
              up_left: float) -> tuple[float, float]:
        return self._config.down_kbps * 1000 * seconds, self._config.up_kbps * 1000 * seconds


class _OnOff:
    tokens = 0

    def __init__(self, config: LoadConfig, chance: random.Random) -> None:
        self._config, self._chance = config, chance
        self._on = chance.random() < config.on_seconds / (config.on_seconds + config.off_seconds)
        self._until: float | None = None

    def offer(self, now: float, seconds: float, down_left: float,
              up_left: float) -> tuple[float, float]:
        if self._until is None:
            self._until = now + self._length()
        while self._until <= now:
            self._on = not self._on
            self._until += self._length()
        if not self._on:
            return 0.0, 0.0
        return self._config.down_kbps * 1000 * seconds, self._config.up_kbps * 1000 * seconds

    def _length(self) -> float:
        mean = self._config.on_seconds if self._on else self._config.off_seconds
        return max(1e-3, self._chance.expovariate(1 / mean))


class _SplitLlm:
    """States in order: thinks, sends up, the edge works, receives, the phone works, sends up."""

    def __init__(self, config: LoadConfig, chance: random.Random) -> None:
        self._config, self._chance = config, chance
        self.tokens = 0
        self._left = 0  # tokens of this answer
        self._state = "thinks"
        self._until: float | None = None

    def offer(self, now: float, seconds: float, down_left: float,
              up_left: float) -> tuple[float, float]:
        config = self._config
        if self._until is None:
            self._until = now + self._chance.uniform(0, config.think_seconds)
        if self._state == "sends" and up_left <= 0:
            self._state, self._until = "edge", now + config.edge_seconds
        elif self._state == "receives" and down_left <= 0:
            self.tokens += 1
            self._left -= 1
            self._state, self._until = ("phone", now + config.phone_seconds) if self._left else (
                "thinks", now + self._think())
        if self._until > now or self._state in ("sends", "receives"):
            return 0.0, 0.0
        if self._state == "edge":
            self._state = "receives"
            return config.answer_kbit * 1000, 0.0
        first = self._state == "thinks"
        self._left = config.tokens if first else self._left
        self._state = "sends"
        return 0.0, (config.prompt_kbit if first else config.token_kbit) * 1000

    def _think(self) -> float:
        mean = self._config.think_seconds
        return self._chance.expovariate(1 / mean) if mean > 0 else 0.0


class _Idle:
    tokens = 0

    def offer(self, now: float, seconds: float, down_left: float,
              up_left: float) -> tuple[float, float]:
        return 0.0, 0.0


def source_of(config: LoadConfig, chance: random.Random) -> Source:
    """A source that behaves as configured."""
    if config.kind is Kind.CONSTANT:
        return _Constant(config)
    if config.kind is Kind.ON_OFF:
        return _OnOff(config, chance)
    return _SplitLlm(config, chance) if config.kind is Kind.SPLIT_LLM else _Idle()
