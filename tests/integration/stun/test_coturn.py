# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""coturn as server, and the result of its own client behind the same NAT."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from external_programs import program
from managed_host import wait_until
from nat import ENDPOINT_INDEPENDENT, SYMMETRIC, Internet, Node
from test_stun_info import FIRST, SECOND, found, run_stun_info


@contextmanager
def coturn(node: Node, directory: Path) -> Iterator[None]:
    """Run coturn as a STUN server with two addresses and two ports."""
    files = ("--log-file", "stdout", "--pidfile", str(directory / "pid"), "--db", str(directory / "db"))
    argv = (
        *program("turnserver"),
        "-n",
        "--no-cli",
        "--stun-only",
        "--no-tls",
        "--no-dtls",
        "-L",
        FIRST,
        "-L",
        SECOND,
        *files,
    )
    with node.start(*argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: f"{SECOND}:3479" in node.run("ss", "-Huln"), "it listens")
            yield
        finally:
            process.terminate()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("mapping", [ENDPOINT_INDEPENDENT, SYMMETRIC, None])
def test_coturn_gives_the_same_result(internet: Internet, servers: Node, tmp_path: Path, mapping: str | None) -> None:
    if mapping is None:
        host = internet.public("host", "203.0.113.2")
    else:
        host = internet.behind(internet.gateway("gateway", 2, mapping), "host", 1)
    with coturn(servers, tmp_path):
        result = run_stun_info(host, FIRST)
        shown = host.run(*program("turnutils_natdiscovery"), "-m", "-f", FIRST, check=False)
    theirs = {kind: text.lower().replace(" ", "_") for text, kind in re.findall(r"NAT with (.*) (\w+)!", shown)}
    nat, filtering, _port_open = found(result)
    assert result.data["servers"][0]["software"].startswith("Coturn")
    assert (nat == "none") == (mapping is None)
    # It does not compare with its own address, and reports NAT for every host.
    assert theirs == {"Mapping": nat.replace("none", "endpoint_independent"), "Filtering": filtering}, shown
