"""What is rendered is sound by every check at hand: parsers, our own programs, bash, systemd."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pcap_tools.bpf import compile_filter
from testbed.cli import main
from testbed.deploy.render import Form, rendered
from tests.testbed.deploy.sites import TEXTS, example, lab, site
from xapp.config_reading import yaml_document

NAMES = ["example", *TEXTS]
EN10MB = 1
WITH_COMMAND = (".yaml", ".conf", ".sh", ".service", ".Dockerfile")


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("name", NAMES)
def test_files_parse_and_have_their_command_on_top(tmp_path: Path, name: str, form: Form) -> None:
    folder = lab(tmp_path, name, form)
    for file in sorted(folder.rglob("*")):
        text = file.read_text() if file.is_file() else ""
        assert "{{" not in text
        assert "{%" not in text
        if file.suffix == ".yaml" and file.name != "site.yaml":
            assert yaml_document(file)
        if file.suffix == ".json":
            json.loads(text)
        if file.suffix in WITH_COMMAND and file.name != "site.yaml":
            head = [line for line in text.splitlines()[:12] if line.startswith("#   ")]
            assert head, f"{file} has no command on top"
            installed = f"/etc/airsplit/lab/{file.relative_to(folder)}"
            assert any(re.search(rf"{re.escape(installed)}(\s|$)", line) for line in head) or (
                file.suffix == ".service" and any(file.name in line for line in head)), head
        assert all(len(line) < 200 for line in text.splitlines())


@pytest.mark.parametrize("name", NAMES)
def test_scripts_are_shell(tmp_path: Path, name: str) -> None:
    scripts = sorted(lab(tmp_path, name).rglob("*.sh"))
    assert scripts
    for script in scripts:
        subprocess.run(["bash", "-n", str(script)], check=True)
        assert script.stat().st_mode & 0o100
        if shutil.which("shellcheck"):
            subprocess.run(["shellcheck", str(script)], check=True)


@pytest.mark.parametrize("name", NAMES)
def test_units_are_what_systemd_takes(tmp_path: Path, name: str) -> None:
    verifier = shutil.which("systemd-analyze")
    if verifier is None:
        pytest.skip("there is no systemd-analyze here")
    units = sorted(lab(tmp_path, name).glob("systemd/*.service"))
    done = subprocess.run([verifier, "verify", *map(str, units)], capture_output=True, text=True,
                          timeout=60)
    complaints = [line for line in done.stderr.splitlines()
                  if str(tmp_path) in line or "airsplit-" in line]
    # The programs themselves are on the deployed machine alone.
    assert not [line for line in complaints if "is not executable" not in line]


@pytest.mark.parametrize("name", NAMES)
def test_our_own_programs_take_their_files(tmp_path: Path, name: str,
                                           capsys: pytest.CaptureFixture[str]) -> None:
    folder = lab(tmp_path, name)
    xapp = folder / "xapp" / "xapp.yaml"
    osc = folder / "osc" / "config-file.json"
    for file in (one for one in (xapp, osc) if one.exists()):
        assert main(["xapp", "--config", str(file), "--check"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert said["ran"]["slices"] == [str(one.slice) for one in site(tmp_path, name).slices]
    radio = folder / "radio" / "radio.yaml"
    if radio.exists():
        assert main(["radio", "run", "--config", str(radio), "--check"]) == 0
        assert json.loads(capsys.readouterr().out)["rate"] == site(tmp_path, name).gnb.sample_rate


@pytest.mark.parametrize("name", NAMES)
def test_the_taps_filters_are_filters(tmp_path: Path, name: str) -> None:
    for _, expression, _ in site(tmp_path, name).taps:
        assert compile_filter(expression, EN10MB, 65535, own=True)


def test_ocudu_has_other_names_for_addresses(tmp_path: Path) -> None:
    of_srsran = rendered(example(), Form.BARE)["gnb/gnb.yaml"]
    of_ocudu = rendered(site(tmp_path, "ocudu"), Form.BARE)["gnb/gnb.yaml"]
    assert re.search(r"^    addr: 127.0.0.5$", of_srsran, re.MULTILINE)
    assert re.search(r"^    addrs: 127.0.0.5$", of_ocudu, re.MULTILINE)
    assert "e2sm_ccc_enabled: false" in of_srsran
    assert "e2sm_ccc_enabled: true" in of_ocudu


def test_a_gnb_with_test_ues_needs_no_core(tmp_path: Path) -> None:
    files = rendered(site(tmp_path, "dummy"), Form.BARE)
    assert "no_core: true" in files["gnb/gnb.yaml"]
    assert "ru_dummy" in files["gnb/gnb.yaml"]
    assert not [name for name in files if name.startswith(("open5gs", "ue/", "subscribers"))]


def test_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    folder = lab(tmp_path)
    for name in ("subscribers.json", "subscribers.sh", "ue/phone.conf"):
        assert folder.joinpath(name).stat().st_mode & 0o077 == 0
