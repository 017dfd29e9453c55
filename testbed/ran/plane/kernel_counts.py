"""What the kernel dropped before the loop could read it, by device.

A device's queue has an end; what comes beyond it the loop never sees. The kernel's own table of a
namespace is kept open, so that looking costs no process.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from testbed import namespaces

_TABLE = "/proc/thread-self/net/dev"
_MOST_BYTES = 1 << 20
_SENT_DROPPED = 11  # column after the name: dropped on the way to the device's reader


class KernelCounts:
    """Tables of the given namespaces."""

    def __init__(self, names: Iterable[str]) -> None:
        self._tables: dict[str, int] = {}
        try:
            for name in names:
                self._tables[name] = namespaces.inside(
                    name, lambda: os.open(_TABLE, os.O_RDONLY | os.O_CLOEXEC))
        except BaseException:
            self.close()
            raise

    def dropped(self, devices: Iterable[str]) -> dict[str, int]:
        """Packets that `devices` had no room for: by "namespace device", those above 0."""
        wanted = set(devices)
        found = {}
        for name, table in self._tables.items():
            for device, dropped in sent_dropped(os.pread(table, _MOST_BYTES, 0).decode()).items():
                if device in wanted and dropped:
                    found[f"{name} {device}"] = dropped
        return found

    def close(self) -> None:
        for table in self._tables.values():
            os.close(table)
        self._tables.clear()


def sent_dropped(table: str) -> dict[str, int]:
    """By device, from the text of the kernel's table."""
    found = {}
    for line in table.splitlines()[2:]:
        device, _, numbers = line.partition(":")
        found[device.strip()] = int(numbers.split()[_SENT_DROPPED])
    return found
