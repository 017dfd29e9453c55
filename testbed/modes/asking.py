"""How a trial's sequences are asked: each by itself, side by side, or all in step.

    with asking(config, batch, together, clock) as asker:
        asker.warm_up()
        turns = asker.ask(prompts, tokens)

Both give the same: a `Turn` for each sequence and question, and what was opened, to be counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Protocol

from testbed.modes.channel import Channel
from testbed.modes.figures import Turn
from testbed.modes.opening import ModeConfig, Offset, Opened, open_mode
from testbed.modes.together_opening import OpenedTogether, open_together
from ue_app.link import Traffic

WARM_ID, WARM_TOKENS = 3, 2  # asked before anything counts; no prompt begins with that id
Asked = Sequence[Sequence[list[int]]]  # ids of each sequence's questions


class Counts(Protocol):
    """What a connection has carried."""

    @property
    def traffic(self) -> Traffic | None: ...


class Ready(Protocol):
    """A mode that is ready, as far as counting goes."""

    load_seconds: float
    connect_seconds: float
    offset: Offset | None

    @property
    def link(self) -> Counts: ...

    @property
    def channel(self) -> Channel | None: ...

    @property
    def server_load(self) -> float | None: ...


class Asker(Protocol):
    """Either way."""

    @property
    def opened(self) -> Sequence[Ready]: ...

    def warm_up(self) -> None: ...

    def ask(self, asked: Asked, tokens: int) -> list[Turn]: ...


class SideBySide:
    """A conversation and a thread for each sequence."""

    def __init__(self, opened: Sequence[Opened]) -> None:
        self.opened = opened

    def warm_up(self) -> None:
        for one in self.opened:
            one.ask([WARM_ID], WARM_TOKENS)

    def ask(self, asked: Asked, tokens: int) -> list[Turn]:
        with ThreadPoolExecutor(len(self.opened)) as pool:
            answers = pool.map(lambda which: converse(self.opened[which], which, asked[which],
                                                      tokens), range(len(self.opened)))
            return [turn for turns in answers for turn in turns]


class InStep:
    """All sequences in one step."""

    def __init__(self, opened: OpenedTogether) -> None:
        self._together = opened
        self.opened: Sequence[Ready] = [opened]

    def warm_up(self) -> None:
        self._together.ask([[WARM_ID]] * self._together.sequences, WARM_TOKENS)

    def ask(self, asked: Asked, tokens: int) -> list[Turn]:
        said: list[list[int]] = [[] for _ in asked]
        found: list[list[Turn]] = [[] for _ in asked]
        for turn in range(len(asked[0])):
            for sequence, questions in enumerate(asked):
                said[sequence] += questions[turn]
            for sequence, line in enumerate(self._together.ask(said, tokens)):
                said[sequence] += line.ids
                found[sequence].append(Turn(sequence, turn, tuple(line.ids), tuple(line.steps)))
        return [turn for turns in found for turn in turns]


@contextmanager
def asking(config: ModeConfig, batch: int, together: bool, clock: Callable[[], float]
           ) -> Iterator[Asker]:
    """Opened, until the end."""
    with ExitStack() as stack:
        if together:
            yield InStep(stack.enter_context(open_together(config, batch, clock)))
        else:
            yield SideBySide([stack.enter_context(open_mode(config, clock))
                              for _ in range(batch)])


def converse(opened: Opened, sequence: int, turns: Sequence[list[int]], tokens: int
             ) -> list[Turn]:
    """All turns of one sequence; each has what was said before in front."""
    said: list[int] = []
    found = []
    for place, ids in enumerate(turns):
        said += ids
        answer = opened.ask(said, tokens)
        found.append(Turn(sequence, place, tuple(answer.ids), tuple(opened.steps.done)))
        said += answer.ids
    return found
