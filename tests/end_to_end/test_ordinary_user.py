"""The demo as a user without privileges: in a user namespace, seen from outside, and gone after.

What is compiled for this machine is handed over, as such a user's own checkout would have it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbed.loop.parts import AIRSPLIT, answers
from testbed.ran.plane import user_namespace
from tests.end_to_end.bed import PATIENCE, ROOT
from tests.end_to_end.demo import TERMINATED, until
from tests.leftovers import processes_about
from tests.testbed.bed.ordinary import can_be, ordinary
from xapp.ric import usrsctp

pytestmark = [
    pytest.mark.skipif(not can_be(), reason="privileges cannot be given up here"),
    pytest.mark.skipif(not usrsctp.available(), reason="libusrsctp2 is not installed")]
needs_user_namespaces = pytest.mark.skipif(user_namespace.why_not() is not None,
                                           reason="no user namespaces here")
WHOLE_SECONDS = 500.0  # a hang's bound; alone on a machine it takes a minute


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that any user can reach and write to."""
    made = Path(tempfile.mkdtemp(prefix="airsplit-e2e-"))  # pytest's own are closed to others
    (made / "tmp").mkdir()
    compiled_for_all(made / "compiled")
    for one in (made, *made.rglob("*")):
        one.chmod(0o777 if one.is_dir() else 0o666)
    yield made
    shutil.rmtree(made)


def compiled_for_all(folder: Path) -> None:
    """What is compiled already, where NUMBA_CACHE_DIR is looked into."""
    from numba.core.caching import _CacheLocator

    for package in ("classifier", "pcap_tools", "testbed"):
        for cache in {one.parent for one in (ROOT / package).rglob("*.nbi")}:
            name = _CacheLocator.get_suitable_cache_subpath(  # type: ignore[no-untyped-call]
                str(cache.parent / "any.py"))  # numba's own
            shutil.copytree(cache, folder / name, ignore=lambda where, names: [
                one for one in names if not one.endswith((".nbi", ".nbc"))])


@needs_user_namespaces
def test_an_ordinary_user_has_it_too_and_leaves_nothing(home: Path) -> None:
    with demo(home) as process:
        until_it_says(home / "log", " s  baseline: ", process)
        assert answers(f"http://127.0.0.1:{port_of(home, 8501)}")
        assert answers(f"http://127.0.0.1:{port_of(home, 8480)}/api/v1/status")
        process.terminate()
        assert process.wait(PATIENCE) == TERMINATED, told(home)
    assert "mode user: not root" in told(home)
    assert "the same inside an unprivileged user namespace" in told(home)
    assert "Traceback" not in told(home)
    # What was made in there went with the last process, which is all that there is to see.
    assert processes_about(str(home)) == []
    assert list((home / "tmp").iterdir()) == []
    assert records(home) == ["airsplit-demo-outside/lock", "airsplit-demo/lock"]


@needs_user_namespaces
@pytest.mark.slow
def test_what_was_killed_inside_and_outside_is_taken_away_by_the_next_start(home: Path) -> None:
    with demo(home, "--no-pages") as process:
        until_it_says(home / "log", "waiting for the first token", process)
        process.send_signal(signal.SIGSTOP)  # so that it does nothing about the other's end
        for one in children(process.pid):
            os.kill(one, signal.SIGKILL)
        process.kill()
        assert process.wait(PATIENCE) == -signal.SIGKILL
    until(lambda: processes_about(str(home)) == [], "the end of what lost its parent")
    left = sorted((home / "tmp").iterdir())
    assert len(left) == 2  # of what was outside, and of what was inside
    with demo(home, "--no-pages") as process:
        until_it_says(home / "log", " s  baseline: ", process)
        process.terminate()
        assert process.wait(PATIENCE) == TERMINATED, told(home)
    assert all(f"folder {one}: removed" in told(home) for one in left)
    assert list((home / "tmp").iterdir()) == []
    assert records(home) == ["airsplit-demo-outside/lock", "airsplit-demo/lock"]


def children(process: int) -> list[int]:
    found = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii")
    return list(map(int, found.split()))


@pytest.mark.slow
def test_without_user_namespaces_it_is_by_relays_and_says_so(home: Path) -> None:
    programs = programs_but(home / "bin", "unshare")
    with demo(home, "--no-pages", before=["env", f"PATH={programs}"]) as process:
        until_it_says(home / "log", " s  baseline: ", process)
        process.terminate()
        assert process.wait(PATIENCE) == TERMINATED, told(home)
    assert re.search(r"^mode relay: not root \(.+\); not user \(`unshare` is not installed\); "
                     "loopback relays with the same scheduler", told(home), re.MULTILINE)
    assert "Traceback" not in told(home)
    assert processes_about(str(home)) == []
    assert list((home / "tmp").iterdir()) == []
    assert records(home) == ["airsplit-demo/lock"]


def programs_but(folder: Path, missing: str) -> Path:
    """A folder with all programs of this machine's but one."""
    folder.mkdir()
    for place in map(Path, os.environ["PATH"].split(os.pathsep)):
        for one in place.iterdir() if place.is_dir() else ():
            if one.name != missing and not (folder / one.name).is_symlink():
                (folder / one.name).symlink_to(one)
    return folder


def records(home: Path) -> list[str]:
    """Files where runs are on record: of those that are over only locks, which the next ones
    take."""
    state = home / "state" / "airsplit"
    return sorted(str(one.relative_to(state)) for one in state.rglob("*") if one.is_file())


@needs_user_namespaces
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_ordinary_user_is_told_the_whole_story(home: Path) -> None:
    with demo(home, "--no-pages") as process:
        assert process.wait(WHOLE_SECONDS) == 0, told(home)
    found = json.loads((home / "report" / "summary.json").read_text())
    assert all(phase["tokens"] > 0 for phase in found["phases"])
    assert found["flow"]["label"] == "llm_split"
    assert processes_about(str(home)) == []
    assert list((home / "tmp").iterdir()) == []


def port_of(home: Path, wanted: int) -> int:
    """The one that is used: another one where somebody has that."""
    found = re.search(rf"port {wanted} for .* is taken by .*; (\d+) is used", told(home))
    return int(found.group(1)) if found else wanted


def told(home: Path) -> str:
    return (home / "log").read_text(encoding="utf-8")


@contextmanager
def demo(home: Path, *options: str, before: Sequence[str] = ()
         ) -> Iterator[subprocess.Popen[bytes]]:
    """It does not outlive the test; `before` goes before its own command line."""
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            ordinary([*before, *AIRSPLIT, "demo", "--quick", "--out", str(home / "report"),
                      *options]),
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True, env={
                **os.environ, "HOME": str(home), "XDG_STATE_HOME": str(home / "state"),
                "XDG_CONFIG_HOME": str(home / "config"), "PYTHONUNBUFFERED": "1",
                "TMPDIR": str(home / "tmp"), "NUMBA_CACHE_DIR": str(home / "compiled")})
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(PATIENCE)


def until_it_says(log: Path, words: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while words not in (text := log.read_text(encoding="utf-8")):
        assert process.poll() is None, text
        assert time.monotonic() < deadline, text
        time.sleep(0.05)
