"""What the emulated base station says and hears, judged by Wireshark's dissectors."""

from __future__ import annotations

import pytest

from testbed.ran.node_config import NodeConfig
from tests.e2_dissect.dissector import Frame, dissect, need_dissectors
from tests.testbed.ran.scene import Scene
from tests.xapp.e2.test_dissect import write
from xapp.e2.common import Snssai
from xapp.e2.quota import SliceQuota

PROFILES = ("spec", "srsran")


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Frame]]:
    """By kind, those whose layouts are the specification's."""
    need_dissectors()
    folder = tmp_path_factory.mktemp("dissected")
    found = {}
    for profile in PROFILES:
        scene = Scene(profile, node=NodeConfig(profile, cu_up=True)).connect().run(2.0)
        assert scene.quota([SliceQuota(Snssai(1, 1), 20, 90, 5)]).acknowledged
        file = folder / f"{profile}.pcap"
        write(file, [*(one.data for one in scene.to_ric), *scene.to_node])
        found[profile] = dissect(file)
    return found


@pytest.mark.parametrize("profile", PROFILES)
def test_there_is_no_objection(frames: dict[str, list[Frame]], profile: str) -> None:
    mine = frames[profile]
    assert not [(one.number, one.info, one.objections) for one in mine if one.objections]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_procedure_is_there(frames: dict[str, list[Frame]], profile: str) -> None:
    text = " ".join(one.info for one in frames[profile])
    for name in ("E2setupRequest", "RICsubscriptionResponse", "RICindication", "RICcontrolRequest",
                 "RICcontrolAcknowledge"):
        assert name.lower() in text.lower(), name
