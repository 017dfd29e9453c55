"""What a scenario of the execution modes may say is known before anything is started."""

from __future__ import annotations

import pytest

from testbed import namespaces
from testbed.experiments.errors import BadScenario
from testbed.experiments.modes_kind import Modes


@pytest.mark.parametrize(("settings", "told"), [
    ({"mode": "split", "split": 99}, "99 layers are to be on the client, and story-gemma3 has 8"),
    ({"mode": "private", "split": 4, "tail": 5}, "9 layers"),
    ({"model": "/nowhere"}, "no folder /nowhere"),
    ({"encoding": "mp3"}, "settings: There is no encoding"),
    ({"likeliest": -3}, "settings: likeliest is -3")])
def test_what_cannot_be_is_refused_once(settings: dict[str, object], told: str) -> None:
    with pytest.raises(BadScenario) as caught:
        Modes().check(settings)
    assert told in caught.value.problem
    assert "settings: settings" not in caught.value.problem


def test_a_cut_is_no_matter_of_modes_that_do_not_cut() -> None:
    Modes().check({"mode": "semantic", "split": 99})
    Modes().check({"mode": "split", "split": 8})


def test_what_needs_root_may_be_planned_by_anyone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces, "available", lambda: False)
    kind = Modes()
    kind.check({"link": "loopback"})
    kind.prepare()
    kind.check({"link": "shaped"})
    with pytest.raises(BadScenario, match="shaped is made of network namespaces"):
        kind.prepare()
