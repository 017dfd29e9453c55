"""Subscribers' entries are of both slices, in commands and in documents."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

from testbed.deploy.promotion import PROMOTED_5QI
from testbed.deploy.subscribers import dbctl, documents, mongo
from tests.testbed.deploy.sites import example, site


def test_commands_add_a_ue_and_then_its_other_slices(tmp_path: Path) -> None:
    lines = [line for line in dbctl(site(tmp_path, "oai")).splitlines()
             if line.startswith("open5gs-dbctl")]
    words = [shlex.split(line)[2:] for line in lines]
    assert words == [
        ["add_ue_with_slice", "001010000000001", "465b5ce8b199b49faa5f0a2ee238a6bc",
         "e8ed289deba952e4283b54e88e6183ca", "internet", "1", "000001"],
        ["update_slice", "001010000000001", "llm", "1", "000010"]]


def test_the_script_runs_the_commands(tmp_path: Path) -> None:
    for name in ("open5gs-dbctl", "mongosh"):
        tool = tmp_path / name
        tool.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/said\n')
        tool.chmod(0o755)
    subprocess.run(["bash", "-c", dbctl(example())], check=True,
                   env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    said = (tmp_path / "said").read_text()
    assert said.count("--db_uri=mongodb://127.0.0.1/open5gs add_ue") == 2
    assert said.count("--quiet mongodb://127.0.0.1/open5gs --eval const found = db.subscr") == 2
    for wanted in documents(example()):
        assert json.dumps({"$set": {"slice": wanted["slice"]}}, indent=1) in said
        assert json.dumps({"imsi": wanted["imsi"]}) in said


def test_documents_have_both_slices_as_default_and_a_rule_to_promote_by(tmp_path: Path) -> None:
    found = documents(site(tmp_path, "usrp"))
    assert json.loads(mongo(site(tmp_path, "usrp"))) == found
    assert len(found) == 1
    slices = found[0]["slice"]
    assert [(one["sst"], one["sd"], one["default_indicator"]) for one in slices] == [
        (1, "000001", True), (1, "000010", True)]
    for one in slices:
        rules = one["session"][0]["pcc_rule"]
        assert [rule["qos"]["index"] for rule in rules] == [PROMOTED_5QI]


def test_a_slice_without_differentiator_has_none() -> None:
    entry = next(one for one in documents(example()) if one["imsi"] == "001010000000002")
    assert "sd" not in entry["slice"][0]
