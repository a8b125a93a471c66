# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Standard sessions of Ansible collections, most of them configured in antsibull-nox.toml: `nox --list` shows them."""

# /// script
# dependencies = ["nox>=2025.2.9", "antsibull-nox>=1.10"]
# ///

from __future__ import annotations

import difflib
import re
from pathlib import Path

import antsibull_nox
import antsibull_nox.sessions
import nox

antsibull_nox.load_antsibull_nox_toml()


@nox.session
def changelog(session: nox.Session) -> None:
    """Check the fragments, and that CHANGELOG.md is what antsibull-changelog generates"""
    session.install("antsibull-changelog", "ansible-core")
    setup = antsibull_nox.sessions.prepare_collections(session, install_in_site_packages=False)
    if setup is None:
        session.error("needs a virtual environment, in which it copies the collection")
    with session.chdir(setup.current_path):
        session.run("antsibull-changelog", "lint")
        session.run("antsibull-changelog", "lint-changelog-yaml", "changelogs/changelog.yaml")
        # Fragments of the next release are not in the file yet.
        for fragment in Path("changelogs/fragments").glob("*.y*ml"):
            fragment.unlink()
        texts = {name: Path(name).read_text() for name in ("CHANGELOG.md", "changelogs/changelog.yaml")}
        # It copies the files that git knows; the copy is ignored by git, so it must not find the repository.
        env = {"GIT_CEILING_DIRECTORIES": str(setup.current_place)}
        session.run("antsibull-changelog", *changelog_arguments(), env=env, silent=True)
        if Path("CHANGELOG.md").read_text() != texts["CHANGELOG.md"]:
            # The command itself would delete the fragments of the next release.
            print("".join(difference(name, text) for name, text in texts.items()))
            session.error(
                "CHANGELOG.md is not what antsibull-changelog generates. If the difference adds a module or role, set its "
                "version_added to the next version. Otherwise apply the difference, to changelogs/changelog.yaml too."
            )


def difference(name: str, before: str) -> str:
    """Return what was generated into a file, as a unified diff that git apply accepts."""
    lines = (text.splitlines(keepends=True) for text in (before, Path(name).read_text()))
    return "".join(difflib.unified_diff(*lines, f"a/{name}", f"b/{name}"))


def changelog_arguments() -> list[str]:
    """Return the command that generates CHANGELOG.md, for a version that is released or not."""
    (version,) = re.findall(r"^version: (.*)$", Path("galaxy.yml").read_text(), re.MULTILINE)
    history = Path("changelogs/changelog.yaml").read_text()
    entry = re.search(rf"^  {re.escape(version)}:$.*?^    release_date: '(.*?)'$", history, re.MULTILINE | re.DOTALL)
    if entry is None:
        return ["generate"]
    return ["release", "--update-existing", "--reload-plugins", "--refresh-plugins", "--date", entry[1]]


if __name__ == "__main__":
    nox.main()
