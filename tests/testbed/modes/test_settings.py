"""What cannot be is refused with a name, and links are shared where they can be."""

from __future__ import annotations

import pytest

from testbed.errors import TestbedFailure
from testbed.modes.places import named
from testbed.modes.policies import Mode
from testbed.modes.settings import Batching, LinkKind, ModesSettings, Phase
from xapp.errors import ConfigurationError


@pytest.mark.parametrize(("wrong", "named"), [
    ({"steps": 0}, "steps"), ({"batch": 0}, "batch"), ({"context": 100, "steps": 90}, "context"),
    ({"turns": 20}, "context"), ({"encoding": "mp3"}, "mp3"), ({"rate_mbps": 0.0}, "rate_mbps"),
    ({"backend": "fast", "server_device": "cuda"}, "reference"),
    ({"link": LinkKind.HOST}, "edge"), ({"split": -1}, "split"), ({"likeliest": -3}, "likeliest"),
    ({"backend": "nonsense"}, "auto, fast, reference"), ({"precision": "fp99"}, "bf16"),
    ({"snr_db": 1e6}, "snr_db"), ({"bandwidth_mhz": 0}, "bandwidth_mhz"),
    ({"link": LinkKind.HOST, "mode": Mode.HANDLE, "edge": "h:1"}, "server")])
def test_what_cannot_be(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        ModesSettings(**wrong)  # type: ignore[arg-type]  # that is what is tested


def test_phases() -> None:
    one = ModesSettings(phase=Phase.PREFILL)
    assert (one.prompt(), one.wanted()) == (64, 1)
    one = ModesSettings(phase=Phase.DECODE)
    assert (one.prompt(), one.wanted()) == (1, 50)


@pytest.mark.parametrize(("mode", "together", "who"), [
    (Mode.SPLIT, False, (False, True)), (Mode.SPLIT, True, (True, False)),
    (Mode.HANDLE, True, (True, False)), (Mode.LOCAL, True, (False, False))])
def test_who_serves(mode: Mode, together: bool, who: tuple[bool, bool]) -> None:
    one = ModesSettings(mode, batch=2, batching=Batching.TOGETHER if together else
                        Batching.SIDE_BY_SIDE)
    assert (one.needs_server, one.needs_edge) == who


def test_trials_share_a_link_of_the_same_kind() -> None:
    slow = ModesSettings(link=LinkKind.SHAPED, rate_mbps=1)
    assert slow.link_key() == ModesSettings(Mode.HANDLE, link=LinkKind.SHAPED,
                                            rate_mbps=1).link_key()
    assert slow.link_key() != ModesSettings(link=LinkKind.SHAPED, rate_mbps=2).link_key()
    assert ModesSettings(rate_mbps=1).link_key() == ModesSettings(rate_mbps=2).link_key()


def test_who_is_named() -> None:
    assert named(None) is None
    for text in ("192.0.2.7:8470", "http://192.0.2.7:8470/"):
        found = named(text)
        assert found is not None
        assert (found.host, found.port, found.process) == ("192.0.2.7", 8470, None)
    found = named("[2001:db8::1]:80")
    assert found is not None
    assert found.host == "2001:db8::1"
    for text in ("192.0.2.7", "host:", ":80"):
        with pytest.raises(TestbedFailure, match="HOST:PORT"):
            named(text)
