"""The Compose file is what Docker Compose itself reads, where there is one; it needs no engine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from testbed.deploy.render import Form
from testbed.deploy.services import services
from tests.testbed.deploy.sites import TEXTS, lab, site


def said(*words: str) -> str:
    """What a command prints; nothing where it fails or is not there."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""


@cache
def compose() -> tuple[str, ...]:
    """Version 2 or later, as Docker's own or by itself; the first has another idea of the file."""
    beside = f"{Path(sys.executable).parent}/docker-compose"
    for words in (("docker", "compose"), (shutil.which("docker-compose") or beside,)):
        version = said(*words, "version", "--short").strip().removeprefix("v")
        if version and version[0].isdigit() and int(version.partition(".")[0]) >= 2:
            return words
    pytest.skip("there is no Docker Compose here")


def read(file: Path) -> Any:
    """The file as Compose has it once it is checked and completed."""
    text = said(*compose(), "-f", str(file), "config", "--format", "json")
    return json.loads(text) if text else None


@pytest.mark.parametrize("name", ["example", *TEXTS])
def test_compose_reads_the_file_as_it_is_meant(tmp_path: Path, name: str) -> None:
    compose()
    found = read(lab(tmp_path, name, Form.COMPOSE) / "compose" / "compose.yaml")
    assert found["name"] == "lab"
    wanted = {one.name: one for one in services(site(tmp_path, name), "/etc/airsplit/lab")}
    assert set(found["services"]) == set(wanted)
    for service, one in wanted.items():
        held = found["services"][service]
        assert held["image"] == one.image
        assert tuple(held.get("command") or ()) == one.command
        assert set(held.get("depends_on", {})) == set(one.after)
        assert held.get("privileged", False) == one.privileged
        assert tuple(held.get("cap_add", ())) == one.caps
        assert [f"{each['source']}:{each['target']}" for each in held.get("volumes", ())] == [
            each.removesuffix(":ro") for each in one.volumes]


@pytest.mark.parametrize(("old", "new"), [
    ("network_mode: host", "network_mode: [host]"), ("privileged: true", "privileged: often"),
    ("restart:", "restrat:"), ('depends_on: ["nrf"]', 'depends_on: ["nfr"]')])
def test_compose_would_refuse_what_is_wrong(tmp_path: Path, old: str, new: str) -> None:
    compose()
    file = lab(tmp_path, "example", Form.COMPOSE) / "compose" / "compose.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    assert read(file) is None
