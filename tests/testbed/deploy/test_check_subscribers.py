"""Subscribers that are not what a site's UEs need are named, in the script as in the documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from testbed.deploy.check_folder import differing, folder_findings
from testbed.deploy.check_subscribers import subscriber_findings
from testbed.deploy.claims import site_claims
from testbed.deploy.claims_core import core_claims
from testbed.deploy.findings import Finding, Severity
from testbed.deploy.folder import Folder, read
from testbed.deploy.subscribers import parted
from tests.testbed.deploy.sites import edited, lab

FILES = ("subscribers.json", "subscribers.sh")
IMSI = "001010000000001"


@cache
def rendered() -> Folder:
    """As it is read from the disk, once."""
    with TemporaryDirectory() as place:
        return read(lab(Path(place), "usrp"))[0]


def said(folder: Folder, severity: Severity = Severity.ERROR) -> list[Finding]:
    found = [*differing(core_claims(folder), site_claims(folder.site), folder),
             *subscriber_findings(folder)]
    return [one for one in found
            if one.file.startswith("subscribers") and one.severity is severity]


def changed(file: str, change: Callable[[Any], object]) -> Folder:
    """A document of a file, edited as a person would."""
    folder = replace(rendered(), documents=dict(rendered().documents), texts=dict(rendered().texts))
    text = folder.texts[file]
    written = text if file.endswith(".json") else parted(text)[0]
    document = json.loads(written)
    change(document)
    folder.texts[file] = text.replace(written.strip(), json.dumps(document, indent=1))
    if file in folder.documents:
        folder.documents[file] = document
    return folder


@pytest.mark.parametrize("name", ["usrp", "oai", "example", "ocudu"])
def test_what_is_rendered_is_as_it_should_be(tmp_path: Path, name: str) -> None:
    found = folder_findings(lab(tmp_path, name))
    assert not [str(one) for one in found if one.file.startswith("subscribers")]


def llm(document: Any) -> Any:
    return document[0]["slice"][1]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(("change", "words"), [
    (lambda d: llm(d).update(sst=2), "sessions of"),
    (lambda d: llm(d).update(sd="000016"), "decimal where hexadecimal"),
    (lambda d: llm(d).pop("sd"), "sessions of"),
    (lambda d: llm(d).update(default_indicator=False), "is no default"),
    (lambda d: llm(d).pop("default_indicator"), "is no default"),
    (lambda d: llm(d).update(default_indicator=1), "is no default"),
    (lambda d: d[0]["slice"].pop(), "sessions of"),
    (lambda d: llm(d)["session"][0].update(name="ims"), "sessions of"),
    (lambda d: llm(d)["session"][0]["qos"].update(index=7), "is 7, and the site's slice has 5QI 9"),
    (lambda d: llm(d)["session"][0].update(qos="9"), "is None, and the site's"),
    (lambda d: d[0]["security"].update(k="0" * 32), f"key of {IMSI}"),
    (lambda d: d[0]["security"].update(opc="0" * 32), f"OPc of {IMSI}"),
    (lambda d: d[0].update(security=[]), f"key of {IMSI}"),
    (lambda d: d[0].update(imsi="001010000000009"), "subscribers: 001010000000009"),
    (lambda d: d.pop(), "subscribers: none here"),
    (lambda d: d.append(dict(d[0])), f"subscribers: {IMSI}, {IMSI}"),
])
def test_a_planted_mistake_is_an_error(file: str, words: str,
                                       change: Callable[[Any], object]) -> None:
    folder = changed(file, change)
    found = [one for one in said(folder) if words in one.problem]
    assert found, [str(one) for one in said(folder)]
    assert all(one.file == file and one.remedy for one in said(folder))


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("rules", [[], None, [{"qos": {"index": 1}}], [{"qos": 2}], "2", [3]])
def test_a_session_without_the_rule_is_named(file: str, rules: object) -> None:
    (found,) = said(changed(file, lambda d: llm(d)["session"][0].update(pcc_rule=rules)))
    assert found.key == f"{IMSI}: llm"
    assert "has no PCC rule of 5QI 2" in found.problem
    assert found.file == file


@pytest.mark.parametrize(("old", "new", "words"), [
    ("const subscribers =", "let subscribers =", "It has no line"),
    ('"imsi":', "imsi:", "are no JSON"),
    ("const subscribers = [", "const subscribers = " + "[" * 100_000, "are no JSON"),
    ("const subscribers = [", "const subscribers = {}; [", "are no JSON"),
])
def test_documents_that_cannot_be_read_are_one_error(tmp_path: Path, old: str, new: str,
                                                     words: str) -> None:
    found = edited(lab(tmp_path, "usrp"), "subscribers.sh", old, new)
    assert [words in one.problem for one in found if one.file == "subscribers.sh"] == [True]


def test_a_document_that_is_no_list_is_told(tmp_path: Path) -> None:
    written = parted(rendered().texts["subscribers.sh"])[0]
    found = edited(lab(tmp_path, "usrp"), "subscribers.sh", written, " 5")
    assert "are no list." in [one.problem for one in found if one.file == "subscribers.sh"]


def test_commands_that_were_edited_are_told(tmp_path: Path) -> None:
    folder = lab(tmp_path, "usrp")
    found = edited(folder, "subscribers.sh", "{upsert: true}", "{}")
    (one,) = (one for one in found if one.file == "subscribers.sh")
    assert one.severity is Severity.WARNING
    assert "is not checked" in one.problem
