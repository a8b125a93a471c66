# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH_CONNECTION: its parts, and its source if sudo has removed it from the environment."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._host import ssh_connection
from ansible_collections.wirewright.overlay.plugins.module_utils._host.ssh_connection import (
    Flow,
    SshConnection,
    flow_of,
    parse,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix

TEXT = "198.51.100.9 40000 192.0.2.1 22"
PARSED = SshConnection(int(socket.AF_INET), bytes((198, 51, 100, 9)), 40000, bytes((192, 0, 2, 1)), 22)
LINK_LOCAL = SshConnection(
    int(socket.AF_INET6),
    socket.inet_pton(socket.AF_INET6, "fe80::9"),
    40000,
    socket.inet_pton(socket.AF_INET6, "fe80::1"),
    22,
    "eth0",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TEXT, PARSED),
        ("::ffff:198.51.100.9 40000 ::ffff:192.0.2.1 22", PARSED),
        ("fe80::9%eth0 40000 fe80::1%eth0 22", LINK_LOCAL),
        ("", None),
        ("198.51.100.9 40000", None),
        ("198.51.100.9 fifty 192.0.2.1 22", None),
        ("host 40000 192.0.2.1 22", None),
        ("198.51.100.9 40000 2001:db8::1 22", None),
        ("UNKNOWN 65535 UNKNOWN 65535", None),
    ],
)
def test_ssh_connection_is_parsed(text: str, expected: SshConnection | None) -> None:
    assert parse(text) == expected


def test_client_is_named_without_its_scope() -> None:
    assert (PARSED.client_text, LINK_LOCAL.client_text) == ("198.51.100.9", "fe80::9")


def test_own_environment_comes_first() -> None:
    assert ssh_connection.find({"SSH_CONNECTION": TEXT}) == PARSED
    assert ssh_connection.find({"SSH_CONNECTION": ""}) is None


def test_ssh_connection_is_found_under_sudo() -> None:
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}; from {ssh_connection.__name__} import find; print(find(dict()))"
    )
    cleared = [sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:], env={}, check=True)"]
    inner = [*cleared, sys.executable, "-c", program]
    done = subprocess.run(inner, env={"SSH_CONNECTION": TEXT}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(PARSED)


def test_flow_is_from_the_host_to_its_controller() -> None:
    client, server = parse_prefix("198.51.100.9"), parse_prefix("192.0.2.1")
    assert flow_of(PARSED) == Flow(server, client, 22, 40000)
    assert flow_of(PARSED).reversed() == Flow(client, server, 40000, 22)
    assert flow_of(LINK_LOCAL).interface == "eth0"
    assert flow_of(LINK_LOCAL).to == "fe80::9"
