"""The site builds, strictly, and no page of it asks for anything from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LOADING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


class Loaded(HTMLParser):
    """Addresses that a browser loads with a page, and those of its links."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get(LOADING.get(tag, ""))
        if address is not None:
            self.addresses.append(address)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_every_page_of_docs_is_in_it(site: Path) -> None:
    for page in (ROOT / "docs").glob("**/*.md"):
        assert (site / page.relative_to(ROOT / "docs").with_suffix(".html")).exists(), page


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages = list(site.glob("**/*.html"))
    assert pages
    for page in pages:
        loaded = Loaded()
        loaded.feed(page.read_text(encoding="utf-8"))
        assert loaded.addresses
        for address in loaded.addresses:
            assert not re.match(r"(?:[a-z]+:)?//", address), f"{page}: {address}"
            if not address.startswith(("data:", "#")):
                base = site if address.startswith("/") else page.parent  # 404.html has no place
                assert (base / address.partition("?")[0].lstrip("/")).exists(), (
                    f"{page}: {address}")


def test_styles_load_nothing_from_elsewhere(site: Path) -> None:
    for sheet in site.glob("**/*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"(?:url\(['\"]?|@import ['\"])(?:https?:)?//", text), sheet
