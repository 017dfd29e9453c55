"""The programs' names, files and ends; what they do together is the whole loop's test."""

from __future__ import annotations

import sys
from pathlib import Path

from testbed.bed.record import Record
from testbed.loop.parts import wait_until
from testbed.loop.programs import ORDER, Programs
from testbed.loop.settings import Arm, LoopSettings


def programs(folder: Path, settings: LoopSettings | None = None,
             record: Record | None = None) -> Programs:
    return Programs(settings or LoopSettings(), folder, Path("model"), lambda text: None, record)


def test_what_is_added_is_ended_and_its_sockets_go(tmp_path: Path) -> None:
    with programs(tmp_path) as made:
        part = made.add("relay", [sys.executable, "-c", "import sys; print('{\"a\": 1}', "
                                  "flush=True); print('{', end='', flush=True); sys.stdin.read()"],
                        "lines.jsonl", by_input=True)
        wait_until(lambda: list(made.lines("lines.jsonl")) == [{"a": 1}], [part], 20, "a line")
        sockets = Path(made._socket("tap").removeprefix("ipc://")).parent
        assert sockets.is_dir()
        made.check()
    assert part.process.returncode is not None
    assert not sockets.exists()


def test_no_program_is_forgotten_at_the_end(tmp_path: Path) -> None:
    """Each that the source starts has its place in the order of ending."""
    import re

    from testbed.loop import grounds
    from testbed.loop import programs as module

    source = "".join(Path(str(one.__file__)).read_text(encoding="utf-8")
                     for one in (module, grounds))
    started = set(re.findall(r'\.(?:add|add_module|_door)\(\s*"([a-z-]+)"', source))
    assert started == {name for group in ORDER for name in group}


def test_what_is_made_is_on_record(tmp_path: Path) -> None:
    with Record.open("airsplit-it", tmp_path / "state") as record:
        with programs(tmp_path, LoopSettings(name="airsplit-it", crowd=2), record) as made:
            part = made.add("relay", [sys.executable, "-c", "input()"], by_input=True)
            assert record.made.processes[0].pid == part.process.pid
        assert set(record.made.namespaces) == {
            "airsplit-it-n6", "airsplit-it-phone", "airsplit-it-crowd1", "airsplit-it-crowd2"}


def test_labels_are_never_moved_to_themselves(tmp_path: Path) -> None:
    for seed in range(20):
        made = programs(tmp_path, LoopSettings(arm=Arm.SHUFFLED_LABELS, seed=seed))
        assert 0 < made._rotate < 10
        made.close()


def test_pages_have_addresses_where_there_are_pages(tmp_path: Path) -> None:
    for page in (True, False):
        with programs(tmp_path, LoopSettings(page=page)) as made:
            assert ("the phone's page" in made.addresses) == page
            assert made.addresses["metrics"].endswith(":8480/metrics")
