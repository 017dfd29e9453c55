"""What each ground makes of the same loop: command lines, files, addresses; nothing runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed import namespaces
from testbed.bed.modes import Mode
from testbed.errors import NotRoot
from testbed.loop.documents import cell_document
from testbed.loop.grounds import Namespaces, Relays, require
from testbed.loop.programs import Programs
from testbed.loop.relay_ends import EndsConfig
from testbed.loop.settings import LoopSettings, Sessions
from testbed.ran.ran_config import RanConfig
from xapp.config_reading import build


def programs(folder: Path, mode: Mode, sessions: Sessions = Sessions.TWO) -> Programs:
    settings = LoopSettings(name="airsplit-it", mode=mode, crowd=2, page=True, sessions=sessions)
    return Programs(settings, folder, Path("model"), lambda text: None)


def test_namespaces_are_the_phones_networks(tmp_path: Path) -> None:
    with programs(tmp_path, Mode.USER) as made:
        ground = made.ground
        assert isinstance(ground, Namespaces)
        assert ground.in_phone("page", ["x"]) == ["ip", "netns", "exec", "airsplit-it-page", "x"]
        assert ground.edge_of("phone") == "http://10.46.0.1:8470"
        assert ground.page_place() == "airsplit-it-page"
        assert set(ground.namespaces()) == {f"airsplit-it-{one}" for one in (
            "n6", "phone", "page", "crowd1", "crowd2")}


@pytest.mark.parametrize("sessions", Sessions)
def test_relays_ask_for_nothing_but_sockets(tmp_path: Path, sessions: Sessions) -> None:
    with programs(tmp_path, Mode.RELAY, sessions) as made:
        ground = made.ground
        assert isinstance(ground, Relays)
        assert ground.namespaces() == ()
        assert ground.in_core(["x"]) == ground.in_phone("phone", ["x"]) == ["x"]
        assert ground.page_place() is None
        ground._doors = {"phone": 1234}
        assert ground.edge_of("phone") == "http://127.0.0.1:1234"
        ends = build(EndsConfig, ground._document())
        assert [(one.name, one.address) for one in ends.phones] == [
            ("phone", made.settings.phone_address), ("page", made.settings.page_address)]
        assert ends.edge_device in ends.networks
        # The devices that are asked for are those of the cell's own file.
        cell = build(RanConfig, cell_document(made.settings) | {"way": ground.way(False)})
        assert cell.way.devices == ends.cell
        assert {one.device for one in ends.phones} == {
            f"ue{len(cell.phones[0].sessions) - 1}"}
        crowd = ground.way(True)
        assert (crowd["name"], Path(crowd["devices"])) == (ends.name, ends.devices)


def test_only_namespaces_need_a_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces, "available", lambda: False)
    require(LoopSettings(mode=Mode.RELAY))
    for mode in (Mode.ROOT, Mode.USER):
        with pytest.raises(NotRoot):
            require(LoopSettings(mode=mode))
