"""The process and its signals: until all is closed, none of them ends it in the middle."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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
