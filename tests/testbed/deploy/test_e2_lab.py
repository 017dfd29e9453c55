"""The lab's file says what was rendered."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.deploy.e2_lab import e2_lab, site_text
from testbed.deploy.errors import DeployError
from testbed.deploy.site import GnbKind, load


@pytest.mark.parametrize("kind", [GnbKind.SRSRAN, GnbKind.OCUDU])
@pytest.mark.parametrize("address", ["127.0.0.1", "192.0.2.9"])
def test_its_text_is_the_site(tmp_path: Path, kind: GnbKind, address: str) -> None:
    site = e2_lab(kind, address, 36421, ues=3)
    file = tmp_path / "site.yaml"
    file.write_text(site_text(site))
    assert load(file) == site


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(DeployError, match="no IPv4 address"):
        e2_lab(GnbKind.SRSRAN, "ric", 36421, 1)
