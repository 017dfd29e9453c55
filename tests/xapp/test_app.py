"""The process and its signals: until all is closed, none of them ends it in the middle."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from xapp.app import XappServer
from xapp.config import load
from xapp.errors import ConfigurationError
from xapp.ric.address import Address
from xapp.store_read import Reader

ROOT = Path(__file__).resolve().parents[2]
HANG_SECONDS = 60.0
# It sends itself one signal when it is ready, and more while it closes: at first and at last.
SCRIPT = """
import asyncio, logging, os, signal, sys
from dataclasses import replace
from pathlib import Path
from xapp.app import XappServer
from xapp.config import load
from xapp.ric.address import Address

def again():
    os.kill(os.getpid(), getattr(signal, sys.argv[2]))

class Signalled(XappServer):
    async def _close_tasks(self):
        await asyncio.sleep(0.1)  # later than what was sent twice at once
        again()
        await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        await super()._close_tasks()

    def _close_store(self):
        again()
        super()._close_store()
        print("closed", flush=True)

logging.basicConfig(level="WARNING")
config = load(None)
config = replace(config, store=Path(sys.argv[1]), taps=(),
                 listen=(Address.parse("tcp://127.0.0.1:0"),), api=replace(config.api, on=False))
asyncio.run(Signalled(config, started=lambda server: again()).run())
print("ended", flush=True)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_signals_while_it_closes_are_answered_and_the_run_is_marked_as_ended(
    tmp_path: Path, name: str
) -> None:
    store = tmp_path / "xapp.db"
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(store), name], cwd=ROOT,
                          capture_output=True, text=True, timeout=HANG_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["closed", "ended"]
    assert "closing already" in done.stderr
    with Reader(store) as reader:
        assert reader.left().clean


def test_a_token_that_cannot_be_used_is_told_before_anything_is_opened(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("short")
    (tmp_path / "token").chmod(0o600)
    config = load(None)
    config = replace(config, store=tmp_path / "xapp.db", taps=(),
                     listen=(Address.parse("tcp://127.0.0.1:0"),),
                     api=replace(config.api, on=True, token_file=tmp_path / "token"))
    with pytest.raises(ConfigurationError, match="holds no token"):
        asyncio.run(XappServer(config).run())
    assert [one.name for one in tmp_path.iterdir()] == ["token"]


TWICE = SCRIPT.partition("asyncio.run(Signalled")[0] + """
server = XappServer(config, started=lambda server: (again(), again()))
asyncio.run(server.run())
print("ended", flush=True)
"""


def test_a_signal_to_the_process_and_to_its_group_is_one(tmp_path: Path) -> None:
    """`timeout` sends both: the second must not keep it from putting quotas back."""
    done = subprocess.run([sys.executable, "-c", TWICE, str(tmp_path / "xapp.db"), "SIGINT"],
                          cwd=ROOT, capture_output=True, text=True, timeout=HANG_SECONDS,
                          check=False)
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr
    assert "closing already" not in done.stderr


SCHEDULED = """
import asyncio, json, os, sys, time
from dataclasses import replace
from pathlib import Path
from xapp.app import XappServer
from xapp.config import load
from xapp.ric.address import Address

def policies(process):
    return {Path(f"/proc/{process}/task/{thread}/comm").read_text().strip() + ":" + thread:
            os.sched_getscheduler(int(thread)) & ~os.SCHED_RESET_ON_FORK
            for thread in os.listdir(f"/proc/{process}/task")}

def given_way(process):
    until = time.monotonic() + 60
    ways = lambda: [os.getpriority(os.PRIO_PROCESS, int(thread)) for thread in
                    os.listdir(f"/proc/{process}/task")]
    while min(ways()) < 10 and time.monotonic() < until:
        time.sleep(0.02)
    return min(ways())

def look(server):
    mine, main, store = policies(os.getpid()), os.getpid(), server._store.thread
    urgent = {int(name.rpartition(":")[2]) for name, policy in mine.items() if policy}
    print(json.dumps({
        "urgent": urgent == {main, store}, "none": not urgent, "threads": len(mine),
        "api": sum(policies(server.api.process.pid).values()),
        "nice": given_way(server.api.process.pid),
        "shown": server.operating.priority()}), flush=True)
    server.stop()

config = load(None)
folder = Path(sys.argv[1])
config = replace(config, store=folder / "xapp.db", taps=(),
                 listen=(Address.parse("tcp://127.0.0.1:0"),),
                 api=replace(config.api, port=0, token_file=folder / "token"),
                 scheduling=replace(config.scheduling, real_time=sys.argv[2] == "on"))
asyncio.run(XappServer(config, started=look).run())
"""


@pytest.mark.parametrize("asked", ["on", "off"])
def test_the_loop_and_the_store_s_thread_are_urgent_and_nothing_else(
    tmp_path: Path, asked: str
) -> None:
    done = subprocess.run([sys.executable, "-c", SCHEDULED, str(tmp_path), asked], cwd=ROOT,
                          capture_output=True, text=True, timeout=2 * HANG_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["threads"] >= 3  # there are others, of checkpoints
    assert told["api"] == 0
    assert told["nice"] >= 10  # it gives way, once it serves
    if told["shown"]:
        assert (told["urgent"], told["shown"]) == (True, 10)
        assert asked == "on"
    else:
        assert told["none"]
