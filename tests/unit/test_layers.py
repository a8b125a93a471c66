# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The packages of `plugins`: what each may import, and where its unit tests are.

All imports count, also those in functions and for type checkers only.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "plugins"
TESTS = ROOT / "tests" / "unit" / "plugins"
PREFIX = "ansible_collections.wirewright.overlay"

# From the bottom up. A package imports packages of the lines above its own, and none of its own line. A new package gets a line,
# or a place in one, here and in the table of docs/architecture.md.
LAYERS = {
    "module_utils": (
        ("_ip", "_engine"),
        ("_netlink",),
        ("_host",),
        ("_wireguard",),
        ("_fib", "_xfrm", "_nftables"),
        ("_probe", "_stun", "_kubernetes"),
        ("_interface",),
        ("_traffic", "_preflight"),
        ("_overlay",),
    ),
    "plugin_utils/_topology": (
        ("plan_model",),
        ("fleet",),
        ("mesh", "hub_spoke", "node_encryption"),
    ),
}


def python_files() -> dict[str, Path]:
    """Return the files below `plugins` by module name, such as module_utils._ip.prefix."""
    return {
        ".".join(path.relative_to(PLUGINS).with_suffix("").parts): path
        for path in sorted(PLUGINS.rglob("*.py"))
        if path.name != "__init__.py"
    }


FILES = python_files()


def imports_of(name: str) -> Iterator[str]:
    """Yield the modules of this collection that a module imports, all of them by relative imports."""
    for node in ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8"))):
        absolute = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            absolute = [] if node.level else [node.module or ""]
        assert not any(source.startswith(PREFIX) for source in absolute), f"{name}: write a relative import"
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        package = name.split(".")[: -node.level]
        source = ".".join([*package, *node.module.split(".")] if node.module else package)
        for alias in node.names:
            found = f"{source}.{alias.name}"
            yield found if found in FILES else source


GRAPH = {name: sorted({found for found in imports_of(name) if found in FILES}) for name in FILES}


def circle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the nodes of one circle, nothing where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [str(node) for node in error.args[1]]
    return []


def package_of(name: str) -> str:
    """Return the package of a module; below _topology, the package there. A file beside packages counts as one."""
    parts = name.split(".")
    depth = 1 if not parts[0].endswith("_utils") else 3 if parts[1] == "_topology" else 2
    return ".".join(parts[:depth])


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert not circle(GRAPH)


def test_no_packages_import_each_other_in_a_circle() -> None:
    packages: dict[str, set[str]] = {}
    for name, found in GRAPH.items():
        packages.setdefault(package_of(name), set()).update(map(package_of, found))
    assert not circle({package: found - {package} for package, found in packages.items()})


@pytest.mark.parametrize("top", LAYERS)
def test_a_package_imports_only_packages_below_it(top: str) -> None:
    prefix = top.replace("/", ".") + "."
    layer_of = {prefix + package: layer for layer, packages in enumerate(LAYERS[top]) for package in packages}
    packages = {path.name for path in (PLUGINS / top).iterdir() if path.is_dir() and path.name != "__pycache__"}
    known = {package for line in LAYERS[top] for package in line}
    assert packages == known, (
        f"add a new package of {top} to LAYERS in {Path(__file__).name}, above all that it imports"
    )
    upward = [
        f"{name} imports {found}"
        for name, imported in GRAPH.items()
        for found in imported
        if package_of(name) in layer_of
        and package_of(found) != package_of(name)
        and layer_of.get(package_of(found), len(LAYERS[top])) >= layer_of[package_of(name)]
        and found.startswith(prefix)
    ]
    assert not upward, "a package imports only packages of earlier lines of LAYERS: move the code, or the package"


def test_the_tables_of_the_architecture_have_all_packages_in_order() -> None:
    """Packages of one line of LAYERS may be in any order."""
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    _before, host, controller = re.split(r"^## Packages on the (?:managed host|controller)$", page, flags=re.MULTILINE)
    for top, section in (("module_utils", host), ("plugin_utils/_topology", controller)):
        rows = re.findall(r"^\| (`_?[a-z].*?) \|", section.partition("\n## ")[0], re.MULTILINE)
        names = [name for row in rows for name in re.findall(r"`(?:_topology/)?(\w+)`", re.sub(r"\(.*?\)", "", row))]
        layer_of = {package: layer for layer, line in enumerate(LAYERS[top]) for package in line}
        listed = [name for name in names if name in layer_of]
        assert sorted(listed) == sorted(layer_of), f"add a new package of {top} to the table of docs/architecture.md"
        assert [layer_of[name] for name in listed] == sorted(layer_of.values()), "the rows have the order of LAYERS"


def test_code_of_hosts_imports_no_code_of_the_controller() -> None:
    """module_utils runs on hosts: Python 3.9, BSD-2-Clause."""
    assert not [
        f"{name} imports {found}"
        for name, imported in GRAPH.items()
        for found in imported
        if name.split(".")[0] in ("module_utils", "modules") and found.split(".")[0] not in ("module_utils", "modules")
    ]


def file_of(test: Path) -> Path | None:
    """Return the file that a test belongs to: a/b.py or a/_b.py for a/test_b.py and a/test_b_SOMETHING.py."""
    folder, words = PLUGINS / test.parent.relative_to(TESTS), test.stem.split("_")[1:]
    names = ["_".join(words[:end]) for end in range(len(words), 0, -1)]
    files = [folder / f"{prefix}{name}.py" for name in names for prefix in ("", "_")]
    return next((path for path in files if path.is_file()), None)


def test_the_unit_tests_mirror_the_plugins() -> None:
    assert not [str(path.relative_to(TESTS)) for path in sorted(TESTS.rglob("test_*.py")) if file_of(path) is None]


def test_names_of_files_outside_packages_are_unique() -> None:
    """pytest imports files of directories without ``__init__.py`` by their bare names, and refuses two of one name."""
    files = [path for path in (ROOT / "tests/integration").rglob("*.py") if path.name != "conftest.py"]
    names = [path.name for path in files if not (path.parent / "__init__.py").exists()]
    assert [name for name in sorted(set(names)) if names.count(name) > 1] == []


def test_no_link_is_under_version_control() -> None:
    """A link of a work tree, such as one to a virtual environment, would replace what others have in its place."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("no work tree of git")
    listed = subprocess.run([git, "ls-files", "-s"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert [line for line in listed.stdout.splitlines() if line.startswith("120000")] == []
