"""A wall clock that jumps: it is only written down, so that order, chain and times of runs hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from xapp.events import Code, info
from xapp.store import Store
from xapp.store_read import Reader
from xapp.store_records import event_record

YEAR = 365 * 86400.0


@pytest.mark.parametrize("jump", [-3600.0, -30 * YEAR, 10 * YEAR])
def test_the_log_keeps_its_order_and_its_chain(tmp_path: Path, jump: float) -> None:
    times = [1_760_000_000.0]
    store = Store(tmp_path / "xapp.db", lambda report: None, wall=lambda: times[-1])
    for number in range(20):
        if number == 10:
            times.append(times[-1] + jump)
        assert store.put(event_record(info(Code.POLICY, f"word {number}")))
    store.close()
    with Reader(tmp_path / "xapp.db") as reader:
        assert reader.verify() is None
        lines = list(reader.audit())
        words = [one["why"] for one in lines if one["kind"] == "event"]
        assert words == [f"word {number}" for number in range(20)]
        assert [one["number"] for one in lines] == sorted(one["number"] for one in lines)
        assert lines[-1]["kind"] == "run_ended"
        assert reader.left(store.run + 1).clean
