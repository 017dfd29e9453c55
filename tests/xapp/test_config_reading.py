"""A configuration's document as dataclasses: what is read, and how mistakes are named."""

from __future__ import annotations

import contextlib
import enum
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.config_reading import MOST_BYTES, build, yaml_document
from xapp.errors import ConfigurationError
from xapp.observations import Quota, Snssai


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Inner:
    number: int
    share: float = 0.5

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ConfigurationError("A number below 0.", "Raise it.")


@dataclass(frozen=True)
class Outer:
    text: str = ""
    on: bool = False
    many: tuple[int, ...] = ()
    names: frozenset[str] = frozenset()
    colour: Colour = Colour.RED
    file: Path | None = None
    inner: Inner | None = None
    inners: tuple[Inner, ...] = ()
    quotas: Mapping[Snssai, Quota] = field(default_factory=dict)
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    others: tuple[Mapping[str, object], ...] = ()


def test_what_somebody_else_reads_is_left_as_it_is() -> None:
    said = {"deep": [1, {"er": True}], "none": None, "text": "x"}
    assert build(Outer, {"others": [said, {}]}).others == (said, {})
    with pytest.raises(ConfigurationError, match=r"others\[0\] is a mapping"):
        build(Outer, {"others": [5]})


def test_nothing_said_is_the_defaults() -> None:
    assert build(Outer, {}) == Outer()


def test_every_kind_of_value_is_read() -> None:
    assert build(Outer, {
        "text": 12, "on": True, "many": [1, 2], "names": ["a", "a"], "colour": "blue",
        "file": "/tmp/x", "inner": {"number": 3, "share": 1}, "inners": [{"number": 0}],
        "quotas": {"1-000005": {"minimum": 10}, 2: {}},
        "networks": ["10.45.0.0/16", "2001:db8::/48"]}) == Outer(
        "12", True, (1, 2), frozenset({"a"}), Colour.BLUE, Path("/tmp/x"), Inner(3, 1.0),
        (Inner(0),), {Snssai(1, 5): Quota(10), Snssai(2): Quota()},
        (ipaddress.ip_network("10.45.0.0/16"), ipaddress.ip_network("2001:db8::/48")))


def test_null_is_nothing_where_nothing_may_be() -> None:
    assert build(Outer, {"file": None, "inner": None}) == Outer()


def test_a_home_folder_is_spelled_out() -> None:
    assert build(Outer, {"file": "~/x"}).file == Path.home() / "x"


@pytest.mark.parametrize(("document", "says"), [
    ({"txet": 1}, "There is no setting 'txet'"),
    ({"inner": {"numbre": 1}}, "There is no setting 'inner.numbre'"),
    ({"inners": [{"number": 1}, {"nope": 1}]}, "'inners[1].nope'"),
    ({"text": True}, "text is text"), ({"text": 1.5}, "text is text"),
    ({"text": None}, "text is text"), ({"on": 1}, "on is true or false"),
    ({"on": "yes"}, "on is true or false"), ({"many": 5}, "many is a list"),
    ({"many": "123"}, "many is a list"), ({"many": [1, True]}, "many[1] is a whole number"),
    ({"many": [1.0]}, "many[0] is a whole number"), ({"colour": "green"}, "one of red, blue"),
    ({"file": 5}, "file is a path"), ({"inner": 5}, "inner is a mapping"),
    ({"inner": {}}, "inner is not complete"), ({"inner": {"number": -1}}, "inner: A number"),
    ({"inner": {"number": 1, "share": float("nan")}}, "inner.share is a number"),
    ({"inner": {"number": 1, "share": float("inf")}}, "inner.share is a number"),
    ({"quotas": [1]}, "quotas is a mapping"), ({"quotas": {"x": {}}}, "quotas: 'x' is no S-NSSAI"),
    ({"quotas": {"1": {"minimum": "a"}}}, "quotas.1.minimum is a whole number"),
    ({"networks": ["10.45.0.1/16"]}, "networks[0] is a network"),
    ({"networks": [5]}, "networks[0] is a network"), ({"networks": [True]}, "networks[0]"),
    ({5: 1}, "no setting '5'")])
def test_mistakes_are_named_by_their_place(document: Mapping[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        build(Outer, document)
    assert says in caught.value.problem
    assert caught.value.remedy


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
                    lambda inner: st.lists(inner, max_size=3)
                    | st.dictionaries(st.text(max_size=9), inner, max_size=3), max_leaves=12)


@given(st.dictionaries(st.sampled_from([*Outer.__dataclass_fields__, "other"]), JSON))
def test_any_document_is_read_or_refused(document: Mapping[str, Any]) -> None:
    with contextlib.suppress(ConfigurationError):
        assert isinstance(build(Outer, document), Outer)


@pytest.mark.parametrize(("data", "says"), [
    (b"a: [", "is no YAML"), (b"\xff\xfe\x00", "is no YAML"), (b"- 1", "holds no mapping"),
    (b"text", "holds no mapping"), (b"!!python/object/apply:os.getcwd []", "is no YAML"),
    (b"[" * 5000, "is no YAML"), (b"a: 2026-99-99", "is no YAML"),
    (b"#" * (MOST_BYTES + 1), "more than 1 MiB")])
def test_files_that_are_no_configuration(tmp_path: Path, data: bytes, says: str) -> None:
    file = tmp_path / "xapp.yaml"
    file.write_bytes(data)
    with pytest.raises(ConfigurationError) as caught:
        yaml_document(file)
    assert says in caught.value.problem
    assert str(file) in caught.value.problem


def test_plain_words_are_what_they_look_like(tmp_path: Path) -> None:
    file = tmp_path / "xapp.yaml"
    file.write_text("on: true\noff: False\nyes: no\nplmn: 00101\ntime: 12:30\nfive: 5\n"
                    "minus: -5\nrate: 11.52e6\nhex: 0x1f\nshare: 0.5\nnone: ~\ncell: 000660001\n")
    assert yaml_document(file) == {
        "on": True, "off": False, "yes": "no", "plmn": "00101", "time": "12:30", "five": 5,
        "minus": -5, "rate": 11.52e6, "hex": 31, "share": 0.5, "none": None,
        "cell": "000660001"}


def test_files_are_read(tmp_path: Path) -> None:
    file = tmp_path / "xapp.yaml"
    file.write_text("# nothing yet\n")
    assert yaml_document(file) == {}
    file.write_text("plmn: '00101'\n")
    assert yaml_document(file) == {"plmn": "00101"}
    with pytest.raises(ConfigurationError, match="No such file"):
        yaml_document(tmp_path / "none.yaml")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        yaml_document(tmp_path)
