# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of one host: a name server that never answers, and missing programs. The other tunnels come up."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator

from lab_hosts import Lab
from managed_host import key
from mesh_lab import NETWORK, addresses, assert_full_mesh, assert_ok, exists, mesh, peers, ping

SERVER = "192.0.2.12"
# With the most that resolv.conf(5) allows, the resolver gives up after 150 seconds.
DEAD = f"printf 'nameserver {SERVER}\\noptions timeout:30 attempts:5\\n' >/etc/resolv.conf"
PHONE = {
    "name": "phone",
    "public_key": key("phone"),
    "allowed_ips": ["10.9.0.1/32"],
    "endpoint": "phone.example.org:51820",
}
SILENT = f"""
import socket, time
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(({SERVER!r}, 53))
print(flush=True)
time.sleep(900)
"""


@contextlib.contextmanager
def dead_name_server(lab: Lab, host: str, server: str) -> Iterator[None]:
    """Let a host ask a server that takes questions and never answers."""
    argv = [*lab.enter(server), "/usr/bin/python3", "-c", SILENT]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        program.stdout.readline()
        lab.run(host, ["sh", "-c", DEAD])
        try:
            yield
        finally:
            program.terminate()


def test_a_dead_name_server_delays_no_other_peer() -> None:
    static = {"h1": {"mesh_static_peers": [PHONE]}}
    with mesh("h1", "h2", "h3", converge=False, per_host=static) as lab, dead_name_server(lab, "h1", "h2"):
        asked = ["timeout", "3", "getent", "hosts", "phone.example.org"]
        assert lab.run("h1", asked, check=False).returncode == 124, "the resolver waits"
        since = time.monotonic()
        play = assert_ok(lab.playbook("site.yml", from_archives=True))
        assert time.monotonic() - since < 120, "the run waited for the resolver"
        assert "wg0: peer phone: phone.example.org does not resolve; it has no endpoint until a later run" in str(play)
        for other in ("h2", "h3"):
            for address in addresses(lab, other):
                assert ping(lab, "h1", address)
        assert peers(lab, "h1")[key("phone")].endpoint == "(none)"


def test_a_host_without_pyroute2_and_wg_is_not_changed_and_needs_no_wg() -> None:
    """A run needs pyroute2 only to make an interface, and the program wg never."""
    with mesh("h1", "h2", converge=False) as lab:
        lab.run("h1", ["mount", "--bind", "/dev/null", "/usr/bin/wg"])
        bare = "cat >/root/python; chmod 755 /root/python"
        lab.run("h1", ["sh", "-c", bare], input='#!/bin/sh\nexec /usr/bin/python3 -S "$@"\n')
        lab.inventory({"h1": {"ansible_python_interpreter": "/root/python"}}, mesh_network=NETWORK, mesh_install=False)
        play = lab.playbook("site.yml")
        assert play.recap["h1"]["failures"] == 1 and play.recap["h2"]["failures"] == 0
        (failed,) = [one["result"]["msg"] for one in play.events if one["event"] == "failed"]
        assert "pyroute2" in failed and failed.endswith(("nothing was changed", "else was changed")), failed
        assert not exists(lab, "h1") and exists(lab, "h2")
        lab.inventory(mesh_network=NETWORK, mesh_install=False)
        assert assert_ok(lab.playbook("site.yml")).recap["h1"]["changed"] == 1
        assert assert_ok(lab.playbook("site.yml")).changed == 0
        lab.run("h1", ["umount", "/usr/bin/wg"])
        assert_full_mesh(lab)
