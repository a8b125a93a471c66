# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WireGuard interfaces in the nodes of an internet, served by wireguard-go."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard import uapi_socket
from managed_host import key, wait_until
from nat import Node


@contextmanager
def wireguard(node: Node, name: str, *settings: str, address: str) -> Iterator[None]:
    """Run wireguard-go in a node. All nodes share the directory of its sockets: names must differ."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with node.start("wireguard-go", "-f", name, **quiet) as process:
        try:
            wait_until(lambda: uapi_socket.is_running(name), f"{name} is served")
            private = key(f"private {name}")
            node.run("wg", "set", name, "private-key", "/dev/stdin", *settings, input=private)
            node.ip(f"addr add {address} dev {name}")
            node.ip(f"link set {name} up")
            yield
        finally:
            process.terminate()


def public_key(name: str) -> str:
    done = subprocess.run(["wg", "pubkey"], input=key(f"private {name}"), text=True, capture_output=True, check=True)
    return done.stdout.strip()
