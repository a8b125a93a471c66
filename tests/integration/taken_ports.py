# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of a lab host that another program has."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from lab_hosts import Lab
from managed_host import wait_until

BIND = "import socket, sys, time; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('', int(sys.argv[1]))); time.sleep(600)"


@contextmanager
def port_taken(lab: Lab, host: str, port: int = 51820) -> Iterator[None]:
    """Another program has a UDP port of a host."""
    user = subprocess.Popen([*lab.enter(host), "python3", "-c", BIND, str(port)])
    try:
        wait_until(lambda: f":{port}" in lab.run(host, ["ss", "-Hlun"]).stdout, "the port is taken")
        yield
    finally:
        user.kill()
        user.wait()
