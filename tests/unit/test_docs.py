# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages say is there, is there: tests, files, make targets, roles, modules and variables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.settings import SHARED, SHARED_PREFIX

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("roles/*/README.md"), *ROOT.glob("tests/**/*.md")]
)
# A change log speaks of what was, too.
PAGES = [page for page in PAGES if page.name != "CHANGELOG.md"]


def pages() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])


def known_tests() -> set[str]:
    return {
        name
        for path in ROOT.glob("tests/**/test_*.py")
        for name in re.findall(r"^ *def (test_\w+)", path.read_text(), re.MULTILINE)
    }


def role_variables() -> set[str]:
    specs = [yaml.safe_load(path.read_text()) for path in ROOT.glob("roles/*/meta/argument_specs.yml")]
    return {name for spec in specs for name in spec["argument_specs"]["main"]["options"]}


def test_there_are_pages() -> None:
    assert len(PAGES) > 4


@pages()
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    missing = [
        target for target in targets if "://" not in target and not (page.parent / target.split("#")[0]).exists()
    ]
    assert missing == []


@pages()
def test_named_tests_exist(page: Path) -> None:
    named = set(re.findall(r"`(test_\w+)`", page.read_text()))
    files = {path.stem for path in ROOT.glob("tests/**/test_*.py")}
    assert named <= known_tests() | files


@pages()
def test_named_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = page.read_text()
    named = set(re.findall(r"`make ([a-z-]+)", text)) | set(re.findall(r"^    make ([a-z-]+)", text, re.MULTILINE))
    assert named <= targets


@pages()
def test_named_paths_exist(page: Path) -> None:
    tops = "plugins|roles|playbooks|inventories|tests|docs|molecule|changelogs|meta"
    named = set(re.findall(rf"`((?:{tops}|\.ci)/[\w./-]*)`", page.read_text()))
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


@pages()
def test_named_role_variables_exist(page: Path) -> None:
    roles = "|".join(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
    named = set(re.findall(rf"`((?:{roles})_[a-z_]+)[`:]", page.read_text()))
    filters = {path.stem for path in (ROOT / "plugins/filter").glob("*.py")}
    assert named - filters <= role_variables()


@pages()
def test_named_shared_variables_are_read_somewhere(page: Path) -> None:
    sources = [*ROOT.glob("roles/*/*/*.yml"), *ROOT.glob("playbooks/*.yml"), *ROOT.glob("plugins/**/*.py")]
    text = "\n".join(path.read_text() for path in sources)
    named = set(re.findall(r"`(?:-e )?(overlay_[a-z_]+)", page.read_text()))
    planned = {SHARED_PREFIX + name for name in SHARED}
    assert {name for name in named if not re.search(rf"\b{name}\b", text)} <= planned


def test_readme_lists_every_module_and_role() -> None:
    listed = set(re.findall(r"^\| `(\w+)`", (ROOT / "README.md").read_text(), re.MULTILINE))
    modules = {path.stem for path in (ROOT / "plugins/modules").glob("*.py") if path.stem != "__init__"}
    roles = {path.name for path in (ROOT / "roles").iterdir() if (path / "meta").is_dir()}
    assert modules | roles <= listed


def test_files_of_the_architecture_exist() -> None:
    named = set(re.findall(r"`([\w/]+\.(?:py|yml))`", (ROOT / "docs/architecture.md").read_text()))
    files = [path.as_posix() for top in ("plugins", "roles", "tests") for path in (ROOT / top).rglob("*.*")]
    assert [name for name in sorted(named) if not any(path.endswith("/" + name) for path in files)] == []
