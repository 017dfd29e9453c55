"""A finding: what is wrong with a deployment, where, and what to do."""

from __future__ import annotations

import enum
from dataclasses import dataclass

SITE = "site.yaml"


class Severity(enum.Enum):
    """How bad."""

    ERROR = "error"  # it will not work
    WARNING = "warning"  # it may, and not as one thinks


@dataclass(frozen=True)
class Finding:
    """One thing."""

    severity: Severity
    file: str
    key: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.severity.value}  {self.file}  {self.key}: {self.problem} {self.remedy}"


def error(key: str, problem: str, remedy: str, file: str = SITE) -> Finding:
    return Finding(Severity.ERROR, file, key, problem, remedy)


def warning(key: str, problem: str, remedy: str, file: str = SITE) -> Finding:
    return Finding(Severity.WARNING, file, key, problem, remedy)
