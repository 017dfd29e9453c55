"""Errors of deployments that a person can act on.

    EdgeError
    └── TestbedFailure
        └── DeployError        a site, a folder or an answer that cannot be used
"""

from __future__ import annotations

from testbed.errors import TestbedFailure


class DeployError(TestbedFailure):
    """A site, a folder or an answer that cannot be used."""
