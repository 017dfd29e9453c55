"""Every command with its options, as one page: read off the parsers themselves.

It knows argparse and `airsplit`'s parser, and nothing of what a command does.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

INTRODUCTION = """# The command line

This page is made of the parsers by `python -m tests.docs.write_reference`; a test keeps it so.
`airsplit COMMAND --help` prints the same. An error that somebody can act on is one line on standard
error, and the exit code is then 1. A wrong option ends with 2, Ctrl-C with 130.
"""


def page(parser: argparse.ArgumentParser) -> str:
    """The page, with a section for each command in the order of the help."""
    sections = [INTRODUCTION]
    for command, summary, one in _commands(parser, ()):
        sections.append(_section(command, summary, one))
    return "\n".join(sections)


def _commands(parser: argparse.ArgumentParser, path: tuple[str, ...],
              ) -> Iterator[tuple[tuple[str, ...], str, argparse.ArgumentParser]]:
    """Each command below `parser`: its words, its line in the help, its parser."""
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        summaries = {one.dest: one.help or "" for one in action._choices_actions}
        for name, one in action.choices.items():
            yield (*path, name), summaries.get(name, ""), one
            yield from _commands(one, (*path, name))


def _section(command: tuple[str, ...], summary: str, parser: argparse.ArgumentParser) -> str:
    words = " ".join(("airsplit", *command))
    lines = [f"{'#' * min(1 + len(command), 3)} {words}", ""]
    said = " ".join((parser.description or f"{summary[:1].upper()}{summary[1:]}.").split())
    lines += [said, ""]
    for group in parser._action_groups:
        shown = [one for one in group._group_actions if _is_shown(one)]
        if not shown:
            continue
        if group.title not in ("positional arguments", "options", None):
            lines += [f"**{group.title}**", ""]
        if group.description:
            lines += [" ".join(group.description.split()), ""]
        lines += [_option(one, parser.prog) for one in shown] + [""]
    if parser.epilog:
        lines += ["```text", parser.epilog.strip("\n").rstrip(), "```", ""]
    return "\n".join(lines)


def _is_shown(action: argparse.Action) -> bool:
    return not (action.help == argparse.SUPPRESS
                or isinstance(action, argparse._HelpAction | argparse._SubParsersAction))


def _option(action: argparse.Action, prog: str) -> str:
    text = _expanded(action, prog)
    return f"- {_names(action)}" + (f": {text}" if text else "")


def _names(action: argparse.Action) -> str:
    value = _value(action)
    if not action.option_strings:
        return f"`{value}`"
    return ", ".join(f"`{name}{' ' + value if value else ''}`" for name in action.option_strings)


def _value(action: argparse.Action) -> str:
    """What stands behind an option in its usage."""
    if action.nargs == 0:
        return ""
    if action.metavar is not None:
        name = action.metavar if isinstance(action.metavar, str) else " ".join(action.metavar)
    elif action.choices is not None:
        name = "{" + ",".join(map(str, action.choices)) + "}"
    else:
        name = action.dest.upper() if action.option_strings else action.dest
    forms = {"?": f"[{name}]", "*": f"[{name} ...]", "+": f"{name} [{name} ...]"}
    return forms.get(str(action.nargs), name)


def _expanded(action: argparse.Action, prog: str) -> str:
    """The help text with its default put in, as argparse does it."""
    values = {name: value for name, value in vars(action).items() if value is not argparse.SUPPRESS}
    values["prog"] = prog
    if action.choices is not None:
        values["choices"] = ", ".join(map(str, action.choices))
    text = " ".join(((action.help or "") % values).split())
    return text.replace("<", "&lt;").replace("*", "\\*")
