# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every program that tests call is in .ci/packages, which .ci/setup installs from."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TIERS = {"base", "demo", "lint", "unit", "gates", "integration", "kernel", "molecule", "fresh"}
DOOR = "external_programs"  # the module through which tests reach programs that not every machine has
STARTERS = {"run", "Popen", "check_output", "check_call", "start", "popen", "words"}
# First arguments of functions named like the starters: hosts, interfaces, playbooks, words of apt-get.
NO_PROGRAMS = {"lab_down", "update"}
HOST_OR_LINK = re.compile(r"(h|s|hub|nat|n|wg)\d+(-site)?")
PROGRAM = re.compile(r"[\w/][\w./-]*")


@dataclass(frozen=True)
class Row:
    tiers: frozenset[str]
    how: str
    package: str
    programs: frozenset[str]


def rows() -> list[Row]:
    lines = (ROOT / ".ci/packages").read_text().splitlines()
    fields = [line.split() for line in lines if not line.startswith("#")]
    return [
        Row(frozenset(tiers.split(",")), how, package, frozenset(programs)) for tiers, how, package, *programs in fields
    ]


def sources(*directories: str, part: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Yield the sources in directories of the tests, those that contain a text."""
    for directory in directories:
        for path in sorted((ROOT / "tests" / directory).rglob("*.py")):
            text = path.read_text()
            if part in text:
                yield str(path.relative_to(ROOT)), ast.parse(text)


def called(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the programs that a source names: in calls of the door, and as the first word of a command."""
    yield from named_to_the_door(tree)
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name in STARTERS:
            lists = [argument.elts for argument in call.args[:3] if isinstance(argument, (ast.List, ast.Tuple))]
            # `run(host, ["ip", ...])`, `run("ip", ...)`, `run(host, "ip", ...)`; "*prefix" leads into a host.
            words = [word for word in lists[0] if not isinstance(word, ast.Starred)][:1] if lists else call.args[:2]
            found = [text for text in texts(words) if not HOST_OR_LINK.fullmatch(text)]
            if found and PROGRAM.fullmatch(found[0]) and found[0] not in NO_PROGRAMS:
                yield call.lineno, found[0].rpartition("/")[2]


def named_to_the_door(tree: ast.AST) -> Iterator[tuple[int, str]]:
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == DOOR]
    names = {alias.name for node in imports for alias in node.names}
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in names:
            yield from ((call.lineno, text) for text in texts(call.args))


def texts(nodes: list[ast.expr]) -> list[str]:
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


@pytest.mark.parametrize(
    ("directory", "tiers"),
    [
        ("unit", {"base", "demo", "unit"}),
        ("integration", {"base", "demo", "integration"}),
        ("kernel", {"base", "demo", "kernel"}),
    ],
)
def test_programs_that_tests_call_are_installed(directory: str, tiers: set[str]) -> None:
    listed = {program for row in rows() if row.tiers & tiers for program in row.programs}
    missing = [
        f"{path}:{line}: {program}"
        for path, tree in sources(directory)
        for line, program in called(tree)
        if program not in listed
    ]
    assert missing == []


def test_calls_are_found() -> None:
    text = """
from external_programs import program, require
subprocess.run(["one", "-x"])
lab.run("h1", ["two"])
host.run("three", "link")
net.run(HUB, "four")
net.run("hub1", "/usr/bin/five")
subprocess.Popen([*lab.enter("h1"), "six"])
program("seven")
require("eight", "nine")
run("--limit", "h1")
"""
    expected = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    assert [program for _line, program in sorted(called(ast.parse(text)))] == expected


def test_programs_that_may_be_unpacked_are_asked_for() -> None:
    """Nobody finds a program of an unpacked package on PATH: a test that calls one names it to the door."""
    trees = [tree for _path, tree in sources("unit", "integration", "kernel", part=DOOR)]
    named = {program for tree in trees for _line, program in named_to_the_door(tree)}
    assert {program for row in rows() if row.how == "unpack" for program in row.programs} <= named


def test_rows_are_well_formed() -> None:
    for row in rows():
        assert row.tiers <= TIERS, row
        assert row.how in {"install", "optional", "unpack"}, row
    installed = [row.package for row in rows() if row.how != "unpack"]
    unpacked = [row.package for row in rows() if row.how == "unpack"]
    assert not set(installed) & set(unpacked)


def test_tests_of_the_fresh_debian_exist() -> None:
    named = re.findall(r'"(tests/[\w/]+\.py)(?:::(\w+))?"', (ROOT / ".ci/fresh_debian").read_text())
    assert named
    for path, test in named:
        assert not test or f"def {test}(" in (ROOT / path).read_text()
        assert (ROOT / path).is_file()
