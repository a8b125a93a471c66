# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Peers of one device: overlay_apply on a host, compared with `wg` on the same device in the same run.

    python3 tests/benchmark/peers.py [--peers 1000] [--rounds 5]

Needs root; uses private namespaces. The device is the kernel's where it has WireGuard, else wireguard-go's.
Figures are the best of all rounds, in milliseconds: wall-clock time, and CPU time of the process itself.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from module_runs import payload

ROOT = Path(__file__).parents[2]
PACKAGE = "ansible_collections.wirewright.overlay.plugins.module_utils"
INTERFACE = "wwbench0"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if os.environ.get("WIREWRIGHT_BENCHMARK") != "inside":
        inside = {**os.environ, "WIREWRIGHT_BENCHMARK": "inside"}
        mounts = "mkdir -p /run/wireguard && mount -t tmpfs tmpfs /run/wireguard && mount -t tmpfs tmpfs /var/lib"
        shell = mounts + ' && ip link set lo up && exec "$@"'
        command = ["unshare", "--net", "--mount", "sh", "-c", shell, "sh", sys.executable, *sys.argv]
        sys.exit(subprocess.run(command, env=inside, check=False).returncode)
    try:
        measure(options.peers, options.rounds)
    finally:
        subprocess.run(["ip", "link", "del", INTERFACE], check=False)


