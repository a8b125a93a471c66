# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Direct tunnels between spokes behind real NAT: one fleet, from the hub to direct tunnels, and partly back.

s1 and s2 are behind NAT that keeps ports, s5 behind one with a new port for each destination. All drop packets
without an established connection.
"""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from hub_spoke_lab import ADDRESSES, build, converge, public_key, reaches, routes
from lab_hosts import ROOT, Lab, Play
from managed_host import wait_until
from mesh_lab import Capture, assert_ok, peers
from nat import Node
from stun_server import stun_server

FLEET = ("hub1", "s1", "s2", "s5")
DIRECT = {"hub_spoke_direct": True, "hub_spoke_direct_deadline": 10}
MASTER = {"overlay_psk_master": "correct horse battery staple"}
STUN_ADDRESSES = ("192.0.2.11", "192.0.2.13")
BYTES = 10 * 1000
# In the network behind s2.
WATCH = ["python3", "-I", str(ROOT / "roles/hub_spoke/files/wirewright-overlay-direct"), "wgdirect", "--once"]
HALVES_OF_S2 = {("10.50.2.0/25", "wgdirect", 0), ("10.50.2.128/25", "wgdirect", 0)}


class ContinuousPing:
    """A continuous ping from one host to another."""

    def __init__(self, lab: Lab, source: str, target: str) -> None:
        argv = ["ping", "-n", "-i", "0.2", ADDRESSES[target]]
        self._ping = subprocess.Popen([*lab.enter(source), *argv], stdout=subprocess.PIPE, text=True)

    def lost(self) -> list[int]:
        """Stop, and return the sequence numbers without a reply; later ones than the last reply do not count."""
        self._ping.send_signal(signal.SIGINT)
        output, _errors = self._ping.communicate(timeout=20)
        answered = {int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", output)}
        assert len(answered) > 20, output
        return sorted(set(range(1, max(answered) + 1)) - answered)


def relayed(lab: Lab, source: str, target: str) -> int:
    """Return the bytes that the hub received during a ping between two hosts: more than BYTES if it relayed all."""
    before = sum(peer.rx_bytes for peer in peers(lab, "hub1").values())
    lab.run(source, ["ping", "-n", "-q", "-c", "10", "-i", "0.2", "-s", "1000", ADDRESSES[target]])
    return sum(peer.rx_bytes for peer in peers(lab, "hub1").values()) - before


def report(play: Play) -> list[str]:
    """Return the report of a run on direct tunnels, its summary first."""
    reports = [
        result["msg"] for result in play.results(task="Report direct tunnels") if isinstance(result.get("msg"), list)
    ]
    assert len(reports) == 1
    return list(reports[0])


def nat_rule(lab: Lab, gateway: str, rule: str) -> None:
    """Insert a masquerade rule at a gateway, and flush its connections."""
    lab.run(gateway, ["nft", "insert", "rule", "ip", "wirewright_lab", "outgoing", "oifname", "eth0", *rule.split()])
    forget(lab, gateway)


def forget(lab: Lab, gateway: str) -> None:
    """Flush the connections of a gateway: Linux drops masqueraded ones when the interface goes down."""
    for state in ("down", "up"):
        lab.run(gateway, ["ip", "link", "set", "eth0", state])


def direct_session(lab: Lab, host: str, other: str) -> Any:
    """Return a host's peer on the interface for direct tunnels as `wg` shows it, None without one."""
    return peers(lab, host, "wgdirect").get(public_key(lab, other, "wgdirect"))


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A fleet without direct tunnels, whose spokes reach each other through the hub."""
    with Lab() as fleet:
        build(fleet, FLEET)
        nat_rule(fleet, "nat5", "masquerade random,fully-random")
        assert_ok(converge(fleet, **MASTER))
        for name in ("s2", "s5"):
            assert reaches(fleet, "s1", name)
        yield fleet


@pytest.fixture(scope="module")
def first(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> tuple[Play, dict[str, list[int]], Capture]:
    """The run that sets up direct tunnels, the packets lost in it, and a capture of the public segment afterwards."""
    assert relayed(lab, "s1", "s2") > BYTES, "or the counters say nothing"
    pings = {"s2": ContinuousPing(lab, "s1", "s2"), "s5": ContinuousPing(lab, "s1", "s5")}
    play = converge(lab, "-vvv", **MASTER, **DIRECT)
    lost = {target: ping.lost() for target, ping in pings.items()}
    with Capture(lab, tmp_path_factory.mktemp("direct") / "after.pcap") as capture:
        assert relayed(lab, "s1", "s2") < BYTES / 5
        assert relayed(lab, "s1", "s5") > BYTES
    return assert_ok(play), lost, capture


First = tuple[Play, dict[str, list[int]], Capture]


def test_spokes_behind_nats_that_keep_ports_are_direct_after_one_run(lab: Lab, first: First) -> None:
    play, _lost, capture = first
    assert "s1 and s2: direct" in report(play)
    between = "udp and (src 192.0.2.101 and dst 192.0.2.102 or src 192.0.2.102 and dst 192.0.2.101) and greater 1000"
    assert len(capture.lines(between)) >= 20
    for name, other in (("s1", "s2"), ("s2", "s1")):
        session = direct_session(lab, name, other)
        assert session.latest_handshake and session.persistent_keepalive == "25"
        assert session.allowed_ips >= {f"{ADDRESSES[other]}/32"}
        assert (ADDRESSES[other], "wgdirect", 0) in routes(lab, name)
    assert direct_session(lab, "s1", "s2").preshared_key == direct_session(lab, "s2", "s1").preshared_key != "(none)"


def test_pairs_of_a_symmetric_nat_go_through_the_hub_and_the_run_reports_why(lab: Lab, first: First) -> None:
    play, _lost, capture = first
    for pair in ("s1 and s5", "s2 and s5"):
        (line,) = (line for line in report(play) if line.startswith(pair))
        assert line.startswith(f"{pair}: through the hub, because no handshake on {pair}, at 192.0.2.10")
        assert "symmetric NAT" in line
    assert report(play)[0] == "1 direct, 2 through the hub"
    assert capture.lines("udp and src 192.0.2.105 and dst 192.0.2.101 and greater 1000") == []
    assert direct_session(lab, "s1", "s5") is None and direct_session(lab, "s5", "s1") is None


def test_no_packet_is_lost_when_a_tunnel_becomes_direct_or_a_probe_fails(first: First) -> None:
    assert first[1] == {"s2": [], "s5": []}


def test_the_run_costs_hubs_one_call_more_and_spokes_three(first: First) -> None:
    play = first[0]
    assert {name: counts(play.executions(name)) for name in FLEET} == {
        "hub1": {"overlay_prepare": 1, "overlay_plan": 3, "overlay_apply": 1, "probe_info": 1, "overlay_summary": 1},
        **{name: {"overlay_prepare": 1, "overlay_apply": 3, "probe_info": 1} for name in FLEET[1:]},
    }


def endpoints(lab: Lab, host: str, interface: str) -> set[str]:
    """Return the endpoints of an interface's peers, each with its key, as `wg` prints them."""
    return set(lab.run(host, ["wg", "show", interface, "endpoints"]).stdout.splitlines())


