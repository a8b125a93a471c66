# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates that read the collection: build and import, sanity, unit tests on managed hosts' Pythons."""

from __future__ import annotations

import os
from pathlib import Path

from gate import ansible_test, copies
from gate.pythons import NEWEST_TARGET, OLDEST_TARGET, Version, choose, environment, newest_core, text
from gate.session import CACHE, DEVELOPMENT, ROOT, GateFailed, Session

# Code that runs on managed hosts, where no controller is installed.
TARGET_TESTS = ("tests/unit/plugins/module_utils", "tests/unit/plugins/modules")


def build(session: Session) -> None:
    """The collection builds, installs and verifies without a server."""
    copies.installed(session)


def importer(session: Session) -> None:
    """Galaxy's importer takes the archive without errors, and without warnings that not everyone gets."""
    session_name = "build-import-check"
    environments = CACHE / "nox"
    nox = (DEVELOPMENT / "nox", "--reuse-existing-virtualenvs", "--envdir", environments, "--session", session_name)
    output = session.run(*nox, env={"PATH": f"{DEVELOPMENT}:{os.environ['PATH']}"})
    complaints = [line for line in output.splitlines() if line.strip().startswith(("WARNING", "ERROR", "CRITICAL"))]
    if complaints:
        raise GateFailed("; ".join(complaints)[:500])


# "compile" and "import" are about Python: the newest ansible-core has them for every one that managed hosts may have.
_OF_THE_CORE = ("ansible-doc", "pylint", "validate-modules")
# `make lint` runs the first two; the Pythons between the oldest and the newest differ little in the third.
_SHORTENED = ("changelog", "yamllint", "import")


def sanity_oldest(session: Session) -> None:
    """The tests of `ansible-test sanity` that depend on ansible-core, with the oldest supported one; and pylint."""
    _sanity(session, DEVELOPMENT, *_options("--test", _OF_THE_CORE))


def sanity_newest(session: Session) -> None:
    """All tests of `ansible-test sanity` of the newest ansible-core; unless WIREWRIGHT_LONG is set, import on one Python."""
    # Its pylint comes from an archive on GitHub, which no package registry has.
    core = newest_core(session)
    if os.environ.get("WIREWRIGHT_LONG"):
        _sanity(session, core, "--skip-test", "pylint")
    else:
        _sanity(session, core, *_options("--skip-test", ("pylint", *_SHORTENED)))
        _sanity(session, core, "--test", "import", "--python", text(choose(OLDEST_TARGET, NEWEST_TARGET)))


def _options(option: str, names: tuple[str, ...]) -> list[str]:
    return [word for name in names for word in (option, name)]


def _sanity(session: Session, programs: Path, *options: str) -> None:
    # tests/sanity has what is ignored, with reasons.
    ansible_test.run(session, programs, "sanity", "--venv", *options)


def units_oldest(session: Session) -> None:
    """Code for managed hosts passes its unit tests on the oldest Python that they may have."""
    _units(session, choose(OLDEST_TARGET, NEWEST_TARGET))


def units_newest(session: Session) -> None:
    """Code for managed hosts passes its unit tests on the newest Python that they may have."""
    _units(session, choose(OLDEST_TARGET, NEWEST_TARGET, prefer_newest=True))


def _units(session: Session, version: Version) -> None:
    # Only the part of ansible-core that managed hosts get is used; the newest release that installs there has it.
    listed = (ROOT / "tests/unit/requirements.txt").read_text().splitlines()
    requirements = [line for line in listed if not line.startswith("#")]
    programs = environment(session, "units", version, *requirements, "ansible-core", "pytest")
    tests = [name for name in TARGET_TESTS if (copies.checkout() / name).is_dir()]
    settings = {"PYTHONPATH": str(copies.TREE), "PYTHONPYCACHEPREFIX": str(CACHE / "pycache")}
    # The unit tier tests properties thoroughly; here a few examples suffice, and the first case of each table.
    options = ["--hypothesis-profile=some"]
    if not os.environ.get("WIREWRIGHT_LONG"):
        options.append("--first-case")
    session.run(programs / "python", "-m", "pytest", *options, *tests, cwd=copies.checkout(), env=settings)
