"""Subscribers are of both slices; the script enters them, and run again it changes nothing."""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from testbed.deploy.errors import DeployError
from testbed.deploy.promotion import PROMOTED_5QI
from testbed.deploy.site import SiteConfig
from testbed.deploy.subscribers import documents, entered, mongo, script
from tests.testbed.deploy.sites import example, site, with_slice

# What mongosh does with the script, on a database of one file: MongoDB's updateOne with an upsert.
DATABASE = r"""
const [file, state] = process.argv.slice(2), fs = require("fs"), vm = require("vm");
const held = fs.existsSync(state) ? JSON.parse(fs.readFileSync(state)) : [];
function put(document, path, value) {
  const names = path.split("."), last = names.pop();
  for (const name of names) document = document[name] ??= {};
  document[last] = value;
}
const subscribers = {updateOne(wanted, change, options) {
  let found = held.find(one => Object.entries(wanted).every(([k, v]) => one[k] === v));
  const isNew = !found;
  if (isNew && !options.upsert) return {matchedCount: 0, modifiedCount: 0, upsertedCount: 0};
  if (isNew) held.push(found = {...wanted});
  const before = JSON.stringify(found);
  if (isNew) for (const [k, v] of Object.entries(change.$setOnInsert)) put(found, k, v);
  for (const [k, v] of Object.entries(change.$set)) put(found, k, v);
  const other = JSON.stringify(found) !== before;
  return {matchedCount: +!isNew, modifiedCount: +(!isNew && other), upsertedCount: +isNew};
}};
vm.runInNewContext(fs.readFileSync(file, "utf8"), {db: {subscribers}, print: console.log});
fs.writeFileSync(state, JSON.stringify(held));
"""


class Mongosh:
    """A database that the script is run against."""

    def __init__(self, folder: Path) -> None:
        node = shutil.which("node")
        if node is None:
            pytest.skip("there is no node here")
        self.folder, self.state = folder, folder / "state.json"
        (folder / "database.js").write_text(DATABASE)
        tool = folder / "mongosh"
        tool.write_text(f'#!/bin/sh\necho "$@" >>{folder}/arguments\nfor file; do :; done\n'
                        f'ls -l "$file" >>{folder}/listed\n'
                        f'exec {node} {folder}/database.js "$file" {self.state}\n')
        tool.chmod(0o755)

    def run(self, text: str) -> list[str]:
        done = subprocess.run(["bash"], input=text, text=True, capture_output=True, check=True,
                              timeout=60, env={"PATH": f"{self.folder}:/usr/bin:/bin",
                                               "TMPDIR": str(self.folder)})
        return done.stdout.splitlines()

    @property
    def held(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.state.read_text())
        return found


def test_run_twice_it_enters_once(tmp_path: Path) -> None:
    mongosh = Mongosh(tmp_path)
    text = script(example())
    assert mongosh.run(text) == ["001010000000001 entered", "001010000000002 entered"]
    first = mongosh.held
    assert sorted(first, key=lambda one: one["imsi"]) == documents(example())
    assert mongosh.run(text) == [
        "001010000000001 is there already", "001010000000002 is there already"]
    assert mongosh.held == first
    assert (tmp_path / "arguments").read_text().count("mongodb://127.0.0.1/open5gs") == 2
    assert "465b5ce8" not in (tmp_path / "arguments").read_text()  # anyone may read those
    assert (tmp_path / "listed").read_text().count("-rw-------") == 2
    assert not list(tmp_path.glob("*.js.*")) + list(tmp_path.glob("tmp*"))


def test_what_the_network_wrote_stays_and_what_the_site_says_is_restored(tmp_path: Path) -> None:
    mongosh = Mongosh(tmp_path)
    mongosh.run(script(example()))
    held = mongosh.held
    held[0]["security"]["sqn"] = 97
    held[0] |= {"imeisv": ["4370816125816151"], "note": "the one on the shelf"}
    mongosh.state.write_text(json.dumps(held))
    assert mongosh.run(script(example()))[0] == "001010000000001 is there already"
    assert mongosh.held == held
    held[0]["slice"][0]["default_indicator"] = False
    held[1]["security"]["opc"] = "0" * 32
    mongosh.state.write_text(json.dumps(held))
    assert mongosh.run(script(example())) == ["001010000000001 changed", "001010000000002 changed"]
    now = mongosh.held
    assert now[0]["slice"] == documents(example())[0]["slice"]
    assert now[0]["security"]["sqn"] == 97
    assert now[0]["note"] == "the one on the shelf"
    assert now[1]["security"] == documents(example())[1]["security"]


def test_a_site_that_changed_changes_entries(tmp_path: Path) -> None:
    mongosh = Mongosh(tmp_path)
    mongosh.run(script(example()))
    other = with_slice(example(), 1, five_qi=7)
    assert mongosh.run(script(other)) == [
        "001010000000001 changed", "001010000000002 is there already"]
    assert mongosh.held == documents(other)


def test_without_mongosh_it_says_what_to_do(tmp_path: Path) -> None:
    for name in ("cat", "mktemp", "rm", "bash"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    done = subprocess.run([tmp_path / "bash"], input=script(example()), text=True,
                          capture_output=True, env={"PATH": str(tmp_path)}, timeout=60)
    assert done.returncode == 1
    assert "no mongosh here: install it, or enter subscribers.json" in done.stderr


def test_a_database_that_fails_fails_the_script(tmp_path: Path) -> None:
    (tmp_path / "mongosh").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "mongosh").chmod(0o755)
    done = subprocess.run(["bash"], input=script(example()), text=True, capture_output=True,
                          timeout=60, env=os.environ | {
                              "PATH": f"{tmp_path}:/usr/bin:/bin", "TMPDIR": str(tmp_path)})
    assert done.returncode == 3
    assert not list(tmp_path.glob("*.js"))


def test_a_script_s_documents_are_those_for_mongoimport(tmp_path: Path) -> None:
    for one in (example(), site(tmp_path, "usrp")):
        assert entered(script(one)) == json.loads(mongo(one)) == documents(one)
    with pytest.raises(DeployError, match="has no line"):
        entered("true")


def test_documents_have_both_slices_as_default_and_a_rule_to_promote_by(tmp_path: Path) -> None:
    found = documents(site(tmp_path, "usrp"))
    assert len(found) == 1
    slices = found[0]["slice"]
    assert [(one["sst"], one["sd"], one["default_indicator"]) for one in slices] == [
        (1, "000001", True), (1, "000010", True)]
    for one in slices:
        rules = one["session"][0]["pcc_rule"]
        assert [rule["qos"]["index"] for rule in rules] == [PROMOTED_5QI]


def types(found: SiteConfig) -> list[int]:
    return [session["type"] for one in documents(found) for part in one["slice"]
            for session in part["session"]]


def test_a_session_is_of_its_network_s_version() -> None:
    assert types(example()) == [1, 1]
    assert types(with_slice(example(), 1, subnet=ipaddress.ip_network("2001:db8::/48"))) == [2, 1]


def test_a_slice_without_differentiator_has_none() -> None:
    entry = next(one for one in documents(example()) if one["imsi"] == "001010000000002")
    assert "sd" not in entry["slice"][0]
