# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spokes that send all traffic through the hub, one public and one behind NAT, and their management connections.

The host `world` is the default gateway: it has the addresses of a remote server and of the controller.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._fib.boot_files import LOADS
from hub_spoke_lab import HOSTS, NETWORK, PLAY, SITE_OF, build, converge, is_cut_off, reaches
from lab_hosts import PROGRAM, Lab, Play
from mesh_lab import Capture, assert_ok, failure, ping

SERVER, CONTROLLER = "203.0.113.9", "203.0.113.77"
WORLD, HUB = "192.0.2.99", HOSTS["hub1"]["addresses"][0].partition("/")[0]
PORT = 2222
# The management addresses of spokes, and where the controller connects to reach them.
MANAGED = {"s1": ("192.168.1.2", "192.0.2.101"), "s3": ("192.0.2.23", "192.0.2.23")}
# overlay_apply reads the management connection from this.
GUARDED = PLAY.replace(
    "  gather_facts: false",
    "  gather_facts: false\n  environment: {SSH_CONNECTION: \"{{ managed_by | default('') }}\"}",
)
BY_DNAT = f"""
table ip published {{
    chain to {{ type nat hook prerouting priority dstnat; iifname "eth0" tcp dport {PORT} dnat to 192.168.1.2; }}
}}
insert rule ip wirewright_lab forward ct status dnat accept
"""
# Replies to each line with the client's address; the client closes the connection.
SERVE = f"""
import socketserver
class Answer(socketserver.StreamRequestHandler):
    def handle(self):
        for _line in self.rfile:
            self.wfile.write((self.client_address[0] + "\\n").encode())
server = socketserver.ThreadingTCPServer.__new__(socketserver.ThreadingTCPServer)
socketserver.ThreadingTCPServer.allow_reuse_address = True
server.__init__(("0.0.0.0", {PORT}), Answer)
print("listening", flush=True)
server.serve_forever()
"""
# Connects from one address, and prints the reply to each line of its input.
CALL = f"""
import socket, sys
call = socket.create_connection((sys.argv[2], {PORT}), 20, (sys.argv[1], 0))
answers = call.makefile("rw")
for line in sys.stdin:
    print(line, file=answers, end="", flush=True)
    print(answers.readline(), end="", flush=True)
"""


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A hub and two spokes with default routes to a remote server, and servers on the spokes."""
    with Lab() as made, ExitStack() as stack:
        build(made, ["hub1", "s1", "s3"])
        world = {"lab": made.name, "hosts": {"world": {"addresses": [f"{WORLD}/24"]}}}
        argv = [sys.executable, str(PROGRAM), "up"]
        subprocess.run(argv, input=json.dumps(world), capture_output=True, text=True, check=True, timeout=120)
        for address in (SERVER, CONTROLLER):
            made.run("world", ["ip", "address", "add", f"{address}/32", "dev", "lo"])
        for host in ("hub1", "nat1", "s3"):
            made.run(host, ["ip", "route", "add", "default", "via", WORLD])
        made.run("nat1", ["nft", "-f", "-"], input=BY_DNAT)
        # Packets that a strict source check would drop are to be visible.
        for host in MANAGED:
            made.run(host, ["sh", "-c", "for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 1 >$file; done"])
        for host in ("world", *MANAGED):
            stack.enter_context(program(made, host, SERVE))
        yield made


@contextmanager
def program(lab: Lab, host: str, source: str, *args: str) -> Iterator[subprocess.Popen[str]]:
    """Run a Python program on a host; a server listens when this returns."""
    argv = [*lab.enter(host), "timeout", "600", sys.executable, "-c", source, *args]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        try:
            if source is SERVE:
                assert running.stdout is not None and running.stdout.readline() == "listening\n"
            yield running
        finally:
            running.terminate()


def says(call: subprocess.Popen[str]) -> str:
    """Return the reply on an open connection."""
    assert call.stdin is not None and call.stdout is not None
    print("?", file=call.stdin, flush=True)
    return call.stdout.readline().strip()


def seen_as(lab: Lab, host: str) -> str:
    """Return the address of a host as the remote server sees it."""
    return called(lab, host, "", SERVER)


def called(lab: Lab, host: str, source: str, target: str) -> str:
    """Return the reply on a new connection."""
    with program(lab, host, CALL, source, target) as call:
        return says(call)


def play(lab: Lab, s1: bool, s3: bool = True) -> Play:
    """Run the role from a remote controller, with or without a full tunnel on each spoke."""
    per_host = {
        name: {"managed_by": f"{CONTROLLER} 50000 {MANAGED[name][0]} 22", "hub_spoke_full_tunnel": full}
        for name, full in (("s1", s1), ("s3", s3))
    }
    common = {"hub_spoke_masquerade": [NETWORK, SITE_OF["s3"]], "hub_spoke_persistence": "wg_quick"}
    return assert_ok(converge(lab, play=GUARDED, per_host=per_host, **common))


def reboot(lab: Lab, host: str) -> None:
    """Remove the state that a reboot loses, and restore it from the files."""
    lab.run(host, ["sh", "-ec", "ip link del wg0; for n in 0 1 2 3 4; do ip rule del priority 717$n; done"])
    lab.run(host, ["timeout", "30", "sh", "-c", "while [ -e /var/run/wireguard/wg0.sock ]; do sleep 0.02; done"])
    for command in LOADS:
        lab.run(host, ["sh", "-c", command], check=False)
    # udev sets the sysctls of an interface when it appears.
    lab.run(host, ["sh", "-ec", "wg-quick up wg0 >/run/log 2>&1; sysctl -q -p /etc/sysctl.d/90-wirewright-wg0.conf"])


def holds(lab: Lab, host: str) -> list[str]:
    """Return the rules of a host, and the routes of the table of full tunnels."""
    argv = ["sh", "-c", "ip rule; ip route show table 7170 2>/dev/null || :"]
    return [" ".join(line.split()) for line in lab.run(host, argv).stdout.splitlines()]


@pytest.mark.slow
def test_all_traffic_leaves_by_the_hub_and_management_connections_stay(lab: Lab, tmp_path: Path) -> None:
    play(lab, s1=False, s3=False)
    # A rule of somebody else at a priority of the full tunnel stays through everything.
    for name in MANAGED:
        lab.run(name, ["ip", "rule", "add", "pref", "7175", "fwmark", "0x99", "lookup", "main", "protocol", "kernel"])
    before = {name: holds(lab, name) for name in MANAGED}
    assert seen_as(lab, "s3") == "192.0.2.23" and seen_as(lab, "s1") == "192.0.2.101"
    with ExitStack() as stack:
        open_calls = {
            name: stack.enter_context(program(lab, "world", CALL, CONTROLLER, public))
            for name, (_address, public) in MANAGED.items()
        }

        def assert_managed() -> None:
            for name, (_address, public) in MANAGED.items():
                assert says(open_calls[name]) == CONTROLLER, f"{name}: the open connection"
                assert called(lab, "world", CONTROLLER, public) == CONTROLLER, f"{name}: a new one"

        assert_managed()
        play(lab, s1=True)
        assert_managed()
        with Capture(lab, tmp_path / "public.pcap") as capture:
            for name in MANAGED:
                assert any(line.startswith("7175: from all fwmark 0x99") for line in holds(lab, name))
                assert seen_as(lab, name) == HUB
                assert ping(lab, name, SERVER)
            assert seen_as(lab, "s3-site") == HUB, "networks behind a spoke use the full tunnel too"
            assert reaches(lab, "s3-site", "hub1") and reaches(lab, "s1", "s3-site"), "the overlay is unchanged"
            assert_managed()
        of_spokes = "(host 192.0.2.23 or host 192.0.2.101)"
        assert len(capture.lines(f"{of_spokes} and udp port 51820")) > 10
        assert capture.lines(f"{of_spokes} and host {SERVER}") == []
        assert (
            capture.lines(
                f"{of_spokes} and not udp port 51820 and not arp and not (tcp port {PORT} and host {CONTROLLER})"
            )
            == []
        )
        assert capture.lines(f"host {HUB} and host {SERVER}"), "the hub sent it"
        assert called(lab, "s3", "192.0.2.23", SERVER) == "192.0.2.23", "sockets bound to the underlay stay there"
        assert play(lab, s1=True).changed == 0
        held = holds(lab, "s3")
        reboot(lab, "s3")
        assert holds(lab, "s3") == held and seen_as(lab, "s3") == HUB
        assert_managed()
        play(lab, s1=False)
        assert holds(lab, "s1") == before["s1"] and seen_as(lab, "s1") == "192.0.2.101"
        assert holds(lab, "s3") == held and seen_as(lab, "s3") == HUB
        assert_managed()
        assert_ok(lab.playbook("playbooks/remove.yml", "-e", "overlay_group=s3"))
        assert holds(lab, "s3") == before["s3"] and seen_as(lab, "s3") == "192.0.2.23"
        assert_managed()


SECOND_FLEET = """
- hosts: hubs2:spokes2
  gather_facts: false
  tasks:
    - ansible.builtin.import_role: {name: wirewright.overlay.hub_spoke}
      vars:
        hub_spoke_hubs_group: hubs2
        hub_spoke_spokes_group: spokes2
        hub_spoke_network: 10.44.0.0/24
        hub_spoke_interface: wg8
        hub_spoke_port: 51830
        hub_spoke_addresses: []
        hub_spoke_networks: []
