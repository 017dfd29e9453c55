"""Settings: every bad value is one clear error, the file is private, and what was kept stays."""

from __future__ import annotations

import json
import stat
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from edge_server.errors import EdgeError
from tests.conftest import MakeCheckpoint
from ue_app.errors import PhoneError, SettingsError
from ue_app.settings import (
    Settings,
    SettingsFile,
    check_model,
    default_settings_file,
    from_values,
    lines,
    manner_of,
    phone_config,
    sampling_of,
    without_token,
)


@pytest.mark.parametrize(("values", "told"), [
    ({"edges": "edge.example:8470"}, "not the address of an edge"),
    ({"edges": "http://a:1\nhttp://"}, "not the address of an edge"),
    ({"token": "two words"}, "token"),
    ({"token": "schlüssel"}, "token"),
    ({"precision": "fp8"}, "There is no precision 'fp8'"),
    ({"backend": "gpu"}, "There is no backend 'gpu'"),
    ({"speculate": "tarot"}, "There is no drafter 'tarot'"),
    ({"temperature": 0.001}, "temperature is out of range"),
    ({"temperature": "hot"}, "temperature: 'hot' is not a value"),
    ({"top_p": 0.0}, "top-p is out of range"),
    ({"top_k": 1.5}, "top k: 1.5 is not a value"),
    ({"min_p": 2.0}, "min-p"),
    ({"repetition_penalty": 0.0}, "repetition-penalty"),
    ({"seed": -1}, "seed"),
    ({"split": -1}, "split -1 is out of range"),
    ({"split": True}, "split: True is not a value"),
    ({"max_new_tokens": 0}, "max new tokens 0 is out of range"),
    ({"max_new_tokens": None}, "max new tokens: None"),
    ({"context": 1}, "context 1"),
    ({"timeout": float("nan")}, "timeout nan"),
    ({"timeout": 0.0}, "timeout 0.0"),
    ({"patience": -1.0}, "patience -1.0"),
    ({"ca": "/no/such/file"}, "There is no file"),
    ({"encoding": "int9"}, "There is no encoding 'int9'"),
    ({"encoding": "auto"}, "need each other"),
    ({"max_ppl_increase": 1.0}, "need each other"),
    ({"encoding": "auto", "max_ppl_increase": -1.0}, "max ppl increase -1.0"),
    ({"colour": "blue"}, "There is no setting 'colour'"),
])
def test_a_bad_value_is_one_clear_error(values: dict[str, Any], told: str) -> None:
    with pytest.raises(PhoneError, match=told) as caught:
        from_values(values)
    assert caught.value.remedy


def test_what_a_form_gives_becomes_settings() -> None:
    settings = from_values({
        "edges": "http://one:1, https://two:2\n\n ws://three:3 ", "models": " a \n b",
        "top_k": 40.0, "temperature": 1, "seed": None, "token": " secret "})
    assert settings.edges == ("http://one:1", "https://two:2", "ws://three:3")
    assert settings.models == ("a", "b")
    assert (settings.top_k, settings.temperature, settings.seed) == (40, 1.0, None)
    assert isinstance(settings.top_k, int)
    assert settings.token == "secret"
    assert from_values(asdict(settings)) == settings
    assert lines(" , \n") == ()


def test_the_models_own_choices_stand_below_those_of_the_person() -> None:
    own = {"temperature": 0.8, "top_k": 64}
    chosen = sampling_of(Settings(top_k=5, seed=9), own, 1)
    assert (chosen.temperature, chosen.top_k, chosen.seed) == (0.8, 5, 9)
    assert sampling_of(Settings(), {}, 1).temperature == 0.0
    assert sampling_of(Settings(), {}, 1).seed == 1


def test_the_phone_is_what_the_settings_say(tmp_path: Path) -> None:
    config = phone_config(Settings(split=2, private=True, tail=3, precision="int8", timeout=5.0,
                                   token="secret", ca="~/ca.pem", patience=0.0, encoding="auto",
                                   max_ppl_increase=1.0),
                          tmp_path, ("http://e:1", "http://f:2"), threads=1)
    assert config.models == (tmp_path,)
    assert config.link is not None
    assert config.link.urls == ("http://e:1", "http://f:2")
    assert (config.link.answer_timeout, config.link.patience) == (5.0, 0.0)
    assert config.link.token == "secret"
    assert config.link.ca == Path.home() / "ca.pem"
    assert (config.split, config.private, config.tail) == (2, True, 3)
    assert (config.engine.precision, config.engine.threads) == ("int8", 1)
    assert (config.encoding, config.max_ppl_increase) == ("auto", 1.0)
    assert config.drafts is None
    config = phone_config(Settings(speculate="lookup"), tmp_path, ("http://e:1",))
    assert config.drafts is not None
    assert config.drafts.drafter == "lookup"
    assert config.manner == manner_of(Settings(speculate="lookup"))


def test_a_split_is_checked_against_the_model(checkpoint_folder: MakeCheckpoint) -> None:
    folder = checkpoint_folder("gemma3")
    facts = check_model(Settings(), folder)
    assert facts.layers > 1
    with pytest.raises(EdgeError, match="cannot be split at"):
        check_model(Settings(split=facts.layers + 1), folder)
    with pytest.raises(EdgeError):
        check_model(Settings(models=(str(folder / "nowhere"),)), folder)
    with pytest.raises(EdgeError, match="has no exit head"):
        check_model(Settings(speculate="exit"), folder)
    with pytest.raises(EdgeError, match="Nobody has measured"):
        check_model(Settings(encoding="auto", max_ppl_increase=1.0), folder)


def test_settings_survive_and_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path / "folder" / "settings.json")
    assert file.load() == Settings()
    settings = Settings(edges=("http://e:1",), token="secret", temperature=0.5)
    file.save(settings)
    assert file.load() == settings
    assert stat.S_IMODE(file.file.stat().st_mode) == 0o600
    assert list(file.file.parent.iterdir()) == [file.file]


def test_a_file_that_is_none_is_an_error_that_says_what_happens(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path / "settings.json")
    for text in ("{", "[]", json.dumps({"temperature": "hot"}), json.dumps({"new": 1})):
        file.file.write_text(text)
        with pytest.raises(SettingsError, match="cannot be used") as caught:
            file.load()
        assert "defaults apply" in caught.value.remedy


def test_a_folder_that_cannot_be_written_keeps_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SettingsError, match="cannot be kept"):
        SettingsFile(tmp_path / "file" / "settings.json").save(Settings())


def test_a_failed_write_leaves_the_file_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = SettingsFile(tmp_path / "settings.json")
    file.save(Settings(seed=1))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ue_app.settings.os.replace", full)
    with pytest.raises(SettingsError, match="No space left"):
        file.save(Settings(seed=2))
    assert file.load() == Settings(seed=1)
    assert list(tmp_path.iterdir()) == [file.file]


def test_a_recording_never_holds_the_token() -> None:
    assert "secret" not in json.dumps(without_token(Settings(token="secret")))
    assert without_token(Settings(token="secret"))["token"] == "set"


def test_the_place_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/elsewhere")
    assert default_settings_file() == Path("/elsewhere/airsplit/settings.json")
