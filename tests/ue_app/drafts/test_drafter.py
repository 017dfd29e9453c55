"""Every drafter has the interface, the fakes of the tests too."""

from __future__ import annotations

from tests.ue_app.drafts.guessing import Oracle
from ue_app.drafts.auto import AutoDrafter
from ue_app.drafts.drafter import Drafter
from ue_app.drafts.lookup import LookupDrafter
from ue_app.drafts.model import ModelDrafter


def test_the_interface_is_the_real_one() -> None:
    names = {name for name in vars(Drafter) if not name.startswith("_")}
    for kind in (AutoDrafter, LookupDrafter, ModelDrafter, Oracle):
        assert names <= set(dir(kind)), kind
