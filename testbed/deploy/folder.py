"""A rendered folder as documents, each by its path; what cannot be read is a finding.

    folder, findings = read(Path("lab"))
    folder.documents["open5gs/amf.yaml"]

YAML and JSON become trees, srsUE's and FlexRIC's files sections, OAI's and scripts stay text. It
judges nothing.
"""

from __future__ import annotations

import configparser
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbed.deploy.errors import DeployError
from testbed.deploy.findings import SITE, Finding, error
from testbed.deploy.site import SiteConfig, load
from xapp.config_reading import MOST_BYTES, yaml_document
from xapp.errors import ConfigurationError

_KINDS = (".yaml", ".json", ".conf", ".sh", ".service", ".Dockerfile")
MOST_FILES = 500  # of a folder; a site of 100 UEs has some 150


@dataclass
class Folder:
    """What there is."""

    path: Path
    site: SiteConfig
    documents: dict[str, Any] = field(default_factory=dict)  # YAML, JSON, sections
    texts: dict[str, str] = field(default_factory=dict)  # everything

    def at(self, name: str, *keys: str | int) -> Any:
        """A value within a document; None where there is none."""
        found = self.documents.get(name)
        for key in keys:
            if isinstance(key, int):
                found = found[key] if isinstance(found, list) and len(found) > key else None
            else:
                found = found.get(key) if isinstance(found, Mapping) else None
        return found

    def items(self, name: str, *keys: str | int) -> list[Mapping[str, Any]]:
        """The mappings in a list within a document."""
        found = self.at(name, *keys)
        return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def read(path: Path) -> tuple[Folder, list[Finding]]:
    """A folder with its site; a DeployError where there is no site."""
    if not (path / SITE).is_file():
        raise DeployError(f"{path} holds no {SITE}: name a folder that `airsplit deploy render` "
                          "made, or a site's file.")
    folder, findings = Folder(path, load(path / SITE)), []
    names = sorted(one for one in path.rglob("*") if one.is_file())
    if len(names) > MOST_FILES:
        raise DeployError(f"{path} has more than {MOST_FILES} files: it is no rendered folder.")
    for one in names:
        name = one.relative_to(path).as_posix()
        try:
            _take(folder, one, name)
        except (DeployError, ConfigurationError) as wrong:
            findings.append(error("the file", str(wrong), "Correct it there.", name))
    return folder, findings


def _take(folder: Folder, file: Path, name: str) -> None:
    if name == SITE or file.suffix not in _KINDS:
        return
    folder.texts[name] = text = _text(file)
    if file.suffix == ".yaml":
        folder.documents[name] = yaml_document(file)
    elif file.suffix == ".json":
        try:
            folder.documents[name] = json.loads(text)
        except (ValueError, RecursionError) as wrong:
            raise DeployError(f"It is no JSON: {wrong}.") from None
    elif name.startswith(("ue/", "flexric/")) and "uicc0" not in text:
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_string(text)
        except configparser.Error as wrong:
            said = " ".join(str(wrong).split())[:200]
            raise DeployError(f"It has no sections: {said}.") from None
        folder.documents[name] = {one: dict(parser[one]) for one in parser.sections()}


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise DeployError("It has more than 1 MiB.")
        return data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as wrong:
        raise DeployError(f"It cannot be read: {wrong}.") from None
