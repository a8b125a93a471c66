# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Before and after the overlay: what is refused before a key is made, and what roles that come after find.

The example is that of docs/mesh_planning.md.
"""

from __future__ import annotations

import json
import textwrap

from lab_hosts import ROOT, Lab
from mesh_lab import NETWORK, addresses, assert_ok, failure

NAMES = ("h1", "h2")
FILE = "/etc/database.conf"


def example() -> str:
    """Return the play of the page. A lab host has no sudo, and is entered as root."""
    page = (ROOT / "docs/mesh_planning.md").read_text()
    section = page.partition("## Addresses for other roles")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("    ")]
    return textwrap.dedent("\n".join(line for line in lines if "become:" not in line)) + "\n"


def test_a_role_after_the_mesh_sees_the_addresses_of_the_first_run_and_check_mode_predicts_them() -> None:
    with Lab() as lab:
        lab.up(NAMES)
        lab.inventory()
        predicted = assert_ok(lab.playbook(example(), "--check", "--diff"))
        assert lab.run("h1", ["cat", FILE], check=False).returncode
        assert_ok(lab.playbook(example()))
        own = {name: addresses(lab, name) for name in NAMES}
        for name in NAMES:
            written = lab.run(name, ["cat", FILE]).stdout
            assert written.splitlines() == [
                f"listen = {', '.join(own[name])}",
                *(f"allow {' '.join(own[other])}  # {other}" for other in NAMES),
            ]
            (diff,) = predicted.results(host=name, task="Bind a database")
            assert diff["diff"][0]["after"] == written
        # Without the role, from the facts of the role keys: what a host has as peers.
        later = """
            - hosts: vpn
              gather_facts: false
              roles: [wirewright.overlay.keys]
              tasks:
                - name: Show the members
                  ansible.builtin.debug:
                    msg: "{{ lookup('wirewright.overlay.members', 'wg0') }}"
        """
        shown = assert_ok(lab.playbook(textwrap.dedent(later), "--limit", "h1")).results(host="h1", task="Show")
        assert {name: entry["addresses"] for name, entry in shown[0]["msg"].items()} == own
        assert assert_ok(lab.playbook(example())).changed == 0


PLAY = """
- hosts: vpn
  gather_facts: false
  roles: [wirewright.overlay.mesh]
"""


def test_wrong_names_and_hosts_outside_of_the_group_leave_no_key() -> None:
    with Lab() as lab:
        lab.up(NAMES)
        lab.inventory(mesh_network=NETWORK)
        members = lab.path / "members.yml"
        members.write_text(json.dumps({"members": {"hosts": {"h1": {}}}}))
        refused = {
            "mesh_interface: 'wg 0' cannot name an interface": ({"mesh_interface": "wg 0"}, NAMES),
            "mesh_private_key_file: 'keys/wg0' is not a plain absolute path": (
                {"mesh_private_key_file": "keys/wg0"},
                NAMES,
            ),
            "mesh_group: 'h2' is not in 'members', so it would get a key": ({"mesh_group": "members"}, ["h2"]),
        }
        for message, (variables, hosts) in refused.items():
            play = lab.playbook(PLAY, "-i", str(members), "-e", json.dumps(variables))
            assert message in failure(play), message
            for host in hosts:
                found = lab.run(host, ["sh", "-c", "find /etc/wireguard /root/keys -type f || :"]).stdout
                assert found == "", (host, message)
