# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes of one table: ip_route on a host, compared with `ip` on the same table in the same run.

    python3 tests/benchmark/routes.py [--routes 5000] [--rounds 5]

Needs root; uses a private network namespace. Figures are the best of all rounds, in milliseconds: wall-clock time,
and CPU time of the process itself. A tenth of the routes is of IPv6, a tenth throws.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from peers import PACKAGE, ROOT, best, child, timed

TABLE = 7100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--routes", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if os.environ.get("WIREWRIGHT_BENCHMARK") != "inside":
        inside = {**os.environ, "WIREWRIGHT_BENCHMARK": "inside"}
        shell = "ip link add va type veth peer name vb && ip link set va up && ip link set vb up"
        command = ["unshare", "--net", "sh", "-c", shell + ' && exec "$@"', "sh", sys.executable, *sys.argv]
        sys.exit(subprocess.run(command, env=inside, check=False).returncode)
    measure(options.routes, options.rounds)


def measure(count: int, rounds: int) -> None:
    """Print the table."""
    sys.path.insert(0, str(ROOT / ".cache/collections"))
    from importlib import import_module

    converge = import_module(f"{PACKAGE}._fib.stages").converge
    parse = import_module(f"{PACKAGE}._fib.route_options").parse

    def run(options: dict[str, Any]) -> Any:
        return converge(parse(options), check_mode=False)

    document = {"table": str(TABLE), "routes": entries(count), "purge": True}
    changed = {**document, "routes": [dict(entry) for entry in document["routes"]]}
    changed["routes"][count // 2]["mtu"] = 1300
    empty = {**document, "routes": []}
    with tempfile.TemporaryDirectory() as directory:
        batch = Path(directory) / "routes"
        batch.write_text("".join(line(entry) for entry in document["routes"]))
        samples: dict[str, list[tuple[float, float]]] = {}

        def sample(name: str, found: tuple[float, float]) -> None:
            samples.setdefault(name, []).append(found)

        for _number in range(rounds):
            run(empty)
            sample("apply", timed(lambda: run(document), resource.RUSAGE_SELF))
            sample("no change", timed(lambda: run(document), resource.RUSAGE_SELF))
            sample("one change", timed(lambda: run(changed), resource.RUSAGE_SELF))
            sample("remove all", timed(lambda: run(empty), resource.RUSAGE_SELF))
            sample("ip -batch, route add", child("ip", "-batch", str(batch)))
            sample("ip -batch, route replace", child("ip", "-batch", str(replaced(batch))))
            sample(
                "ip route show", child("sh", "-c", f"ip -4 route show table {TABLE}; ip -6 route show table {TABLE}")
            )
        run(empty)
        requests = run(document).requests
        one = run(changed).requests
    print(
        f"{count} routes, Python {sys.version.split()[0]}; {requests} requests to apply them all, {one} to change one"
    )
    for name, theirs in (
        ("apply", "ip -batch, route add"),
        ("no change", "ip -batch, route replace"),
        ("no change", "ip route show"),
        ("one change", "ip -batch, route replace"),
        ("remove all", "ip -batch, route add"),
    ):
        mine, other = best(samples[name]), best(samples[theirs])
        print(f"{name:40} {mine[0]:8.1f} wall {mine[1]:8.1f} CPU")
        print(f"{'  ' + theirs:40} {other[0]:8.1f} wall {other[1]:8.1f} CPU    ratio {mine[0] / other[0]:.2f} wall")


def entries(count: int) -> list[dict[str, Any]]:
    """Return routes as ip_route takes them."""
    found: list[dict[str, Any]] = []
    for number in range(count):
        destination = f"10.{number // 256 % 256}.{number % 256}.0/24"
        if number % 10 == 3:
            destination = f"fd00:{number:x}::/48"
        found.append({"destination": destination, **({"type": "throw"} if number % 10 == 7 else {"dev": "va"})})
    return found


def line(entry: dict[str, Any]) -> str:
    device = "" if "type" in entry else " dev va"
    return f"route add {entry.get('type', '')} {entry['destination']} table {TABLE} proto 87{device}\n"


def replaced(batch: Path) -> Path:
    path = batch.with_name("replace")
    path.write_text(batch.read_text().replace("route add", "route replace"))
    return path


if __name__ == "__main__":
    main()
