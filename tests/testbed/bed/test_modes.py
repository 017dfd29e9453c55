"""The best mode that works is chosen, with the reasons told; a forced one works or is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from testbed import namespaces
from testbed.bed.bed_command import MODES
from testbed.bed.modes import Mode, NoMode, detect, obstacle


def without(*missing: Mode) -> Callable[[Mode], str | None]:
    return lambda mode: "it is missing" if mode in missing else None


@pytest.mark.parametrize(("missing", "chosen"), [
    ((), Mode.ROOT), ((Mode.ROOT,), Mode.USER), ((Mode.USER,), Mode.ROOT),
    ((Mode.ROOT, Mode.USER), Mode.RELAY)])
def test_the_best_that_works(missing: tuple[Mode, ...], chosen: Mode) -> None:
    found = detect(obstacles=without(*missing))
    assert found.mode is chosen
    better = list(Mode)[:list(Mode).index(chosen)]
    assert all(f"not {one} (it is missing)" in found.why for one in better)


def test_none_works() -> None:
    with pytest.raises(NoMode, match=r"not root \(it is missing\); not user \(it is missing\); "
                                     r"not relay"):
        detect(obstacles=without(*Mode))


@pytest.mark.parametrize("mode", Mode)
def test_a_forced_one_is_taken_or_refused(mode: Mode) -> None:
    assert detect(mode, without()).mode is mode
    with pytest.raises(NoMode, match="it is missing") as caught:
        detect(mode, without(mode))
    assert "To have it" in str(caught.value)


def test_the_user_mode_says_what_it_cannot() -> None:
    assert "real-time priority is not permitted" in detect(Mode.USER, without()).why


def test_an_ordinary_user_is_not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert obstacle(Mode.ROOT) == "you are not root"


def test_relays_need_no_right() -> None:
    assert obstacle(Mode.RELAY) is None


def test_the_command_line_knows_every_mode() -> None:
    assert tuple(Mode) == MODES


def test_root_without_its_capabilities_is_told_what_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(namespaces, "lacking", lambda: ["CAP_SYS_ADMIN"])
    assert obstacle(Mode.ROOT) == "root has not CAP_SYS_ADMIN here"
