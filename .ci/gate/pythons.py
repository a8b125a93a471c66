# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python interpreters of this machine, and virtual environments that are kept."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from gate.session import CACHE, DEVELOPMENT, GateFailed, GateSkipped, Session

Version = tuple[int, int]

OLDEST_TARGET: Version = (3, 9)
NEWEST_TARGET: Version = (3, 13)

# Directories of interpreters that are not on PATH, or only as shims.
KNOWN_PLACES = (
    ".pyenv/versions/*/bin",
    ".local/share/uv/python/*/bin",
    "/usr/local/bin",
    "/opt/python/*/bin",
    "/opt/hostedtoolcache/Python/*/*/bin",
)
PROBE = "import ensurepip, os, sys, venv; print(*sys.version_info[:2], os.path.realpath(sys.executable))"
A_DAY = 86400

# Runs on all Pythons that managed hosts may have.
PIP = "25.2"


@functools.cache
def interpreters() -> dict[Version, Path]:
    """Return the interpreters that start and can make a virtual environment, by version."""
    places = [Path(entry) for entry in os.environ.get("PATH", "").split(":") if entry]
    for pattern in KNOWN_PLACES:
        base = Path("/") if pattern.startswith("/") else Path.home()
        places += sorted(base.glob(pattern.lstrip("/")))
    found: dict[Version, Path] = {}
    for place in places:
        for program in sorted(place.glob("python3.*")):
            if re.fullmatch(r"python3\.\d+", program.name) and (version := _version(program.name)) not in found:
                done = subprocess.run([program, "-c", PROBE], capture_output=True, text=True, check=False)
                if done.returncode == 0:
                    found[version] = Path(done.stdout.split(maxsplit=2)[2].strip())
    return dict(sorted(found.items()))


def _version(name: str) -> Version:
    return 3, int(name.rpartition(".")[2])


def choose(oldest: Version, newest: Version = (3, 99), *, prefer_newest: bool = False) -> Version:
    """Return a version in a range that this machine has; without one the gate is skipped."""
    fitting = [version for version in interpreters() if oldest <= version <= newest]
    if not fitting:
        there = ", ".join(text(version) for version in interpreters())
        raise GateSkipped(f"no Python {text(oldest)} or newer that suits on this machine, only {there}")
    return fitting[-1 if prefer_newest else 0]


def text(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


def pip_place(session: Session, version: str = PIP) -> Path:
    """Return a directory to import pip from: one for all interpreters, because installing pip takes seconds."""
    place = CACHE / "pip" / version
    if not place.exists():
        part = CACHE / "pip" / f"part-{version}"  # an interrupted run must not leave a partial copy
        shutil.rmtree(part, ignore_errors=True)
        options = ("--disable-pip-version-check", "--quiet", "--no-input", "--no-deps", "--no-compile")
        session.run(DEVELOPMENT / "python", "-m", "pip", "install", *options, "--target", part, f"pip=={version}")
        part.rename(place)
    return place


def environment(session: Session, name: str, version: Version, *requirements: str) -> Path:
    """Return the directory of programs of a virtual environment, which is made again when its inputs change."""
    path = CACHE / "venv" / f"{name}-py{text(version)}"
    stamp = path / "made-from"
    wanted = "\n".join([str(path), str(interpreters()[version]), *requirements])
    if not (stamp.exists() and stamp.read_text() == wanted):
        session.run(interpreters()[version], "-m", "venv", "--clear", "--without-pip", path)
        # Most of the packages is never imported.
        pip = ("-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--no-input", "--no-compile")
        session.run(path / "bin/python", *pip, *requirements, env={"PYTHONPATH": str(pip_place(session))})
        stamp.write_text(wanted)
    return path / "bin"


def newest_core(session: Session) -> Path:
    """Return the programs of the newest ansible-core that the registry has, pre-releases included.

    The collection has to work with a release before that is published. The registry is queried once a day.
    """
    answer = CACHE / "newest-ansible-core"
    python = max(interpreters())
    if not answer.exists() or time.time() - answer.stat().st_mtime > A_DAY:
        ask = (interpreters()[python], "-m", "pip", "index", "versions", "--pre", "ansible-core")
        env = {"PYTHONPATH": str(pip_place(session))}
        replies = [session.run(*ask, *more, env=env) for more in (["--ignore-requires-python"], [])]
        matches = [re.search(r"^ansible-core \((\S+)\)$", reply, re.MULTILINE) for reply in replies]
        if not all(matches):
            raise GateFailed("the registry does not report the newest ansible-core")
        answer.write_text(" ".join(match[1] for match in matches if match))
    newest, usable = answer.read_text().split()
    if newest != usable:
        raise GateSkipped(f"ansible-core {newest} needs a newer Python than {text(python)}")
    session.note(f"ansible-core {newest} on Python {text(python)}")
    return environment(session, "ansible-core-newest", python, f"ansible-core=={newest}")
