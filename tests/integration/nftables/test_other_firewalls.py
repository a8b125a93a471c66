# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real foreign firewalls: each drops traffic of the overlay, is reported, and is opened by the commands of the finding.
Packets verify both.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TypeVar

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._host import firewall_openings as openings
from ansible_collections.wirewright.overlay.plugins.module_utils._host import firewalls
from ansible_collections.wirewright.overlay.plugins.module_utils._host.firewall_openings import Finding, Needs, findings
from ansible_collections.wirewright.overlay.plugins.module_utils._host.firewalls import look
from external_programs import AS_IF_INSTALLED, require
from forwarding_hub import ADDRESSES, HUB, HUB_OUTSIDE, OUTSIDE, SPOKE1, SPOKE2, Net
from managed_host import wait_until
from namespaces import call_inside

T = TypeVar("T")

PORT, TARGET_PORT = 51820, 4000
NEEDS = Needs("wg0", PORT, (("wg0", "wg0"), ("wg0", "eth0")), "eth0")
PORT_CLOSED = "UDP port 51820 coming in"
AMONG, OUT = "what is forwarded from wg0 to wg0", "what is forwarded from wg0 to eth0"
# A system bus for firewalld, without the user and the limits of an installation.
BUS = """
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"""
# Separate files of the host, in the hub's network namespace; the directories must exist on the machine.
_MOUNTS = f"""
mount -t tmpfs none /mnt
mkdir /mnt/var /mnt/var.work
mount -t overlay none -o lowerdir=/var,upperdir=/mnt/var,workdir=/mnt/var.work /var
{AS_IF_INSTALLED}
mount -t tmpfs none /run
mkdir -p /run/lock /run/dbus
echo '{BUS}' >/run/bus.conf
echo ready; read -r _
"""


@dataclass(frozen=True)
class Hub:
    """The hub with files of its own."""

    net: Net
    mounts: str

    @property
    def namespaces(self) -> list[str]:
        return [f"/run/netns/{self.net.prefix}-{HUB}", self.mounts]

    def call(self, function: Callable[[], T]) -> T:
        return call_inside(self.namespaces, function)

    def enter(self, *argv: str) -> list[str]:
        network, mounts = self.namespaces
        return ["nsenter", f"--net={network}", f"--mount={mounts}", "--", *argv]

    def run(self, *argv: str, check: bool = True) -> str:
        done = subprocess.run(self.enter(*argv), check=False, capture_output=True, text=True)
        assert done.returncode == 0 or not check, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def found(self, needs: Needs = NEEDS) -> list[Finding]:
        return self.call(lambda: findings(look(), needs))


@pytest.fixture
def hub(net: Net) -> Iterator[Hub]:
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", _MOUNTS]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "ready\n"
        try:
            yield Hub(net, f"/proc/{holder.pid}/ns/mnt")
        finally:
            holder.communicate()
    for program in ("iptables-legacy", "ip6tables-legacy"):
        for words in (["-P", "INPUT", "ACCEPT"], ["-P", "FORWARD", "ACCEPT"], ["-F"], ["-X"]):
            net.run(HUB, program, "-w", *words)


class Flows:
    """Each flow that the overlay needs, in both families: one datagram each."""

    def __init__(self, net: Net, stack: ExitStack, ways: set[str], families: tuple[int, ...]) -> None:
        ends = {
            PORT_CLOSED: (OUTSIDE, HUB, HUB_OUTSIDE, PORT),
            AMONG: (SPOKE1, SPOKE2, ADDRESSES[SPOKE2], TARGET_PORT),
            OUT: (SPOKE1, OUTSIDE, ADDRESSES[OUTSIDE], TARGET_PORT),
        }
        self.flows = []
        for way, (source, target, addresses, port) in ends.items():
            for family in families if way in ways else ():
                sender = stack.enter_context(net.udp(source, ADDRESSES[source][family]))
                receiver = stack.enter_context(net.udp(target, addresses[family], port))
                self.flows.append((sender, receiver, (addresses[family], port)))

    def send(self, text: bytes) -> None:
        for sender, _receiver, target in self.flows:
            sender.sendto(text, target)

    def expect(self, text: bytes) -> None:
        """Fail if the next datagram is another one or is missing; then check that an answer passes."""
        for sender, receiver, _target in self.flows:
            data, source = receiver.recvfrom(99)
            assert data == text
            receiver.sendto(b"answer", source)
            assert sender.recvfrom(99)[0] == b"answer"


