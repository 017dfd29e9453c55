"""A subscriber whose flows the PCF would not promote is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.deploy.check_folder import folder_findings
from testbed.deploy.findings import Severity
from tests.testbed.deploy.sites import lab


def said(folder: Path) -> list[str]:
    return [str(one) for one in folder_findings(folder)
            if one.file.startswith("subscribers") and one.severity is Severity.WARNING]


def test_what_is_rendered_can_be_promoted(tmp_path: Path) -> None:
    assert said(lab(tmp_path, "usrp")) == []


@pytest.mark.parametrize("rules", [[], None, [{"qos": {"index": 1}}], [{"qos": 2}], "2", [3]])
def test_a_session_without_the_rule_is_named(tmp_path: Path, rules: object) -> None:
    folder = lab(tmp_path, "usrp")
    file = folder / "subscribers.json"
    document = json.loads(file.read_text())
    document[0]["slice"][1]["session"][0]["pcc_rule"] = rules
    file.write_text(json.dumps(document))
    (found,) = said(folder)
    assert "llm: has no PCC rule of 5QI 2" in found
    assert document[0]["imsi"] in found


def test_a_script_of_dbctl_alone_is_named(tmp_path: Path) -> None:
    folder = lab(tmp_path, "usrp")
    file = folder / "subscribers.sh"
    file.write_text(file.read_text().partition("# What dbctl cannot say")[0])
    (found,) = said(folder)
    assert "subscribers.sh" in found
