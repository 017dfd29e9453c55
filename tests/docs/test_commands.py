"""A page of commands says what the parsers say."""

from __future__ import annotations

import argparse

from tests.docs import commands


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="airsplit")
    one = made.add_subparsers().add_parser("run", help="run it", epilog="examples:\n  airsplit run")
    one.add_argument("what", nargs="+", metavar="WHAT", help="what to run")
    one.add_argument("--seconds", type=float, default=3.0, metavar="N",
                     help="for how long (default: %(default)s), 100 %% of it")
    one.add_argument("--secret", help=argparse.SUPPRESS)
    group = one.add_argument_group("limits", "Of what is run.")
    group.add_argument("-q", "--quiet", action="store_true", help="no *bars*")
    one.add_subparsers().add_parser("twice", help="run it twice")
    return made


def test_options_have_their_values_help_and_defaults() -> None:
    page = commands.page(parser())
    assert "## airsplit run\n\nRun it.\n" in page
    assert "- `WHAT [WHAT ...]`: what to run" in page
    assert "- `--seconds N`: for how long (default: 3.0), 100 % of it" in page
    assert "secret" not in page


def test_groups_examples_and_commands_below_are_there() -> None:
    page = commands.page(parser())
    assert "**limits**\n\nOf what is run.\n\n- `-q`, `--quiet`: no \\*bars\\*" in page
    assert "```text\nexamples:\n  airsplit run\n```" in page
    assert "### airsplit run twice\n\nRun it twice.\n" in page
