"""A run that is killed, and its cell too: nobody is left to clean up but the next start."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from testbed import namespaces
from tests.end_to_end.demo import DEMO, TERMINATED, Demo, demo, nothing_is_left, until
from tests.end_to_end.place import TEMPORARY, Place
from tests.leftovers import processes_about
from xapp.ric import usrsctp

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(not namespaces.available(), reason="no network namespaces here"),
    pytest.mark.skipif(not usrsctp.available(), reason="libusrsctp2 is not installed")]


@pytest.mark.parametrize(("command", "name", "runs"), [
    (DEMO, "airsplit-demo", " s  baseline: "),
    pytest.param(("testbed", "loop", "--quick"), "airsplit-loop", "airsplit testbed: calm",
                 marks=pytest.mark.slow)], ids=["demo", "loop"])
def test_the_next_start_takes_away_what_a_killed_one_and_its_cell_left(
        place: Place, tmp_path: Path, command: Sequence[str], name: str, runs: str) -> None:
    with demo(place, tmp_path / "report", tmp_path / "first.log", command) as first:
        first.says("waiting for the first token")  # all of it runs
        kill_with_its_cell(first)
        assert first.ends() == -signal.SIGKILL
    until(lambda: not processes_about(str(first.folder)), "the end of what lost its parent")
    left = place.left()
    assert {f"{name}-n6", f"{name}-phone"} <= {one.split()[0] for one in left}
    temporary, = (one for one in left if Path(one).parent == Path(TEMPORARY))
    with demo(place, first.folder, tmp_path / "second.log", command) as second:
        second.says(f"a run that was killed (process {first.process.pid}) had left namespaces "
                    f"{name}-n6, {name}-phone, ")
        second.says(f"folder {temporary}: removed")
        second.says(runs)
        second.process.terminate()
        assert second.ends() == TERMINATED, second.told
    assert "Traceback" not in second.told
    nothing_is_left(place, tmp_path)


def kill_with_its_cell(run: Demo) -> None:
    """Neither has the time to do anything about the other's end."""
    os.kill(run.process.pid, signal.SIGSTOP)
    cell = processes_about(str(run.folder / "cell.yaml"))
    assert cell
    for one in cell:
        os.kill(int(one.partition(":")[0]), signal.SIGKILL)
    run.process.kill()
