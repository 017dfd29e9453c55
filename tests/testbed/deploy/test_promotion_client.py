"""The command's client is the xApp's."""

from __future__ import annotations

from testbed.deploy import promotion_client
from xapp.promotion_client import PromotionClient


def test_there_is_one_client() -> None:
    assert promotion_client.PromotionClient is PromotionClient
