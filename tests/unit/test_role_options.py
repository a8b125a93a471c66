# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each documented variable of a role has an effect: a task of the role or the planner reads it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible_collections.wirewright.overlay.plugins.action.overlay_plan import TOPOLOGIES

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "plugins"
ROLES = sorted(path.parents[1].name for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"))
# The planner never gets a secret: these files read them with the prefix of the role.
SECRETS = ("_secret_variables.py", "_shared_secrets.py")


def literals(tree: ast.AST) -> Iterator[str]:
    """Yield the texts that a source passes to functions, or takes an item by, without those in lists of names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            values = [*node.args, *(keyword.value for keyword in node.keywords)]
            yield from (one.value for one in values if isinstance(one, ast.Constant) and isinstance(one.value, str))
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            yield str(node.slice.value)


def read_by_the_planner(role: str) -> set[str]:
    """Return the variables, without the prefix, that the planner of a role gets and reads."""
    _planner, given = TOPOLOGIES.get(role, (None, ()))
    sources = [*(PLUGINS / "plugin_utils/_topology").rglob("*.py"), *(PLUGINS / "plugin_utils").glob("_*.py")]
    return set(given) & {text for path in sources for text in literals(ast.parse(path.read_text()))}


def secrets() -> set[str]:
    """Return the secrets that every topology has: each is named in both files."""
    found = []
    for name in SECRETS:
        tree = ast.parse((PLUGINS / "plugin_utils" / name).read_text())
        found.append({node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)})
    return {str(one) for one in found[0] & found[1]}


@pytest.mark.parametrize("role", ROLES)
def test_each_variable_of_a_role_is_read(role: str) -> None:
    specification = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text())
    files = [path for part in ("tasks", "vars", "templates") for path in (ROOT / "roles" / role / part).rglob("*.*")]
    named = set(re.findall(r"\w+", "\n".join(path.read_text() for path in files)))
    read = named | {f"{role}_{name}" for name in read_by_the_planner(role) | secrets()}
    unread = sorted(specification["argument_specs"]["main"].get("options", {}).keys() - read)
    assert unread == [], "add each to VARIABLES and to a reader in settings.py of its topology, or use it in a task"
