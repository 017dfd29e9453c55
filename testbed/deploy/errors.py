"""Errors of deployments that a person can act on.

    EdgeError
    └── TestbedFailure
        └── DeployError        a site, a folder or an answer that cannot be used
            └── PromotionRefused   the core's policy function said no, or nothing
"""

from __future__ import annotations

from testbed.errors import TestbedFailure


class DeployError(TestbedFailure):
    """A site, a folder or an answer that cannot be used."""


class PromotionRefused(DeployError):
    """The core's policy function said no, or nothing."""
