"""Flows that are remembered, and who goes first where there is no room for all.

    gone = room.put(known, wanted=True)         # spoken of: how many others went for it
    gone = room.settle(placed)                  # once it is known whose they are

Flows of nobody known go before those of UEs, others before those that are wanted, and what was
spoken of longest ago before all of the same kind. A flood of made-up flows so drives out flows like
itself alone, and costs a look no more than these limits allow. It knows no labels and no clock.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from classifier.messages import Labelled
from xapp.observations import Flow, UeKey

WANTED, OURS = 1, 2  # of a flow's rank: its label is asked for, it is a known UE's


@dataclass(slots=True)
class Stretch:
    """What a tap told from its start, or from when it had no flow under way, until the next."""

    ended: float | None = None


@dataclass(slots=True)
class Known:
    """A flow as it was spoken of last."""

    key: str
    message: Labelled
    since: float
    heard: float  # when it was spoken of last
    source: str
    stretch: Stretch
    over: float | None = None  # when it ended by its own last message
    rank: int = 0
    flow: Flow | None = None  # as it was when last looked at; None: spoken of since
    end: tuple[str | None, bool] | None = None  # a UE's end by its network, once looked at

    @property
    def ended(self) -> float | None:
        return self.stretch.ended if self.over is None else self.over


class Room:
    """All of them."""

    def __init__(self, most: int, most_strangers: int, most_of_ue: int) -> None:
        self._most, self._most_strangers, self._most_of_ue = most, most_strangers, most_of_ue
        # By rank, each in the order in which they were spoken of last.
        self._ranks: tuple[OrderedDict[str, Known], ...] = tuple(OrderedDict() for _ in range(4))

    def __len__(self) -> int:
        return sum(map(len, self._ranks))

    def __iter__(self) -> Iterator[Known]:
        """The least that go first come last; not while anything is put or removed."""
        for rank in reversed(self._ranks):
            yield from rank.values()

    def get(self, key: str) -> Known | None:
        return next((rank[key] for rank in self._ranks if key in rank), None)

    def put(self, known: Known, wanted: bool) -> int:
        """Remember it as the one that was spoken of last; how many others went for it."""
        self._ranks[known.rank].pop(known.key, None)
        known.rank = known.rank & OURS | wanted * WANTED
        self._ranks[known.rank][known.key] = known
        gone = 0
        if len(self) > self._most:
            next(rank for rank in self._ranks if rank).popitem(last=False)
            gone = 1
        return gone + self._bound_strangers()

    def settle(self, looked_at: Iterable[Known]) -> int:
        """Whose they are was found out: `flow` says it. How many went."""
        of_ues: Counter[UeKey] = Counter()
        for known in looked_at:
            ue = None if known.flow is None else known.flow.ue
            rank = known.rank & WANTED | (ue is not None) * OURS
            if rank != known.rank:
                del self._ranks[known.rank][known.key]
                known.rank = rank
                self._ranks[rank][known.key] = known
            if ue is not None:
                of_ues[ue] += 1
        over = {ue: count - self._most_of_ue for ue, count in of_ues.items()
                if count > self._most_of_ue}
        return (self._bound_ues(over) if over else 0) + self._bound_strangers()

    def remove(self, known: Known) -> None:
        del self._ranks[known.rank][known.key]

    def _bound_strangers(self) -> int:
        others, wanted = self._ranks[0], self._ranks[WANTED]
        gone = 0
        while len(others) + len(wanted) > self._most_strangers:
            (others or wanted).popitem(last=False)
            gone += 1
        return gone

    def _bound_ues(self, over: dict[UeKey, int]) -> int:
        gone = sum(over.values())
        for rank in self._ranks[OURS], self._ranks[OURS | WANTED]:
            for known in list(rank.values()):
                ue = None if known.flow is None else known.flow.ue
                if ue is not None and over.get(ue, 0) > 0:
                    over[ue] -= 1
                    del rank[known.key]
        return gone
