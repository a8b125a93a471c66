# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Size and start-up cost of a module: the program that Ansible sends, and the CPU time before the module does anything.

    python3 tests/benchmark/module_runs.py [--rounds 9] [MODULE ...]

Ansible sends a module with all files that it can import, and a host compiles the imported ones in every run. Each
module is run as Ansible runs it, with an option that it refuses, beside `ping` of ansible.builtin, which has Ansible's
own part and next to nothing of its own. Figures are the best of all rounds: CPU time in milliseconds.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible.executor.module_common import modify_module
from ansible.modules import ping
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar

ROOT = Path(__file__).parents[2]
COLLECTIONS = ROOT / ".cache/collections"
MODULES = COLLECTIONS / "ansible_collections/wirewright/overlay/plugins/modules"
REFUSED = {"no_such_option": True}

init_plugin_loader([str(COLLECTIONS)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("modules", nargs="*", default=["overlay_prepare", "overlay_apply", "probe_info", "wg_info"])
    options = parser.parse_args()
    sent = {"ping": payload("ping", REFUSED), **{name: payload(name, REFUSED) for name in options.modules}}
    spent: dict[str, float] = {}
    for _round in range(options.rounds):
        for name, program in sent.items():
            spent[name] = min(spent.get(name, 1e9), cpu_time(program))
    print("module              KiB sent  ours    CPU  ours")
    for name, program in sent.items():
        size, own_size = len(program) / 1024, (len(program) - len(sent["ping"])) / 1024
        print(f"{name:20}{size:8.0f}{own_size:6.0f}{spent[name]:7.1f}{spent[name] - spent['ping']:6.1f}")


def payload(module: str, options: dict[str, Any]) -> bytes:
    """Return the program that Ansible sends to a host's Python for a module of the collection, or for ping."""
    path = ping.__file__ if module == "ping" else str(MODULES / f"{module}.py")
    return modify_module(
        module_name="ansible.builtin.ping" if module == "ping" else f"wirewright.overlay.{module}",
        module_path=path,
        module_args=options,
        templar=Templar(loader=DataLoader()),
        task_vars={"ansible_python_interpreter": sys.executable},
        module_compression="ZIP_DEFLATED",
    ).b_module_data


def cpu_time(program: bytes) -> float:
    """Return the milliseconds of CPU time that a run takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable], input=program, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


if __name__ == "__main__":
    main()