def measure(count: int, rounds: int) -> None:
    """Print the table."""
    start_up = best([child(sys.executable, "-c", "pass") for _round in range(rounds)])
    imports = import_times(rounds, start_up)
    from importlib import import_module

    converge = import_module(f"{PACKAGE}._interface.prepare").converge
    parse = import_module(f"{PACKAGE}._interface.options").parse_document

    def run(document: list[dict[str, Any]]) -> Any:
        return converge(parse(document, {}), check_mode=False)[0]

    with tempfile.TemporaryDirectory() as directory:
        document, configuration = documents(count, Path(directory))
        empty = [{**document[0], "peers": [], "allow_mass_removal": True}]
        changed = [{**document[0], "peers": [dict(peer) for peer in document[0]["peers"]]}]
        changed[0]["peers"][count // 2]["allowed_ips"] = ["10.200.0.0/16"]
        run(empty)
        kind = "kernel" if "wireguard" in output("ip", "-details", "link", "show", INTERFACE) else "wireguard-go"
        ours: dict[str, list[tuple[float, float]]] = {"apply": [], "no change": [], "one change": []}
        theirs: dict[str, list[tuple[float, float]]] = {"setconf": [], "show dump": [], "syncconf": []}
        for _round in range(rounds):
            run(empty)
            ours["apply"].append(timed(lambda: run(document), resource.RUSAGE_SELF))
            ours["no change"].append(timed(lambda: run(document), resource.RUSAGE_SELF))
            ours["one change"].append(timed(lambda: run(changed), resource.RUSAGE_SELF))
            run(empty)
            theirs["setconf"].append(wg("setconf", INTERFACE, configuration))
            theirs["show dump"].append(wg("show", INTERFACE, "dump"))
            theirs["syncconf"].append(wg("syncconf", INTERFACE, configuration))
        run(empty)
        requests = run(document).requests
        whole = {f"{count:,} peers": whole_runs("overlay_apply", document, rounds)}
        few = [{**document[0], "peers": document[0]["peers"][:3], "allow_mass_removal": True}]
        run(few)
        whole["3 peers"] = whole_runs("overlay_apply", few, rounds)
        whole["ping"] = whole_runs("ping", None, rounds)
    print(f"{count} peers, {kind}, Python {sys.version.split()[0]}; {requests} request(s) to apply them all")
    print(f"{'before any of it: interpreter':50} {start_up[0]:8.1f} wall {start_up[1]:8.1f} CPU")
    for name, (wall, cpu) in imports.items():
        print(f"{'before any of it: ' + name:50} {wall:8.1f} wall {cpu:8.1f} CPU")
    for ours_name, theirs_name in (("apply", "setconf"), ("no change", "show dump"), ("one change", "syncconf")):
        mine, other = best(ours[ours_name]), best(theirs[theirs_name])
        print(f"{ours_name:50} {mine[0]:8.1f} wall {mine[1]:8.1f} CPU")
        print(
            f"{'  wg ' + theirs_name:50} {other[0]:8.1f} wall {other[1]:8.1f} CPU    ratio {mine[0] / other[0]:.2f} wall"
        )
    for name, (wall, cpu) in whole.items():
        print(f"{'a whole run that changes nothing, ' + name:50} {wall:8.1f} wall {cpu:8.1f} CPU")


def documents(count: int, directory: Path) -> tuple[list[dict[str, Any]], str]:
    """Return the same device as options of overlay_apply and as a file for wg(8)."""
    private_key = base64.b64encode(os.urandom(32)).decode()
    key_file = directory / "private.key"
    key_file.touch(mode=0o600)
    key_file.write_text(private_key + "\n")
    peers = []
    for number in range(count):
        address = f"10.{42 + number // 65536}.{number // 256 % 256}.{number % 256}"
        endpoint = f"192.0.2.{number % 250 + 1}:{51820 + number // 250}"
        public_key = base64.b64encode(os.urandom(31) + b"\x11").decode()
        ips = [f"{address}/32", f"fd42::{number:x}/128"]
        peers.append(
            {
                "name": f"host{number:05}",
                "public_key": public_key,
                "endpoint": endpoint,
                "allowed_ips": ips,
                "persistent_keepalive": 0,
                "addresses": [address],
            }
        )
    interface = {
        "name": INTERFACE,
        "private_key_file": str(key_file),
        "listen_port": 51999,
        "mtu": 1420,
        "addresses": ["10.63.255.254/10", "fd42::ffff:1/64"],
        "userspace": True,
        "purge": True,
        "peers": peers,
    }
    lines = ["[Interface]", f"PrivateKey = {private_key}", "ListenPort = 51999"]
    for peer in peers:
        lines += ["[Peer]", f"PublicKey = {peer['public_key']}", f"Endpoint = {peer['endpoint']}"]
        lines += [f"AllowedIPs = {', '.join(peer['allowed_ips'])}"]
    configuration = directory / "wg.conf"
    configuration.touch(mode=0o600)
    configuration.write_text("\n".join(lines) + "\n")
    return [interface], str(configuration)


def import_times(rounds: int, start_up: tuple[float, float]) -> dict[str, tuple[float, float]]:
    """Return the cost of imports at the interpreter's start: Ansible's part, ours, and pyroute2 if links change."""
    steps = {
        "Ansible's imports": "import ansible.module_utils.basic",
        "our imports": f"import {PACKAGE}._overlay.converge, {PACKAGE}._interface.options",
        "pyroute2, if a link is to change": "import pyroute2",
    }
    found = {}
    script = f"import sys; sys.path.insert(0, {str(ROOT / '.cache/collections')!r})"
    before = start_up
    for name, statement in steps.items():
        script += "; " + statement
        after = best([child(sys.executable, "-c", script) for _round in range(rounds)])
        found[name] = (after[0] - before[0], after[1] - before[1])
        before = after
    return found


def whole_runs(module: str, document: list[dict[str, Any]] | None, rounds: int) -> tuple[float, float]:
    """Return the best of some runs of a module as Ansible runs it on a host; none may change anything."""
    program = payload(module, {} if document is None else {"interfaces": document})

    def once() -> None:
        done = subprocess.run([sys.executable], input=program, capture_output=True, check=True)
        if json.loads(done.stdout).get("changed"):
            raise SystemExit(f"{module} changed something")

    return best([timed(once, resource.RUSAGE_CHILDREN) for _round in range(rounds)])


def wg(*arguments: str) -> tuple[float, float]:
    return child("wg", *arguments)


def child(*argv: str) -> tuple[float, float]:
    return timed(lambda: subprocess.run(argv, stdout=subprocess.DEVNULL, check=True), resource.RUSAGE_CHILDREN)


def timed(work: Callable[[], object], who: int) -> tuple[float, float]:
    """Return wall-clock and CPU time of some work in milliseconds."""
    before, start = resource.getrusage(who), time.perf_counter()
    work()
    wall, after = time.perf_counter() - start, resource.getrusage(who)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall * 1000, cpu * 1000


def best(samples: list[tuple[float, float]]) -> tuple[float, float]:
    return min(wall for wall, _cpu in samples), min(cpu for _wall, cpu in samples)


def output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
