"""The xApp's audit log in simulated time: a list while it runs, JSON lines afterwards.

    log = Audit()
    log.put(record, now)
    write_whole(folder / AUDIT, log.lines())

Lines have the fields of `airsplit xapp audit --json`, and `at`, the simulated second; they have no
hashes, since nobody could have changed them. Records are only kept while the xApp's CPU is counted,
and made into text when that is over.
"""

from __future__ import annotations

import json
from typing import Any

from xapp.audit_command import moment
from xapp.store_records import Record

AUDIT = "audit.jsonl"  # in a trial's folder
MOST_KEPT = 200_000  # records, some 500 MB; 250 cells leave some ten thousand in ten seconds


class Audit:
    """One xApp's."""

    def __init__(self, epoch: float, most: int = MOST_KEPT) -> None:
        """`epoch`: seconds since 1970 at which simulated time begins."""
        self._epoch, self._most = epoch, most
        self._kept: list[tuple[float, Record]] = []
        self.left_out = 0

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, record: Record, now: float) -> None:
        if len(self._kept) < self._most:
            self._kept.append((now, record))
        else:
            self.left_out += 1

    def lines(self) -> bytes:
        """All of it; the last line says how many were left out, where any were."""
        found = [self._line(number, at, record)
                 for number, (at, record) in enumerate(self._kept, 1)]
        if self.left_out:
            found.append({"left_out": self.left_out})
        return b"".join(json.dumps(one, separators=(",", ":")).encode() + b"\n" for one in found)

    def _line(self, number: int, at: float, record: Record) -> dict[str, Any]:
        return {"number": number, "time": moment(self._epoch + at), "at": round(at, 3),
                "kind": record.kind.value, "who": record.who, "subject": record.subject,
                "why": record.why, "body": dict(record.body)}
