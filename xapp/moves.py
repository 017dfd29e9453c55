"""When each UE last went to another cell, or was told to: who just moved is left alone for a while.

    moves.told(key, ["10.45.0.2"], now)
    moves.seen(key, ["10.45.0.2"], cell, now)     # when it is observed in a cell; when it moved

A UE may have another name in its new cell, so its addresses are remembered too. It moves nobody.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from xapp.observations import CellKey, UeKey

MOST = 16_384  # names and addresses; about 200 B each, the one that moved first goes first
NEVER = float("-inf")


class Moves:
    """Of all UEs."""

    def __init__(self) -> None:
        self._moved: OrderedDict[UeKey | str, float] = OrderedDict()
        self._cells: OrderedDict[UeKey, CellKey] = OrderedDict()
        self.version = 0  # another one whenever anybody moved

    def told(self, key: UeKey, addresses: Iterable[str], now: float) -> None:
        """A UE is being handed over."""
        self.version += 1
        names: list[UeKey | str] = [key, *addresses]
        for name in names:
            self._moved[name] = now
            self._moved.move_to_end(name)
        while len(self._moved) > MOST:
            self._moved.popitem(last=False)

    def seen(self, key: UeKey, addresses: Iterable[str], cell: CellKey | None, now: float) -> float:
        """When it moved last; it did just now where its cell is another than before.

        The answer stays as it is while the UE's cell and addresses, and `version`, do.
        """
        addresses = tuple(addresses)
        if cell is not None:
            before = self._cells.get(key)
            self._cells[key] = cell
            self._cells.move_to_end(key)
            if len(self._cells) > MOST:
                self._cells.popitem(last=False)
            if before is not None and before != cell:
                self.told(key, addresses, now)
        return max(self._moved.get(key, NEVER),
                   *(self._moved.get(name, NEVER) for name in addresses), NEVER)