@contextmanager
def dropped_until_opened(hub: Hub, ways: set[str], families: tuple[int, ...] = (0, 1)) -> Iterator[None]:
    """Packets sent before the block do not arrive; packets sent after it do."""
    with ExitStack() as stack:
        flows = Flows(hub.net, stack, ways, families)
        flows.send(b"before")
        yield
        flows.send(b"after")
        flows.expect(b"after")


def named(found: list[Finding], firewall: str) -> set[str]:
    return {finding.what for finding in found if finding.firewall == firewall}


def open_by_hand(hub: Hub) -> None:
    for finding in hub.found():
        for command in finding.commands:
            hub.run(*command)


def test_host_without_a_firewall_has_no_findings(hub: Hub) -> None:
    assert hub.found() == []


def test_own_table_and_accepting_chains_are_not_reported(hub: Hub) -> None:
    hub.net.converge({"wg0": {"isolate": True}})
    hub.net.nft("table inet calm { chain forward { type filter hook forward priority 0; policy accept; }; }")
    assert hub.found() == []


def test_foreign_table_with_policy_drop(hub: Hub) -> None:
    answers = "ct state established accept; meta l4proto ipv6-icmp accept"
    chains = "".join(
        f"chain {hook} {{ type filter hook {hook} priority 0; policy drop; {answers}; }}\n"
        for hook in ("input", "forward")
    )
    hub.net.nft(f"table inet site {{\n{chains}}}")
    with dropped_until_opened(hub, {PORT_CLOSED, AMONG, OUT}):
        found = hub.found()
        assert named(found, "chain input of nftables table inet site") == {PORT_CLOSED}
        assert named(found, "chain forward of nftables table inet site") == {AMONG, OUT}
        assert openings.plan_openings(found) == []
        open_by_hand(hub)
        assert hub.found() == []


@pytest.mark.sampled(2)
@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_iptables_with_policy_drop(hub: Hub, backend: str) -> None:
    close_by_iptables(hub, backend)
    with dropped_until_opened(hub, {AMONG, OUT}):
        found = hub.found()
        assert named(found, "iptables") == {AMONG, OUT}
        open_by_hand(hub)
        assert hub.found() == []


@pytest.mark.sampled(2)
@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_iptables_with_a_last_rule_that_rejects(hub: Hub, backend: str) -> None:
    for family in ("iptables", "ip6tables"):
        hub.run(f"{family}-{backend}", "-w", "-A", "FORWARD", "-j", "REJECT")
    with dropped_until_opened(hub, {AMONG, OUT}):
        assert named(hub.found(), "iptables") == {AMONG, OUT}
        open_by_hand(hub)
        assert hub.found() == []


@pytest.mark.slow
def test_foreign_table_with_a_last_rule_that_drops(hub: Hub) -> None:
    hub.net.nft(
        "table inet site { chain forward { type filter hook forward priority 0; ct state established accept; drop; }; }"
    )
    found = hub.found()
    assert named(found, "chain forward of nftables table inet site") == {AMONG, OUT}
    open_by_hand(hub)
    assert hub.found() == []


def test_iptables_on_a_host_without_nft(hub: Hub) -> None:
    close_by_iptables(hub, "nft")
    programs = "/run/programs"
    hub.run("sh", "-ec", f"mkdir {programs}; ln -s $(command -v iptables-nft ip6tables-nft) {programs}/")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(firewalls, "_path", lambda: programs)
        found = hub.found()
    assert named(found, "iptables") == {AMONG, OUT}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_docker_has_a_chain_for_accepted_packets(hub: Hub, backend: str) -> None:
    close_by_iptables(hub, backend, "-N DOCKER-USER", "-A FORWARD -j DOCKER-USER")
    with dropped_until_opened(hub, {AMONG, OUT}):
        found = hub.found()
        assert named(found, "docker") == {AMONG, OUT}
        assert all("DOCKER-USER" in command for finding in found for command in finding.commands)
        open_by_hand(hub)
        assert hub.found() == []


