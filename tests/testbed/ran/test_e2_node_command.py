"""`airsplit e2-node`: options, mistakes, and what it shows before it connects to anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.cli import main
from testbed.ran.faults import Fault


def shown(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, object]:
    assert main(["e2-node", "--check", *options]) == 0
    document = json.loads(capsys.readouterr().out)
    assert isinstance(document, dict)
    return document


def test_its_default_is_srsran_with_one_cell(capsys: pytest.CaptureFixture[str]) -> None:
    document = shown(capsys)
    assert document["node"]["profile"] == "srsran"  # type: ignore[index]  # JSON
    assert len(document["cells"]["cells"]) == 1  # type: ignore[index]  # JSON
    assert len(document["cells"]["ues"]) == 4  # type: ignore[index]  # JSON


def test_options_say_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    document = shown(capsys, "--profile", "ocudu", "--cells", "2", "--ues", "3", "--load", "light",
                     "--seed", "9", "--gnb-id", "7", "--cu-up", "--test-mode",
                     "--report-period", "0.1")
    node = document["node"]
    assert isinstance(node, dict)
    assert (node["profile"], node["gnb_id"], node["cu_up"], node["test_mode"],
            node["report_period"]) == ("ocudu", 7, True, True, 0.1)
    assert len(document["cells"]["ues"]) == 6  # type: ignore[index]  # JSON
    assert document["cells"]["seed"] == 9  # type: ignore[index]  # JSON


@pytest.mark.parametrize(("profile", "told"), [
    ("spec", True), ("oai", True), ("flexric", True), ("srsran", False), ("ocudu", False)])
def test_a_period_that_changes_nothing_is_told(
    profile: str, told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["e2-node", "--check", "--profile", profile, "--report-period", "0.2"]) == 0
    text = capsys.readouterr().err
    assert (profile in text and "0.2 s changes nothing" in text) is told
    assert main(["e2-node", "--check", "--profile", profile]) == 0
    assert capsys.readouterr().err == ""


def test_a_file_and_options_above_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cell.yaml"
    file.write_text("node: {profile: oai}\ncells: {cells: [{nci: 16384}], ues: []}\n",
                    encoding="utf-8")
    document = shown(capsys, "--config", str(file), "--profile", "flexric", "--seed", "3")
    assert document["node"]["profile"] == "flexric"  # type: ignore[index]  # JSON
    assert document["cells"]["seed"] == 3  # type: ignore[index]  # JSON


def test_faults_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["e2-node", "--fault", "list"]) == 0
    text = capsys.readouterr().out
    assert all(one.value in text for one in Fault)


@pytest.mark.parametrize(("options", "named"), [
    (["--fault", "earthquake"], "earthquake"), (["--late-ack", "-1"], "--late-ack"),
    (["--map-port", "70000", ], "--map-port"),
    (["--remote-port", "-1"], "--remote-port"), (["--cells", "0"], "0 cells"),
    (["--config", "/no/such/file"], "/no/such/file"), (["--ric", "ftp://x"], "ftp"),
    (["--gnb-id", "99999999"], "gNB"), (["--profile", "oai", "--cu-up", "--ric", "tcp://[::1]:1"],
                                        "one association"),
    (["--report-period", "0"], "report_period"), (["--report-period", "nan"], "report_period")])
@pytest.mark.parametrize("check", [True, False], ids=["check", "run"])
def test_mistakes_are_one_line(
    options: list[str], named: str, check: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["e2-node", *options, *(["--check"] if check else [])]) == 1
    text = capsys.readouterr().err
    assert named in text
    assert text.count("\n") == 1


def test_a_file_leaves_no_room_for_a_preset(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["e2-node", "--config", str(tmp_path / "x"), "--ues", "3"]) == 1
    assert "--ues" in capsys.readouterr().err


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["e2-node", "--help"])
    assert "airsplit e2-node --profile oai" in capsys.readouterr().out
