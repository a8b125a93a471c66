# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of the collection: the checkout at the path that ansible-test needs, and what a user installs."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path

from gate.session import CACHE, DEVELOPMENT, ROOT, GateFailed, Session

NAME = "wirewright.overlay"
PLACE = "ansible_collections/wirewright/overlay"
TREE = CACHE / "tree"
DIST = CACHE / "dist"
INSTALLED = CACHE / "installed"
SHIPPED = ("meta", "playbooks", "plugins", "roles")
PAPERS = (
    "CHANGELOG.md",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "FILES.json",
    "LICENSES",
    "MANIFEST.json",
    "README.md",
    "SECURITY.md",
    "changelogs",
    "docs",
)

_made: dict[str, Path] = {}


@functools.cache
def checkout() -> Path:
    """Return a copy of all files that git does not ignore, at the path of a collection. Unchanged files keep their times."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    wanted = {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}
    copy = TREE / PLACE
    copy.mkdir(parents=True, exist_ok=True)
    # Tools ask git for the files of a collection, and the repository of the checkout ignores the copy.
    subprocess.run(["git", "init", "--quiet", copy], check=True)
    for path in sorted(copy.rglob("*"), reverse=True):
        name = str(path.relative_to(copy))
        if name == ".git" or name.startswith(".git/"):
            continue
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif name not in wanted:
            path.unlink()
    for name in wanted:
        source, target = ROOT / name, copy / name
        if not target.exists() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
        target.chmod(source.stat().st_mode)
    return copy


def artefact(session: Session) -> Path:
    """Build the collection from a copy of the checkout, once in this run, and return the archive."""
    if "archive" not in _made:
        shutil.rmtree(DIST, ignore_errors=True)
        session.run(DEVELOPMENT / "ansible-galaxy", "collection", "build", "--output-path", DIST, cwd=checkout())
        (_made["archive"],) = DIST.glob("*.tar.gz")
    return _made["archive"]


def installed(session: Session) -> Path:
    """Install the archive, verify it, and return the collections path, reduced to what a collection must have.

    Plays from there run without tests, documents, or anything else of the checkout.
    """
    if "installed" in _made:
        return _made["installed"]
    galaxy = (DEVELOPMENT / "ansible-galaxy", "collection")
    shutil.rmtree(INSTALLED, ignore_errors=True)
    session.run(*galaxy, "install", "--offline", "--force", "--collections-path", INSTALLED, artefact(session))
    session.run(*galaxy, "verify", "--offline", "--collections-path", INSTALLED, NAME)
    for path in (INSTALLED / PLACE).iterdir():
        if path.name not in (*SHIPPED, *PAPERS):
            raise GateFailed(f"the archive should not have {path.name}; see build_ignore in galaxy.yml")
        if path.name not in SHIPPED:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    missing = [name for name in SHIPPED if not (INSTALLED / PLACE / name).is_dir()]
    if missing:
        raise GateFailed(f"the archive has no {', '.join(missing)}")
    _made["installed"] = INSTALLED
    return INSTALLED
