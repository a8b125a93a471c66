# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The play of docs/nat.md, unchanged, connects two hosts behind NAT."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from lab_hosts import ROOT, environment
from nat import ENDPOINT_INDEPENDENT, SYMMETRIC, Internet, Node
from stun_server import stun_server
from test_stun_info import FIRST, SECOND
from wireguard_go import public_key, wireguard

# State files of the modules are kept off this machine, and dropped after each task.
WITHOUT_STATE = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs none /var/lib; exec "$@"', "sh")


def play_of_the_page(interface: str) -> str:
    """Return the play with this interface instead of wg0, and existing servers."""
    (block,) = re.findall(r"^    - hosts: pair\n(?:(?:    .*)?\n)+", (ROOT / "docs/nat.md").read_text(), re.MULTILINE)
    play = textwrap.dedent(block).replace("stun1.example.org", FIRST).replace("stun2.example.org", SECOND)
    return play.replace("wg0", interface)


@pytest.mark.slow
@pytest.mark.plays
@pytest.mark.parametrize("mapping", [ENDPOINT_INDEPENDENT, SYMMETRIC], ids=["independent", "symmetric"])
def test_play_of_the_page_connects_hosts_or_fails(
    internet: Internet, servers: Node, names: tuple[str, str], tmp_path: Path, mapping: str
) -> None:
    hosts = [internet.behind(internet.gateway(f"gateway{n}", n, mapping), f"host{n}", n) for n in (2, 3)]
    variables = {
        f"host{at}": {
            "ansible_connection": "wirewright.overlay.exec",
            "ansible_exec_prefix": [*host.words(), *WITHOUT_STATE],
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_become": False,  # tests are root already
            "public_key": public_key(name),
            "tunnel_address": f"10.9.0.{at + 1}",
            "interface": name,
        }
        for at, (host, name) in enumerate(zip(hosts, names))
    }
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(json.dumps({"pair": {"hosts": variables}}))
    play = tmp_path / "play.yml"
    play.write_text(play_of_the_page("'{{ interface }}'"))
    with (
        wireguard(hosts[0], names[0], "listen-port", "51831", address="10.9.0.1/24"),
        wireguard(hosts[1], names[1], "listen-port", "51832", address="10.9.0.2/24"),
        stun_server(servers, FIRST),
        stun_server(servers, SECOND),
    ):
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory), str(play)]
        options = {"cwd": ROOT, "env": environment(), "capture_output": True, "text": True, "timeout": 300}
        done = subprocess.run(argv, check=False, **options)
        if mapping == SYMMETRIC:
            assert done.returncode and "Require an endpoint that the other host can use" in done.stdout
            assert "Add the peer without traffic" not in done.stdout
            return
        assert done.returncode == 0, done.stdout + done.stderr
        assert "1 received" in hosts[0].run("ping", "-c", "1", "-W", "5", "10.9.0.2")
