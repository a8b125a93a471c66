# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Messages name options by the variables that set them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.option_names import spoken

MODULE_UTILS = Path(__file__).parents[5] / "plugins/module_utils"
# Options that roles set by variables of other names, and that are no words of ordinary messages.
OPTIONS = ("listen_port", "allow_management_change", "allow_mass_removal", "threaded_napi", "adopt", "takeover")
# Beside a remedy, an option may be named as what it is in a document: the path of an option, or a kind of difference.
NAMED = re.compile(rf"(?<!O\()(?<![\w.])({'|'.join(OPTIONS)})\b(?!\()")


@pytest.mark.parametrize(
    ("message", "variables", "expected"),
    [
        ("Choose another O(listen_port)", {"listen_port": "mesh_port"}, "Choose another mesh_port"),
        ("set O(adopt=true) to keep it", {"adopt": "mesh_adopt"}, "set mesh_adopt: true to keep it"),
        ("set O(adopt=true)", {}, "set adopt: true"),
        ("O(a) and O(b=1), O(a)", {"a": "x"}, "x and b: 1, x"),
        (
            "(no option) NO(option) and {listen_port} % s",
            {"option": "x"},
            "(no option) NO(option) and {listen_port} % s",
        ),
    ],
)
def test_options_are_named_as_the_caller_set_them(message: str, variables: dict[str, str], expected: str) -> None:
    assert spoken(message, variables) == expected


def sentences() -> Iterator[tuple[str, str]]:
    """Yield the texts of all messages, with the file and line of each."""
    for path in sorted(MODULE_UTILS.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documentation = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            # A list of options has words only.
            if id(node) not in documentation and len(text.split()) > 2 and not re.fullmatch(r"[a-z_ ]+", text):
                yield f"{path.relative_to(MODULE_UTILS)}:{node.lineno}", text


def test_messages_mark_the_options_that_they_name() -> None:
    unmarked = [(where, text) for where, text in sentences() if NAMED.search(text)]
    assert unmarked == []
