"""Who may import whom, and which modules stay light.

Phone and edge meet the network side (xApp, classifier, pcap tools) only on the wire; the phone uses
of the edge's package what both sides share and nothing of the server.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("edge_server", "ue_app", "pcap_tools", "classifier", "xapp", "testbed")
SHARED_BY_BOTH_SIDES = ("edge_server.frame", "edge_server.messages", "edge_server.split",
                        "edge_server.errors", "edge_server.engine", "edge_server.encodings")
ALLOWED: dict[str, tuple[str, ...]] = {
    "edge_server": (),
    "ue_app": SHARED_BY_BOTH_SIDES,
    "pcap_tools": (),
    "classifier": ("pcap_tools",),
    "xapp": ("classifier", "pcap_tools"),
    "testbed": PACKAGES,
}
ENGINE_MAY_USE = ("edge_server.engine", "edge_server.frame", "edge_server.messages",
                  "edge_server.split", "edge_server.errors")
HEAVY = ("torch", "transformers", "fastapi", "uvicorn", "streamlit", "sklearn", "scapy", "numpy")
LIGHT_MODULES = ("edge_server.frame", "edge_server.messages", "edge_server.split",
                 "edge_server.encodings.registry",
                 "edge_server.errors", "edge_server.command", "edge_server.engine.architecture",
                 "edge_server.engine.checkpoint", "edge_server.engine.manifest",
                 "edge_server.engine.parts", "edge_server.engine.options", "ue_app.errors",
                 "classifier.command", "classifier.errors", "classifier.labels",
                 "ue_app.app_command", "ue_app.command", "testbed.cli")


def imports_of(file: Path) -> set[str]:
    """The project's own modules that `file` imports, wherever in it; each as it is named."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports hide where a name comes from"
            module = node.module or ""
            # `from package import module` names the module in the list.
            submodules = {f"{module}.{alias.name}" for alias in node.names
                          if (ROOT / module.replace(".", "/") / f"{alias.name}.py").exists()}
            found |= submodules or {module}
    return {name for name in found if name.split(".")[0] in PACKAGES}


def within(module: str, allowed: tuple[str, ...]) -> bool:
    return any(module == name or module.startswith(name + ".") for name in allowed)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_the_table_allows(package: str) -> None:
    for file in sorted((ROOT / package).rglob("*.py")):
        wrong = {module for module in imports_of(file)
                 if not within(module, (package, *ALLOWED[package]))}
        assert not wrong, f"{file.relative_to(ROOT)} imports {sorted(wrong)}"


def test_the_engine_does_not_know_the_server() -> None:
    files = sorted((ROOT / "edge_server" / "engine").rglob("*.py"))
    assert files
    for file in files:
        wrong = {module for module in imports_of(file) if not within(module, ENGINE_MAY_USE)}
        assert not wrong, f"{file.relative_to(ROOT)} imports {sorted(wrong)}"


def test_the_walk_sees_imports_of_every_form(tmp_path: Path) -> None:
    source = tmp_path / "sample.py"
    source.write_text("import ue_app.link\nfrom edge_server import app\n"
                      "def f():\n    from edge_server.frame import Frame\n")
    assert imports_of(source) == {"ue_app.link", "edge_server.app", "edge_server.frame"}


def test_package_files_are_empty() -> None:
    for package in PACKAGES:
        for file in (ROOT / package).rglob("__init__.py"):
            assert file.read_text(encoding="utf-8") == "", f"{file} does work at import"


@pytest.mark.parametrize("module", LIGHT_MODULES)
def test_a_light_module_loads_no_heavy_library(module: str) -> None:
    program = (f"import sys, {module}\n"
               f"print(*[name for name in {HEAVY!r} if name in sys.modules])")
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True,
                            text=True, check=True)
    assert result.stdout.strip() == ""
