# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports the programs that roles install on hosts, whose names are no module names."""

from __future__ import annotations

import ast
import importlib.util
import shutil
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType


def load(program: Path, **beside: ModuleType) -> ModuleType:
    """Import a program without leaving compiled files beside it. beside: what it imports from its directory, by name."""
    loader = SourceFileLoader(program.name.replace("-", "_"), str(program))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode, path = sys.dont_write_bytecode, True, list(sys.path)
    sys.modules.update(beside)
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode, sys.path[:] = before, path
    return module


def assert_python_3_9(program: Path) -> None:
    """Fail if Python 3.9 cannot parse a program; an installed Python 3.9 also imports it."""
    ast.parse(program.read_text(), feature_version=(3, 9))
    interpreter = "python3.9"
    # A shim may exist without its interpreter.
    if (
        shutil.which(interpreter)
        and subprocess.run([interpreter, "-V"], check=False, capture_output=True).returncode == 0
    ):
        subprocess.run([interpreter, "-I", str(program), "--help"], capture_output=True, check=True)
