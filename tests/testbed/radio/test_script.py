"""Changes by time: each at its sample, and what is wrong is said before anything runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from testbed.radio.errors import RadioError
from testbed.radio.mixer import Mixer
from testbed.radio.script import Script, load, read
from testbed.radio.settings import usual

TABLE = """seconds,link,path_loss,outage,snr
0.5,gnb-ue1,,yes,
0,gnb-ue1,10,,
0.25,ue1,,,15
"""


def test_changes_come_at_their_time() -> None:
    mixer = Mixer(usual(1))
    script = Script(read(TABLE.splitlines()), mixer)
    assert script.apply() == 1
    assert mixer.path("gnb-ue1").path_loss == 10
    assert script.until() == round(0.25 * mixer.settings.rate)
    while (most := script.until()) is not None:
        for name in ("gnb", "ue1"):
            mixer.offer(name, np.zeros(mixer.block, np.complex64).tobytes())
            mixer.asked(name)
        mixer.step(most)
        for name in ("gnb", "ue1"):
            mixer.take(name)
        if script.apply():
            last = mixer.position
    assert last == round(0.5 * mixer.settings.rate)
    assert mixer.snr("ue1") == 15
    assert mixer.path("gnb-ue1").outage
    assert mixer.path("gnb-ue1").path_loss == 10


@pytest.mark.parametrize(("text", "named"), [
    ("time,link\n", "seconds"),
    ("seconds,link,loss\n", "loss"),
    ("seconds,link,path_loss\nsoon,gnb-ue1,1\n", "soon"),
    ("seconds,link,outage\n1,gnb-ue1,perhaps\n", "perhaps"),
    ("seconds,link,outage\n1,gnb-ue1\n", "line 2"),
    ("seconds,link,outage\n1,gnb-ue1,no,3\n", "line 2"),
    ("", "first line"),
])
def test_a_table_that_is_none_is_refused(text: str, named: str) -> None:
    with pytest.raises(RadioError, match=named):
        read(text.splitlines())


@pytest.mark.parametrize("line", ["1,gnb-ue7,1,,", "1,ue1,1,,", "1,gnb-ue1,,,3", "1,gnb-ue1,999,,"])
def test_a_change_that_cannot_be_made_is_found_before(line: str) -> None:
    with pytest.raises(RadioError):
        Script(read(["seconds,link,path_loss,outage,snr", line]), Mixer(usual(1)))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RadioError, match=r"walk\.csv"):
        load(tmp_path / "walk.csv")
    (tmp_path / "walk.csv").write_text(TABLE)
    assert [one.seconds for one in load(tmp_path / "walk.csv")] == [0, 0.25, 0.5]
