"""The engine's options, the same for every program."""

from __future__ import annotations

import argparse

import pytest

from edge_server.engine.load import EngineOptions
from edge_server.engine.options import BACKENDS, PRECISIONS, add_engine_options, positive


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="program")
    add_engine_options(parser)
    return parser.parse_args(arguments)


def test_defaults_are_the_engines() -> None:
    given, engine = parse(), EngineOptions()
    assert (given.backend, given.dtype, given.threads, given.context) == (
        engine.backend, engine.precision, engine.threads, engine.capacity)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_choice(backend: str, precision: str) -> None:
    given = parse("--backend", backend, "--dtype", precision, "--threads", "3", "--context", "99")
    assert (given.backend, given.dtype, given.threads, given.context) == (
        backend, precision, 3, 99)


@pytest.mark.parametrize("arguments", [
    ("--backend", "cuda"), ("--dtype", "fp64"), ("--threads", "0"), ("--threads", "-1"),
    ("--threads", "many"), ("--context", "0"), ("--context", "1.5")])
def test_bad_choices_name_the_option(
    arguments: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        parse(*arguments)
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert arguments[0] in error
    assert arguments[1] in error


def test_positive() -> None:
    assert positive("7") == 7
    with pytest.raises(argparse.ArgumentTypeError, match="0 is not above 0"):
        positive("0")