def counts(executions: dict[str, int]) -> dict[str, int]:
    """Return the number of runs of each action of the collection."""
    prefix = "wirewright.overlay."
    return {name[len(prefix) :]: number for name, number in executions.items() if name.startswith(prefix)}


@pytest.mark.slow
def test_the_next_run_changes_nothing_although_nat_mappings_have_changed(lab: Lab, first: First) -> None:
    before = {name: endpoints(lab, name, "wgdirect") for name in ("s1", "s2")}
    at_hub = endpoints(lab, "hub1", "wg0")
    for gateway in ("nat1", "nat2", "nat5"):
        forget(lab, gateway)
    for name in ("s2", "s5"):
        assert reaches(lab, "s1", name) and reaches(lab, name, "s1")
    play = assert_ok(converge(lab, **MASTER, **DIRECT))
    assert play.changed == 0
    assert report(play) == report(first[0])
    assert {name: counts(play.executions(name)) for name in FLEET} == {
        "hub1": {"overlay_prepare": 1, "overlay_plan": 1, "overlay_apply": 1},
        **{name: {"overlay_prepare": 1, "overlay_apply": 1} for name in FLEET[1:]},
    }
    assert {name: endpoints(lab, name, "wgdirect") for name in before} == before
    moved = {endpoint for endpoint in endpoints(lab, "hub1", "wg0") - at_hub if "192.0.2.105:" in endpoint}
    assert moved, "the symmetric NAT has given s5 another port"
    assert relayed(lab, "s2", "s1") < BYTES / 5


