"""The client of a PCF, as `airsplit deploy promote` uses it; it is the xApp's own."""

from __future__ import annotations

from xapp.promotion_client import PromotionClient

__all__ = ("PromotionClient",)
