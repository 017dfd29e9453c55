"""`airsplit deploy`, as a person runs it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from testbed.cli import build_parser, main
from tests.testbed.deploy.sites import EXAMPLE


def test_a_site_is_begun_rendered_edited_and_checked(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site, out = tmp_path / "site.yaml", tmp_path / "lab"
    assert main(["deploy", "init", str(site)]) == 0
    assert main(["deploy", "init", str(site)]) == 1
    assert main(["deploy", "check", str(site)]) == 0
    assert main(["deploy", "render", str(site), "--out", str(out)]) == 0
    assert main(["deploy", "render", str(site), "--out", str(out)]) == 0  # over it
    assert main(["deploy", "check", str(out)]) == 0
    gnb = out / "gnb" / "gnb.yaml"
    gnb.write_text(gnb.read_text().replace("enable_du_e2: true", "enable_du_e2: false"))
    capsys.readouterr()
    assert main(["deploy", "check", str(out)]) == 1
    assert "enable_du_e2: is not on" in capsys.readouterr().out
    assert main(["deploy", "check", str(out), "--json"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["severity"], one["file"]) for one in lines] == [("error", "gnb/gnb.yaml")]


def test_a_site_that_contradicts_itself_is_not_rendered(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(EXAMPLE.read_text().replace("001010000000002", "001010000000001"))
    assert main(["deploy", "render", str(site), "--out", str(tmp_path / "lab")]) == 1
    assert "2 UEs have the IMSI" in capsys.readouterr().err
    assert not (tmp_path / "lab").exists()


def test_a_folder_of_something_else_is_left_alone(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text("")
    assert main(["deploy", "render", str(EXAMPLE), "--out", str(tmp_path)]) == 1
    assert "other files" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["render", "none.yaml", "--out", "x"], ["check", "none.yaml"],
                                   ["subscribers", "none.yaml"],
                                   ["e2-lab", "--out", "x", "--ric", "nobody"]])
def test_what_is_not_there_is_one_line(words: list[str],
                                       capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", *words]) == 1
    said = capsys.readouterr().err
    assert said.startswith("airsplit deploy: ")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(("form", "begin"), [("mongosh", "#!/usr/bin/env bash"), ("json", "[")])
def test_subscribers_are_printed(form: str, begin: str,
                                 capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "subscribers", str(EXAMPLE), "--format", form]) == 0
    assert capsys.readouterr().out.startswith(begin)


@pytest.mark.parametrize("gnb", ["srsran", "ocudu"])
def test_the_e2_lab_is_sound(tmp_path: Path, gnb: str) -> None:
    out = str(tmp_path / "lab")
    assert main(["deploy", "e2-lab", "--out", out, "--gnb", gnb, "--ric", "192.0.2.9"]) == 0
    assert main(["deploy", "check", out]) == 0


def test_a_pcf_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    flow = "tcp:10.46.0.2:40000:192.0.2.7:8470"
    words = ["--pcf", "http://127.0.0.1:1", "--dnn", "llm", "--flow", flow, "--slice", "1-000001"]
    assert main(["deploy", "promote", *words]) == 1
    assert main(["deploy", "release", "--pcf", "http://127.0.0.1:1", "17"]) == 1
    assert capsys.readouterr().err.count("does not answer") == 2


def test_examples_of_the_help_are_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["deploy", "--help"])
    text = re.sub(r"\\\n\s+", "", capsys.readouterr().out)
    examples = re.findall(r"^  airsplit (deploy .+)$", text, re.MULTILINE)
    assert len(examples) >= 9
    for one in examples:
        build_parser().parse_args(shlex.split(re.split(r" {2,}| \| ", one)[0]))