@pytest.mark.slow
def test_between_runs_traffic_of_a_dead_tunnel_goes_through_the_hub_until_it_works_again(
    lab: Lab, first: First
) -> None:
    assert relayed(lab, "s1", "s2") < BYTES / 5
    block = ["ip", "daddr", "192.0.2.102", "drop"]
    lab.run("nat1", ["nft", "insert", "rule", "ip", "wirewright_lab", "forward", *block])
    for name, other in (("s1", "s2"), ("s2", "s1")):
        restart_session(lab, name, other)
    assert not ping_once(lab, "s1", "s2"), "no program has moved the routes yet"
    before = routes(lab, "s1")
    during_a_run = lab.run("s1", ["flock", "/run/wirewright.overlay/lock", *WATCH], check=False)
    assert "overlay_apply is changing this host" in during_a_run.stderr
    assert routes(lab, "s1") == before
    for name in ("s1", "s2"):
        watch(lab, name)
    assert relayed(lab, "s1", "s2") > BYTES
    lab.run(
        "nat1", ["nft", "delete", "rule", "ip", "wirewright_lab", "forward", "handle", rule_handle(lab, "192.0.2.102")]
    )
    pairs = (("s1", "s2"), ("s2", "s1"))
    wait_until(lambda: all(direct_session(lab, *pair).latest_handshake for pair in pairs), "both ends have a handshake")
    before = routes(lab, "s1")
    for name in ("s1", "s2"):
        watch(lab, name)
    assert routes(lab, "s1") - before == {(ADDRESSES["s2"], "wgdirect", 0), *HALVES_OF_S2}
    assert relayed(lab, "s1", "s2") < BYTES / 5
    assert assert_ok(converge(lab, "--check", **MASTER, **DIRECT)).changed == 0


def watch(lab: Lab, name: str) -> None:
    """Run the program once; on the host it checks every ten seconds."""
    lab.run(name, WATCH)


def ping_once(lab: Lab, source: str, target: str) -> bool:
    """Return whether one of three packets gets a reply."""
    argv = ["ping", "-n", "-c", "3", "-i", "0.3", "-w", "2", ADDRESSES[target]]
    return lab.run(source, argv, check=False).returncode == 0


def restart_session(lab: Lab, name: str, other: str) -> None:
    """Drop a host's session with another one, as a restart does, and keep the configuration."""
    peer = public_key(lab, other, "wgdirect")
    kept = "umask 077; wg showconf wgdirect >/run/direct.conf"
    lab.run(
        name, ["sh", "-c", f"{kept} && wg set wgdirect peer {peer} remove && wg syncconf wgdirect /run/direct.conf"]
    )


def rule_handle(lab: Lab, text: str) -> str:
    """Return the handle of the forward rule of nat1 with a text in it."""
    listed = lab.run("nat1", ["nft", "-a", "list", "chain", "ip", "wirewright_lab", "forward"]).stdout
    return next(line.split()[-1] for line in listed.splitlines() if text in line)


@pytest.mark.slow
def test_a_dead_tunnel_goes_through_the_hub_and_stun_names_the_nat(lab: Lab, first: First) -> None:
    assert direct_session(lab, "s1", "s2").latest_handshake
    nat_rule(lab, "nat1", "masquerade random,fully-random")
    # Dead at once, instead of after the three minutes that a session lasts.
    lab.run("s1", ["wg", "set", "wgdirect", "peer", public_key(lab, "s2", "wgdirect"), "remove"])
    lab.run("hub1", ["ip", "address", "add", f"{STUN_ADDRESSES[1]}/24", "dev", "eth0"])
    with stun_server(Node(f"ww-{lab.name}-hub1"), *STUN_ADDRESSES, mode="discovery"):
        options = {"hub_spoke_direct_retry": True, "hub_spoke_stun_servers": [STUN_ADDRESSES[0]]}
        play = assert_ok(converge(lab, **MASTER, **DIRECT, **options))
    kind = "is behind a symmetric NAT (address_and_port_dependent)"
    assert report(play) == [
        "3 through the hub",
        f"s1 and s2: through the hub, because s1 {kind}",
        f"s1 and s5: through the hub, because s1 {kind} and s5 {kind}",
        f"s2 and s5: through the hub, because s5 {kind}",
    ]
    assert relayed(lab, "s1", "s2") > BYTES
    assert ADDRESSES["s2"] not in {destination for destination, _device, _metric in routes(lab, "s1")}
    assert direct_session(lab, "s2", "s1") is None