def close_by_iptables(hub: Hub, backend: str, *more: str) -> None:
    for family in ("iptables", "ip6tables"):
        for words in ("-P FORWARD DROP", *more):
            hub.run(f"{family}-{backend}", "-w", *words.split())


def opened_on_request(hub: Hub) -> None:
    """Open firewalls as overlay_apply does with open_firewall; a second run finds nothing to do."""
    operations = openings.plan_openings(hub.found())
    assert operations
    hub.call(lambda: openings.apply(operations))
    assert openings.plan_openings(hub.found()) == []


@pytest.mark.slow  # make fresh runs it
def test_ufw_is_found_and_opened_on_request(hub: Hub) -> None:
    require("ufw")
    assert hub.found() == [], "not yet enabled"
    hub.run("ufw", "--force", "enable")
    # ufw denies packets that are no replies, except for neighbour discovery and ping.
    with dropped_until_opened(hub, {PORT_CLOSED, AMONG, OUT}):
        assert named(hub.found(), "ufw") == {PORT_CLOSED, AMONG, OUT}
        assert {finding.firewall for finding in hub.found()} == {"ufw"}
        opened_on_request(hub)
        assert hub.found() == []
    half_named = Needs("wg0", 0, (("wg0", None), (None, "wg0")))
    operations = openings.plan_openings(hub.found(half_named))
    assert len(operations) == 2
    hub.call(lambda: openings.apply(operations))
    assert hub.found(half_named) == []
    added = hub.run("ufw", "show", "added").splitlines()
    hub.call(lambda: openings.apply([openings.Operation(None, Finding("ufw", "", (("ufw", "allow", "51820/udp"),)))]))
    assert hub.run("ufw", "show", "added").splitlines() == added, "twice is once"
    hub.run("ufw", "reload")
    with dropped_until_opened(hub, set()):
        assert hub.found() == []
    hub.run("ufw", "disable")
    assert hub.found() == []


@pytest.fixture
def firewalld(hub: Hub) -> Iterator[Hub]:
    require("firewalld", "dbus-daemon")
    with ExitStack() as running:
        start(hub, running, "dbus-daemon", "--config-file=/run/bus.conf", "--nofork", "--nopidfile")
        wait_until(lambda: "system_bus_socket" in hub.run("ls", "/run/dbus"), "the bus has its socket")
        start(hub, running, "firewalld", "--nofork", "--nopid")
        state = ("firewall-cmd", "--state")
        wait_until(lambda: hub.run(*state, check=False).strip() == "running", "firewalld runs")
        yield hub


def start(hub: Hub, running: ExitStack, *argv: str) -> None:
    """Start a daemon, and end it with the stack."""
    silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = running.enter_context(subprocess.Popen(hub.enter(*argv), **silent))
    running.callback(process.terminate)


@pytest.mark.slow  # make fresh runs it
@pytest.mark.parametrize("bound", [True, False], ids=["eth0 in its zone", "eth0 in the default zone"])
def test_firewalld_is_found_and_opened_on_request(firewalld: Hub, bound: bool) -> None:
    hub = firewalld
    if bound:  # then wg0, which is in the same zone by default, may forward to it
        hub.run("firewall-cmd", "--zone=public", "--add-interface=eth0")
    with dropped_until_opened(hub, {PORT_CLOSED, AMONG} if bound else {PORT_CLOSED, AMONG, OUT}):
        inside = "what comes in through wg0 beyond the services of zone public"
        assert named(hub.found(), "firewalld") == {PORT_CLOSED, inside}
        opened_on_request(hub)
        assert hub.found() == []
    hub.run("firewall-cmd", "--reload")
    assert hub.found() == [], "what was opened is kept"
    hub.run("firewall-cmd", "--zone=public", "--remove-port=51820/udp")
    (finding,) = hub.found()
    assert finding.commands == (("firewall-cmd", "--zone=public", "--add-port=51820/udp"),)


def test_inactive_firewalld_is_not_reported(hub: Hub) -> None:
    require("firewall-cmd")
    assert hub.found() == []
