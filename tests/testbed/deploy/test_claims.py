"""What files say is one form, and no file, however it was edited, is more than findings."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.deploy.check_folder import differing
from testbed.deploy.check_rules import rule_findings
from testbed.deploy.claims import claims, site_claims
from testbed.deploy.folder import Folder, read
from testbed.deploy.render import Form
from testbed.deploy.schemas import schema_findings
from tests.testbed.deploy.sites import TEXTS, lab

ODD: tuple[Any, ...] = (None, [], {}, "x", "", -1, 1.5, True, [None], [{}], {"a": 1}, ["1"], "0x")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Folder]:
    place = tmp_path_factory.mktemp("claims")
    return [read(lab(place / f"{name}-{form.value}", name, form))[0]
            for name in ("example", *TEXTS) for form in Form]


def test_every_topic_of_a_claim_is_one_of_the_site(folders: list[Folder]) -> None:
    for folder in folders:
        wanted = site_claims(folder.site)
        said = {claim.topic: claim for claim in claims(folder)}
        assert said
        assert set(said) <= set(wanted)


@pytest.mark.parametrize("topic", ["plmn", "tac", "slices", "E2 port", "sample rate",
                                   "information API of the SMF", "devices of DNNs", "subscribers"])
def test_several_files_speak_of_what_has_to_agree(folders: list[Folder], topic: str) -> None:
    assert [claim for claim in claims(folders[0]) if claim.topic == topic]


@given(st.data())
def test_no_value_whatever_ends_the_check(folders: list[Folder], data: st.DataObject) -> None:
    chosen = data.draw(st.sampled_from(folders))
    folder = Folder(chosen.path, chosen.site, copy.deepcopy(chosen.documents), dict(chosen.texts))
    name = data.draw(st.sampled_from(sorted(folder.documents)))
    node: Any = folder.documents
    key: Any = name
    while data.draw(st.booleans()) and isinstance(node[key], dict | list) and node[key]:
        node = node[key]
        key = data.draw(st.sampled_from(
            sorted(node) if isinstance(node, dict) else range(len(node))))
    node[key] = data.draw(st.sampled_from(ODD))
    list(schema_findings(folder))
    list(differing(claims(folder), site_claims(folder.site), folder))
    rule_findings(folder)


@given(st.data())
def test_no_text_whatever_ends_the_check(folders: list[Folder], data: st.DataObject) -> None:
    chosen = data.draw(st.sampled_from(folders))
    folder = Folder(chosen.path, chosen.site, dict(chosen.documents), dict(chosen.texts))
    name = data.draw(st.sampled_from(sorted(folder.texts)))
    text = folder.texts[name]
    at = data.draw(st.integers(0, len(text)))
    folder.texts[name] = text[:at] + data.draw(st.text(max_size=5)) + text[at + data.draw(
        st.integers(0, 200)):]
    list(differing(claims(folder), site_claims(folder.site), folder))
    rule_findings(folder)


def test_a_folder_has_files_of_every_kind(folders: list[Folder], tmp_path: Path) -> None:
    kinds = {Path(name).suffix for folder in folders for name in folder.texts}
    assert kinds == {".yaml", ".json", ".conf", ".sh", ".service", ".Dockerfile"}
