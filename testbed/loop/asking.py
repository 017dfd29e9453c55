"""Questions to programs of this machine that answer in JSON over HTTP; an answer or None.

A busy machine answers late: who asks every half second can do without one answer, and counts it.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from testbed.errors import TestbedFailure

SECONDS = 5.0  # for an answer


def ask(url: str) -> dict[str, Any] | None:
    """The object that is answered; None where there is no answer."""
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as reply:
            found = json.load(reply)
    except (urllib.error.URLError, OSError, ValueError):
        return None
    return found if isinstance(found, dict) else {"items": found}


def put(url: str, document: dict[str, Any], token_file: Path) -> None:
    """Change something at an xApp's API, with the operator's token."""
    token = token_file.read_text(encoding="utf-8").strip()
    request = urllib.request.Request(
        url, json.dumps(document).encode(), method="PUT",
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as reply:
            reply.read()
    except (urllib.error.URLError, OSError) as error:
        raise TestbedFailure(f"{url} takes no order: {error}.", "See the xApp's log.") from error
