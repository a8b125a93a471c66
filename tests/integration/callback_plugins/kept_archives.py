# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402   # documentation stands before imports, as Ansible wants it
"""Test helper: modules are packed and compiled once, instead of packed in each run of ansible-playbook and compiled on each
host.
"""

from __future__ import annotations

DOCUMENTATION = """
name: kept_archives
type: notification
short_description: keep the archives of modules between runs, with bytecode
description:
  - To pack a module with all that it imports takes C(ansible-playbook) as long as the module takes on three hosts.
    It keeps the archives in its temporary directory; this leads them to a directory that outlives the run.
  - A host spends half of a module's time compiling what is in the archive, so that the kept ones have bytecode beside
    their sources. A host with another Python than the controller's takes the sources.
options:
  path:
    description: A directory that belongs to these sources of modules and this ansible-core alone.
    type: path
    required: true
    env:
      - name: WIREWRIGHT_ARCHIVES
"""

import base64
import dataclasses
import importlib.util
import io
import marshal
import os
import zipfile
from typing import Any

from ansible import constants
from ansible.executor import module_common
from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    """Packs the modules before the first task; handles no event."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "kept_archives"
    CALLBACK_NEEDS_ENABLED = True

    def set_options(self, *args: Any, **kwargs: Any) -> None:
        super().set_options(*args, **kwargs)
        kept = self.get_option("path")
        os.makedirs(kept, exist_ok=True)
        os.symlink(kept, os.path.join(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache"))
        pack = module_common._CachedModule.dump

        def dump(module: Any, path: str) -> None:
            archive = base64.b64encode(with_bytecode(base64.b64decode(module.zip_data)))
            pack(dataclasses.replace(module, zip_data=archive), path)

        module_common._CachedModule.dump = dump


def with_bytecode(archive: bytes) -> bytes:
    """Return a ZIP file with bytecode beside each Python source, used without a check of the source (PEP 552)."""
    unchecked = (1).to_bytes(4, "little")
    result = io.BytesIO(archive)
    with zipfile.ZipFile(result, "a", zipfile.ZIP_DEFLATED) as members:
        for name in members.namelist():
            if name.endswith(".py"):
                source = members.read(name)
                code = marshal.dumps(compile(source, name, "exec", dont_inherit=True))
                members.writestr(
                    f"{name}c", importlib.util.MAGIC_NUMBER + unchecked + importlib.util.source_hash(source) + code
                )
    return result.getvalue()
