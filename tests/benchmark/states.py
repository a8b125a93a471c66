# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Security associations: xfrm_state on a host, compared with `ip -batch` on the same kernel in the same run.

    python3 tests/benchmark/states.py [--states 1000] [--rounds 5]

Needs root; uses a private network namespace. Needs a kernel with ESP; without one:

    tests/kernel/run --vm-shell '.venv/bin/python tests/benchmark/states.py'

Figures are the best of all rounds, in milliseconds: wall-clock time, and CPU time. The module's work is measured
inside one process, from options to the plan that is empty, without the start of Python and Ansible; `ip` is measured as
the process it is. `--policies` measures policies instead, which every kernel with XFRM has.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / ".cache/collections"))

from ansible_collections.wirewright.overlay.plugins.module_utils._engine.result import StageResult
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import stages as xfrm
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm.policy_options import parse_policies
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm.state_options import parse_states

Times = tuple[float, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--states", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--policies", action="store_true")
    options = parser.parse_args()
    if os.environ.get("WIREWRIGHT_BENCHMARK") != "inside":
        inside = {**os.environ, "WIREWRIGHT_BENCHMARK": "inside"}
        command = ["unshare", "--net", sys.executable, *sys.argv]
        sys.exit(subprocess.run(command, env=inside, check=False).returncode)
    measure("policy" if options.policies else "state", options.states, options.rounds)


def measure(kind: str, count: int, rounds: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="wirewright-") as directory:
        memory, batch = f"{directory}/uses.json", Path(directory, "batch")
        wanted = [state(index) if kind == "state" else policy(index) for index in range(count)]
        batch.write_text("".join(f"xfrm {kind} add {words}\n" for _options, words in wanted))
        entries = [options for options, _words in wanted]
        changed = [{**entry} for entry in entries]
        changed[count // 2]["limits"] = {"packet_hard": 123456}

        def ours(objects: list[dict[str, Any]], **options: Any) -> StageResult:
            if kind == "policy":
                return xfrm.converge_policies(parse_policies({"policies": objects, **options}), check_mode=False)
            wanted_states = parse_states({"states": objects, **options})
            return xfrm.converge_states(wanted_states, check_mode=False, boot_id=lambda: "boot", uses_path=memory)

        found: dict[str, list[Times]] = {}
        for _round in range(rounds):
            run("ip", "xfrm", kind, "flush")
            took(found, "ip -batch, add all", lambda: run("ip", "-batch", str(batch)), children=True)
            took(found, "ip, list all", lambda: run("ip", "xfrm", kind), children=True)
            assert ours(entries).requests == 0, "what ip made is not recognised"
            run("ip", "xfrm", kind, "flush")
            took(found, "ours, add all", lambda: expect(ours(entries).requests, count))
            took(found, "ours, nothing to do", lambda: expect(ours(entries).requests, 0))
            took(found, "ours, one changed", lambda: expect(ours(changed).requests, 1))
            took(found, "ours, delete all", lambda: expect(ours([], purge=True).requests, count))
        print(f"{count} objects of `ip xfrm {kind}`, best of {rounds} rounds")
        print(f"{'':24} {'wall ms':>9} {'CPU ms':>9}")
        best = {name: tuple(min(values) for values in zip(*samples)) for name, samples in found.items()}
        for name, (wall, cpu) in best.items():
            print(f"{name:24} {wall:9.1f} {cpu:9.1f}")
        add = best["ours, add all"][0] / best["ip -batch, add all"][0]
        idle = best["ours, nothing to do"][0] / best["ip -batch, add all"][0]
        print(f"ratio to ip -batch, wall clock: add all {add:.2f}, nothing to do {idle:.2f}")


def state(index: int) -> tuple[dict[str, Any], str]:
    """Return a state as options and as arguments of `ip`."""
    src, dst = "192.0.2.1", f"198.51.{index // 250}.{index % 250 + 1}"
    enc, auth = (hashlib.shake_256(f"{name} {index}".encode()).hexdigest(32) for name in ("enc", "auth"))
    options = {
        "src": src,
        "dst": dst,
        "spi": str(4096 + index),
        "enc": {"algorithm": "cbc(aes)", "key": enc},
        "auth": {"algorithm": "hmac(sha256)", "key": auth},
        "limits": {"packet_hard": 1000000},
    }
    words = f"src {src} dst {dst} proto esp spi {4096 + index} reqid 7100 mode tunnel limit packet-hard 1000000 "
    return options, words + f"auth-trunc hmac(sha256) 0x{auth} 128 enc cbc(aes) 0x{enc}"


def policy(index: int) -> tuple[dict[str, Any], str]:
    """Return a policy as options and as arguments of `ip`."""
    dst = f"10.{100 + index // 250}.{index % 250}.0/24"
    options = {"dir": "out", "dst": dst, "templates": [{"src": "192.0.2.1", "dst": "192.0.2.2"}]}
    words = f"src 0.0.0.0/0 dst {dst} dir out tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 7100 mode tunnel"
    return options, words


def expect(requests: int, wanted: int) -> None:
    if requests != wanted:
        raise SystemExit(f"{requests} messages, where {wanted} were expected")


def took(found: dict[str, list[Times]], name: str, work: Callable[[], object], *, children: bool = False) -> None:
    """Record wall-clock and CPU time of some work in milliseconds."""
    who = resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF
    before, start = resource.getrusage(who), time.perf_counter()
    work()
    wall, after = time.perf_counter() - start, resource.getrusage(who)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found.setdefault(name, []).append((wall * 1000, cpu * 1000))


def run(*argv: str) -> None:
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main()
