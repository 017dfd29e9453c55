"""The ends as a process: doors are told, bytes cross, the capture ends when told."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import yaml

from pcap_tools.read import open_captures
from testbed.loop.relay_ends import END_CAPTURE, EndsConfig
from tests.testbed.loop.ends import cell_in, config_in
from tests.testbed.loop.test_relay_link import echo
from xapp.config_reading import build


def written(config: EndsConfig, folder: Path) -> Path:
    file = folder / "ends.yaml"
    said = {name: str(value) if isinstance(value, Path) else value
            for name, value in asdict(config).items()}
    file.write_text(yaml.safe_dump(json.loads(json.dumps(said))))
    return file


def test_a_file_says_all_of_it(tmp_path: Path) -> None:
    config = config_in(tmp_path, 80)
    assert build(EndsConfig, yaml.safe_load(written(config, tmp_path).read_text())) == config


def test_without_a_cell_it_says_so(tmp_path: Path) -> None:
    file = written(config_in(tmp_path, 80), tmp_path)
    done = subprocess.run([sys.executable, "-m", "testbed.loop.relay_ends", str(file)],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
    assert done.returncode == 1
    assert done.stderr.startswith("ends: No devices are given at")


async def whole(folder: Path) -> dict[str, object]:
    """What it said at its end."""
    edge = await asyncio.start_server(echo, "127.0.0.1", 0)
    file = written(config_in(folder, edge.sockets[0].getsockname()[1]), folder)
    with cell_in(folder):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "testbed.loop.relay_ends", str(file),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = json.loads(await process.stdout.readline())["doors"]["phone"]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"hello" * 1000)
            assert await reader.readexactly(5000) == b"hello" * 1000
            process.stdin.write(END_CAPTURE.encode() + b"\n")
            assert "captured" in json.loads(await process.stdout.readline())
            writer.close()
            process.stdin.close()
            account = json.loads(await process.stdout.readline())["account"]
            assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    edge.close()
    assert isinstance(account, dict)
    return account


def test_a_phone_reaches_the_edge_through_the_cell(tmp_path: Path) -> None:
    account = asyncio.run(asyncio.wait_for(whole(tmp_path), 120))
    core = account["core"]
    assert isinstance(core, dict)
    captured = sum(len(one) for one in open_captures([tmp_path / "edge.pcap"]))
    assert core["told_to_the_tap"] >= captured >= 10
    assert core["lost_on_the_way_to_the_tap"] == 0
