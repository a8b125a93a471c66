# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that others wrote, and what the client that comes with it says of the same NAT."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from managed_host import wait_until
from nat import ENDPOINT_INDEPENDENT, SYMMETRIC, Internet, Node
from test_stun_info import FIRST, SECOND, ask, found
from unpacked_programs import need, words


@contextmanager
def coturn(node: Node, directory: Path) -> Iterator[None]:
    """Run coturn as a STUN server with two addresses and two ports."""
    files = ("--log-file", "stdout", "--pidfile", str(directory / "pid"), "--db", str(directory / "db"))
    argv = (
        *words("turnserver"),
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


@pytest.mark.parametrize("mapping", [ENDPOINT_INDEPENDENT, SYMMETRIC, None])
def test_coturn_says_the_same(internet: Internet, servers: Node, tmp_path: Path, mapping: str | None) -> None:
    need("turnserver", "turnutils_natdiscovery")
    if mapping is None:
        host = internet.public("host", "203.0.113.2")
    else:
        host = internet.behind(internet.gateway("gateway", 2, mapping), "host", 1)
    with coturn(servers, tmp_path):
        result = ask(host, FIRST)
        shown = host.run(*words("turnutils_natdiscovery"), "-m", "-f", FIRST, check=False)
    theirs = {kind: text.lower().replace(" ", "_") for text, kind in re.findall(r"NAT with (.*) (\w+)!", shown)}
    nat, filtering, _port_open = found(result)
    assert result.data["servers"][0]["software"].startswith("Coturn")
    assert (nat == "none") == (mapping is None)
    # It does not look for its own address, and takes every host for one behind NAT.
    assert theirs == {"Mapping": nat.replace("none", "endpoint_independent"), "Filtering": filtering}, shown