"""


def test_two_fleets_share_no_table_of_full_tunnels() -> None:
    with Lab() as lab:
        build(lab, ["hub1", "s4"])
        per_host = {"hub1": {"hub_spoke_masquerade": True}, "s4": {"hub_spoke_full_tunnel": True}}
        assert_ok(converge(lab, per_host=per_host))
        file = lab.path / "inventory.yml"
        inventory = json.loads(file.read_text())
        groups = inventory["all"]["children"]
        build(lab, ["hub2"])
        second = {
            **groups["hubs"]["hosts"]["hub1"],
            "ansible_exec_prefix": lab.enter("hub2"),
            "ansible_host": "192.0.2.12",
        }
        groups.update(hubs2={"hosts": {"hub2": second}}, spokes2={"hosts": {"s4": {}}})
        file.write_text(json.dumps(inventory))

        def state() -> str:
            return lab.run("s4", ["sh", "-c", "ip rule; ip route show table 7170; ip -br link"]).stdout

        before = state()
        refused = failure(lab.playbook(SECOND_FLEET))
        assert "host 's4': hub_spoke_full_tunnel_table: 7170 is the table of the full tunnel of 'wg0'" in refused
        assert "has the priorities 7170 to 7175; set 7176 or more" in refused and state() == before
        # A fleet without a full tunnel removes no rule of the other one.
        assert_ok(lab.playbook(SECOND_FLEET, "--extra-vars", '{"hub_spoke_full_tunnel": false}'))
        assert "7173:" in before and state().partition("wg8")[0].startswith(before.partition("lo ")[0])
        numbers = '{"hub_spoke_full_tunnel_table": 7180, "hub_spoke_full_tunnel_priority": 7180}'
        assert_ok(lab.playbook(SECOND_FLEET, "--extra-vars", numbers))
        assert "7173:" in state() and "7183:" in state()
        assert assert_ok(lab.playbook(PLAY)).changed == 0


def test_a_full_tunnel_reaches_unannounced_networks_of_the_hub_until_a_rule_drops_it() -> None:
    """With the rule of the page."""
    page = (Path(__file__).parents[2] / "docs/hub_and_spoke.md").read_text()
    table = page[page.index("table inet spokes {") :].partition("\n\n")[0]
    with Lab() as lab:
        build(lab, ["hub1", "s4"])
        per_host = {
            "hub1": {"hub_spoke_masquerade": True, "hub_spoke_networks": []},
            "s4": {"hub_spoke_full_tunnel": True},
        }
        assert_ok(converge(lab, per_host=per_host))
        assert reaches(lab, "s4", "hub1-site") and reaches(lab, "s4", "hub1")
        lab.run("hub1", ["nft", "-f", "-"], input=table)
        assert is_cut_off(lab, "s4", "hub1-site") and reaches(lab, "s4", "hub1")
        assert assert_ok(converge(lab, per_host=per_host)).changed == 0
