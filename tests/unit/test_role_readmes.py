# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each role's README lists its variables as argument_specs.yml describes them, and defaults/main.yml sets them.

Run as a program, it writes the tables: `.venv/bin/python tests/unit/test_role_readmes.py`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = Path(__file__).parents[2] / "roles"
NAMES = sorted(path.name for path in ROLES.iterdir() if (path / "meta/argument_specs.yml").exists())
HEAD = ["| variable | type | default | meaning |", "|---|---|---|---|"]
TABLE = re.compile(r"^\| variable \|.*\n(?:\|.*\n)*", re.MULTILINE)


def options(role: str) -> dict[str, dict[str, Any]]:
    specification = yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text())
    return dict(specification["argument_specs"]["main"].get("options", {}))


def table(role: str) -> str:
    """Return the table of a role's variables in Markdown."""
    return "\n".join([*HEAD, *(_row(name, spec) for name, spec in options(role).items())]) + "\n"


def _row(name: str, spec: dict[str, Any]) -> str:
    kind = f"{spec['type']} of {spec['elements']}" if "elements" in spec else spec["type"]
    default = spec.get("default")
    # argument_specs.yml says in words what follows from another variable.
    shown = "" if default in (None, "") else f"`{default if isinstance(default, str) else json.dumps(default)}`"
    if spec.get("required"):
        shown = "required"
    description = spec["description"] if isinstance(spec["description"], list) else [spec["description"]]
    meaning = re.sub(r"\b[COV]\(((?:[^)\\]|\\.)*)\)", _literal, " ".join(description))
    if "choices" in spec:
        kind = ", ".join(f"`{choice}`" for choice in spec["choices"] if choice != "")
    return f"| `{name}` | {kind} | {shown} | {meaning} |"


def _literal(markup: re.Match[str]) -> str:
    r"""Return the text of C(), O() or V() as code, where `\)` is a parenthesis."""
    return "`" + re.sub(r"\\(.)", r"\1", markup[1]) + "`"


@pytest.mark.parametrize("role", NAMES)
def test_readme_has_the_table_of_variables(role: str) -> None:
    readme = (ROLES / role / "README.md").read_text()
    assert TABLE.findall(readme) == [table(role)], f"run: .venv/bin/python tests/unit/{Path(__file__).name}"


@pytest.mark.parametrize("role", NAMES)
def test_defaults_set_what_is_not_required(role: str) -> None:
    defaults = yaml.safe_load((ROLES / role / "defaults/main.yml").read_text())
    specs = options(role)
    assert sorted(defaults) == sorted(name for name, spec in specs.items() if not spec.get("required"))
    for name, spec in specs.items():
        if "default" in spec:
            assert defaults[name] == spec["default"], name


@pytest.mark.parametrize("role", NAMES)
def test_variables_start_with_the_role_s_name(role: str) -> None:
    assert [name for name in options(role) if not name.startswith(f"{role}_")] == []


if __name__ == "__main__":
    for each in NAMES:
        path = ROLES / each / "README.md"
        before, _table, after = re.split(f"({TABLE.pattern})", path.read_text(), maxsplit=1, flags=re.MULTILINE)
        path.write_text(before + table(each) + after)
