"""The lab's file says what was rendered."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.deploy.e2_lab import e2_lab, site_text
from testbed.deploy.errors import DeployError
from testbed.deploy.site import GnbKind, load


@pytest.mark.parametrize("kind", [GnbKind.SRSRAN, GnbKind.OCUDU])
@pytest.mark.parametrize(("address", "own"), [
    ("127.0.0.1", None), ("192.0.2.9", None), ("192.0.2.9", "192.0.2.5")])
def test_its_text_is_the_site(tmp_path: Path, kind: GnbKind, address: str,
                              own: str | None) -> None:
    site = e2_lab(kind, address, 36421, 3, own)
    # No xApp is sent to a remote control at an address that nobody told.
    assert site.gnb.remote == (address == "127.0.0.1" or own is not None)
    file = tmp_path / "site.yaml"
    file.write_text(site_text(site))
    assert load(file) == site


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(DeployError, match="no IPv4 address"):
        e2_lab(GnbKind.SRSRAN, "ric", 36421, 1)
