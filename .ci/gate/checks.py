# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates that read the collection: documentation, licences, change log, sanity, unit tests on managed hosts' Pythons."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from gate import ansible_test, copies
from gate.pythons import NEWEST_TARGET, OLDEST_TARGET, Version, choose, environment, newest_core
from gate.session import CACHE, DEVELOPMENT, ROOT, GateFailed, Session

# What runs on managed hosts; no controller is there.
TARGET_TESTS = ("tests/unit/plugins/module_utils", "tests/unit/plugins/modules")

IMPORTER = """\
[galaxy-importer]
CHECK_REQUIRED_TAGS = False
LOG_LEVEL_MAIN = INFO
REQUIRE_V1_OR_GREATER = False
RUN_ANSIBLE_DOC = True
RUN_ANSIBLE_LINT = False
RUN_ANSIBLE_TEST = False
RUN_FLAKE8 = False
"""


def licences(session: Session) -> None:
    """Every file says who made it and under which licence, and the licences' texts are there."""
    programs = environment(session, "reuse", choose((3, 10)), "reuse")
    session.run(programs / "reuse", "lint", "--lines", cwd=copies.checkout())


def changelog(session: Session) -> None:
    """The fragments are well-formed, and CHANGELOG.md is what changelogs/ and the plugins themselves make."""
    copy = CACHE / "changelog" / copies.PLACE
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(copies.checkout(), copy)
    program = DEVELOPMENT / "antsibull-changelog"
    session.run(program, "lint", cwd=copy)
    session.run(program, "lint-changelog-yaml", "changelogs/changelog.yaml", cwd=copy)
    version = re.findall(r"^version: (.*)$", (copy / "galaxy.yml").read_text(), re.MULTILINE)[0]
    released = re.findall(
        rf"^  {re.escape(version)}:$.*?^    release_date: '(.*?)'$",
        (copy / "changelogs/changelog.yaml").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    command = ["antsibull-changelog", "generate"]
    if released:
        command = ["antsibull-changelog", "release", "--update-existing", "--reload-plugins", "--refresh-plugins"]
        command += ["--date", released[0]]
    # Fragments wait for their release.
    for fragment in (copy / "changelogs/fragments").glob("*.y*ml"):
        fragment.unlink()
    written = (copy / "CHANGELOG.md").read_text()
    session.run(program, *command[1:], cwd=copy)
    if (copy / "CHANGELOG.md").read_text() != written:
        how = " ".join(["LC_ALL=C.UTF-8 PATH=.venv/bin:$PATH", *command])
        raise GateFailed(f"CHANGELOG.md is not what the collection makes of it; run: {how}")


def documentation(session: Session) -> None:
    """Plugin and role documentation is complete, and every reference in it leads somewhere."""
    arguments = ("lint-collection-docs", "--plugin-docs", "--validate-collection-refs=all", "--skip-rstcheck")
    session.run(DEVELOPMENT / "antsibull-docs", *arguments, ".", cwd=copies.checkout())


def build(session: Session) -> None:
    """The collection builds, installs and verifies without a server."""
    copies.installed(session)


def importer(session: Session) -> None:
    """What Galaxy's importer says of the archive: no errors, and no warnings but those it has for everyone."""
    programs = environment(session, "galaxy-importer", choose((3, 11)), "galaxy-importer", "ansible-core")
    archive = copies.artefact(session)
    configuration = CACHE / "galaxy-importer.cfg"
    configuration.write_text(IMPORTER)
    settings = {
        "GALAXY_IMPORTER_CONFIG": str(configuration),
        "PATH": f"{programs}:{os.environ['PATH']}",
    }
    output = session.run(programs / "python", "-m", "galaxy_importer.main", archive, cwd=CACHE, env=settings)
    complaints = [line for line in output.splitlines() if line.startswith(("WARNING", "ERROR", "CRITICAL"))]
    if complaints:
        raise GateFailed("; ".join(complaints)[:500])


# "compile" and "import" are about Python: the newest has them for every one that managed hosts may have.
_OF_THE_CORE = ("ansible-doc", "pylint", "validate-modules")


def sanity_oldest(session: Session) -> None:
    """What of `ansible-test sanity` depends on ansible-core, with the oldest that is supported; and pylint."""
    _sanity(session, DEVELOPMENT, *(word for name in _OF_THE_CORE for word in ("--test", name)))


def sanity_newest(session: Session) -> None:
    """All tests of `ansible-test sanity`, as the newest ansible-core has them."""
    # Its pylint is made from an archive on a code host, which no package registry has.
    _sanity(session, newest_core(session), "--skip-test", "pylint")


def _sanity(session: Session, programs: Path, *options: str) -> None:
    # Programs that no collection has start with "env python3": Debian has no "python", which the test wants.
    excluded = [word for place in (".ci/", "tests/benchmark/") for word in ("--exclude", place)]
    ansible_test.run(session, programs, "sanity", "--venv", *excluded, *options)


def units_oldest(session: Session) -> None:
    """What runs on managed hosts passes its unit tests on the oldest Python that they may have."""
    _units(session, choose(OLDEST_TARGET, NEWEST_TARGET))


def units_newest(session: Session) -> None:
    """What runs on managed hosts passes its unit tests on the newest Python that they may have."""
    _units(session, choose(OLDEST_TARGET, NEWEST_TARGET, prefer_newest=True))


def _units(session: Session, version: Version) -> None:
    # Of ansible-core only what a managed host gets is used, and the newest that installs there brings it.
    listed = (ROOT / "tests/unit/requirements.txt").read_text().splitlines()
    requirements = [line for line in listed if not line.startswith("#")]
    programs = environment(session, "units", version, *requirements, "ansible-core", "pytest")
    tests = [name for name in TARGET_TESTS if (copies.checkout() / name).is_dir()]
    settings = {"PYTHONPATH": str(copies.TREE), "PYTHONPYCACHEPREFIX": str(CACHE / "pycache")}
    # That properties hold, the unit tier tells; that they do on this Python, some examples.
    command = (programs / "python", "-m", "pytest", "--hypothesis-profile=some")
    session.run(*command, *tests, cwd=copies.checkout(), env=settings)
