"""Rules that are no comparison."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.deploy.findings import Severity
from testbed.deploy.render import Form, rendered, write
from testbed.deploy.site import load
from tests.testbed.deploy.sites import TEXTS, edited, lab, site_file


@pytest.mark.parametrize(("flag", "severity"), [
    ("enable_du_e2", Severity.ERROR), ("e2sm_kpm_enabled", Severity.ERROR),
    ("enable_cu_cp_e2", Severity.WARNING), ("e2sm_rc_enabled", Severity.WARNING)])
def test_a_flag_that_is_off_is_as_bad_as_what_it_costs(tmp_path: Path, flag: str,
                                                       severity: Severity) -> None:
    found = edited(lab(tmp_path), "gnb/gnb.yaml", f"{flag}: true", f"{flag}: false")
    assert [one.severity for one in found if one.key == f"e2.{flag}"] == [severity]


def test_flexric_ends_when_a_cu_up_sets_up(tmp_path: Path) -> None:
    text = TEXTS["oai"].replace("kind: oai, radio: rfsim, band: 78, arfcn: 641280, spacing_khz: 30,"
                                " bandwidth_mhz: 40", "kind: ocudu, radio: usrp")
    file = site_file(tmp_path, "oai")
    file.write_text(text)
    write(rendered(load(file), Form.BARE), tmp_path)
    found = edited(tmp_path, "gnb/gnb.yaml", "enable_cu_up_e2: false", "enable_cu_up_e2: true")
    assert [one for one in found if one.key == "e2.enable_cu_up_e2"]


def test_a_period_that_nobody_set_is_a_second(tmp_path: Path) -> None:
    found = edited(lab(tmp_path), "gnb/gnb.yaml", "du_report_period", "du_report_perioda")
    assert any("1000 ms is the default" in one.problem for one in found)


def test_a_configuration_that_the_xapp_refuses_is_found(tmp_path: Path) -> None:
    found = edited(lab(tmp_path), "xapp/xapp.yaml", "profile: srsran", "profile: srs")
    assert any("no kind of base station" in one.problem for one in found)
