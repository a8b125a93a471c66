# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test in a home directory of its own, which keeps its virtual environments. pip comes from the registry once."""

from __future__ import annotations

import os
from pathlib import Path

from gate import copies
from gate.pythons import interpreters, pip_place
from gate.session import CACHE, Session

HOME = CACHE / "home"

# Print the version of pip that ansible-test wants. By itself it would download a script that installs pip.
ASK_FOR_PIP = """
from types import SimpleNamespace
from ansible_test._internal.python_requirements import get_venv_packages
print(get_venv_packages(SimpleNamespace(version="3.11"))["pip"])
"""
GET_PIP = '''\
"""Make pip available in a virtual environment, from a directory."""

import pathlib
import sysconfig

pathlib.Path(sysconfig.get_path("purelib"), "pip.pth").write_text({place!r})
'''


def run(session: Session, programs: Path, *arguments: str) -> None:
    """Run ansible-test of these programs on a copy of the checkout."""
    _prepare_home(session, programs)
    places = dict.fromkeys(str(path.parent) for path in interpreters().values())
    # Interpreters before programs of the same names that only start another one.
    path = ":".join([str(programs), *places, os.environ["PATH"]])
    session.run(programs / "ansible-test", *arguments, cwd=copies.checkout(), env={"HOME": str(HOME), "PATH": path})


def _prepare_home(session: Session, programs: Path) -> None:
    version = session.run(programs / "python", "-c", ASK_FOR_PIP).strip()
    script = HOME / f".ansible/test/cache/get_pip_{version.replace('.', '_')}.py"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(GET_PIP.format(place=str(pip_place(session, version))))
    # ansible-test removes PIP_* variables; settings of pip have to be in files of the home directory.
    for name in (".config/pip", ".pip", ".cache/pip"):
        link, target = HOME / name, Path.home() / name
        if target.is_dir() and not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
