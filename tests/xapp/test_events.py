"""Events are data: JSON without loss of meaning."""

from __future__ import annotations

import json

from xapp.events import Code, Level, error, info, warning


def test_an_event_is_a_document_of_texts() -> None:
    for make, level in ((info, Level.INFO), (warning, Level.WARNING), (error, Level.ERROR)):
        event = make(Code.NO_EFFECT, "Nothing came of it.", "cell")
        assert json.loads(json.dumps(event.document())) == {
            "level": level.value, "code": "no_effect", "sentence": "Nothing came of it.",
            "subject": "cell"}


def test_codes_are_told_apart() -> None:
    assert len({code.value for code in Code}) == len(Code)
