"""A machine is sound where a mode works and nothing is lacking that all modes need."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.bed import doctor, modes, probes
from testbed.bed.doctor import Finding, Grade, examine, sound
from testbed.bed.layout import default_settings
from testbed.bed.modes import Mode

GOOD_ROOT = Finding("mode root", Grade.GOOD, "works", mode=Mode.ROOT)
NO_USER = Finding("mode user", Grade.LACKING, "refused", mode=Mode.USER)


def test_one_mode_is_enough() -> None:
    assert sound([GOOD_ROOT, NO_USER])
    assert not sound([NO_USER])
    assert sound([GOOD_ROOT, Finding("cores", Grade.WEAK, "1")])
    assert not sound([GOOD_ROOT, Finding("usrsctp", Grade.LACKING, "not installed")])


def test_what_lacks_is_told_with_its_remedy(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(doctor, "obstacle", lambda mode: f"{mode} is refused")
    monkeypatch.setattr(probes, "user_sctp_trouble", lambda: "libusrsctp is not installed")
    monkeypatch.setattr(probes, "cores", lambda: 1)
    monkeypatch.setattr(probes, "warm_files", lambda: 0)
    monkeypatch.setattr(probes, "browser", lambda: None)
    found = {one.what: one for one in examine(default_settings())}
    assert found["mode user"] == Finding("mode user", Grade.LACKING, "user is refused",
                                         modes.REMEDY[Mode.USER], Mode.USER)
    assert found["usrsctp"].remedy == "apt-get install libusrsctp2"
    for name in ("cores", "compiled code", "browser"):
        assert found[name].grade is Grade.WEAK
        assert found[name].remedy
    assert found["state folder"].grade is Grade.GOOD
    assert not sound(list(found.values()))
    assert all(one.remedy for one in found.values() if one.grade is Grade.LACKING)
