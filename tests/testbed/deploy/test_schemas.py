"""Schemas are schemas, and find what no component would take."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from testbed.deploy import schemas
from testbed.deploy.render import Form
from tests.testbed.deploy.sites import edited, lab

COMPOSE = "compose/compose.yaml"


@pytest.mark.parametrize("schema", [schemas.GNB, schemas.RADIO, schemas.SUBSCRIBERS,
                                    schemas.COMPOSE])
def test_they_are_sound(schema: schemas.Schema) -> None:
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(("file", "old", "new", "key"), [
    ("open5gs/amf.yaml", 'sd: "000001"', "sd: 1", "amf.plmn_support.0.s_nssai.1.sd"),
    ("open5gs/amf.yaml", "  ngap:", "  ngpa:", "amf"),
    ("open5gs/scp.yaml", "uri: http://", "uri: ", "scp.sbi.client.nrf.0.uri"),
    ("gnb/gnb.yaml", "port: 36421", "port: 364210", "e2.port"),
    ("gnb/gnb.yaml", "max_prb_policy_ratio: 100", "max_prb_policy_ratio: 101",
     "cell_cfg.slicing.0.sched_cfg.max_prb_policy_ratio"),
    ("subscribers.json", "465b5ce8", "465b5ce", "0.security.k"),
])
def test_what_no_component_takes_is_found(tmp_path: Path, file: str, old: str, new: str,
                                          key: str) -> None:
    found = edited(lab(tmp_path), file, old, new)
    assert [one for one in found if one.file == file and one.key == key], list(map(str, found))


@pytest.mark.parametrize(("old", "new", "key"), [
    ("    image: mongo:7\n", "    imagge: mongo:7\n", "services.database"),
    ("restart: unless-stopped", "restart: sometimes", "services.database.restart"),
    ('depends_on: ["nrf"]', 'depends_on: ["nrff"]', "services.scp.depends_on"),
])
def test_what_compose_does_not_take_is_found(tmp_path: Path, old: str, new: str, key: str) -> None:
    found = edited(lab(tmp_path, form=Form.COMPOSE), COMPOSE, old, new)
    assert [one for one in found if one.file == COMPOSE and one.key == key], list(map(str, found))
