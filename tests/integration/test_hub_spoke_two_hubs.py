# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spokes with a tunnel to each of two hubs."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hub_spoke_lab import (
    ADDRESSES,
    ONE_HUB,
    TWO_HUBS,
    build,
    converge,
    fleet,
    fleet_state,
    is_cut_off,
    reaches,
    routes,
    session,
)
from lab_hosts import Lab
from mesh_lab import assert_ok, failure, ping
from shared_lab import SharedLab

SPOKES = ("s1", "s2", "s3")
DEVICES = {"hub1": "wg0", "hub2": "wg1"}
PAYLOAD = 1200
# The failover program has separate tests; its files double the time of a run.
NO_PROGRAM = {"hub_spoke_failover": "none"}


@pytest.fixture(scope="module")
def shared_fleet() -> Iterator[SharedLab]:
    with SharedLab(lambda: fleet(*TWO_HUBS, **NO_PROGRAM), fleet_state) as shared:
        yield shared


@pytest.fixture
def lab(shared_fleet: SharedLab) -> Lab:
    """Two hubs and three spokes."""
    return shared_fleet.get()


def test_spokes_prefer_one_hub_and_fail_over_to_the_other(lab: Lab) -> None:
    assert routes(lab, "s1") == {
        ("10.43.0.0/24", "wg0", 100),
        ("10.43.0.0/24", "wg1", 200),
        (ADDRESSES["hub1"], "wg0", 100),
        (ADDRESSES["hub2"], "wg1", 200),
        ("10.60.1.0/24", "wg0", 100),
        *((f"10.50.{n}.0/24", device, metric) for n in (2, 3) for device, metric in (("wg0", 100), ("wg1", 200))),
    }
    for source, target in (("s1", "s2"), ("s1", "hub1"), ("s1", "hub2"), ("hub1", "hub2"), ("s2-site", "s3-site")):
        assert reaches(lab, source, target), (source, target)
    assert paths(lab, "s1", "s2") == ["hub1", "hub1"]

    lab.run("hub1", ["ip", "link", "set", "wg0", "down"])
    assert is_cut_off(lab, "s1", "s2")
    # Packets through either hub are accepted, so spokes can change one after the other.
    for name in SPOKES:
        lab.run(name, ["ip", "route", "flush", "dev", "wg0", "proto", "87"])
    assert reaches(lab, "s1", "s2")
    assert reaches(lab, "s2-site", "s3-site")
    assert paths(lab, "s1", "s2") == ["hub2", "hub2"]

    play = assert_ok(converge(lab, **NO_PROGRAM))
    assert all(play.recap[name]["changed"] == 1 for name in ("hub1", *SPOKES))
    assert play.recap["hub2"]["changed"] == 0
    assert paths(lab, "s1", "s2") == ["hub1", "hub1"]
    assert assert_ok(converge(lab, **NO_PROGRAM)).changed == 0


PROGRAM = ["python3", "-I", "/usr/local/lib/wirewright.overlay/wirewright-overlay-failover"]
WITHIN = 20  # seconds, as docs/failover.md says


@pytest.mark.slow
def test_the_next_hub_takes_over_in_time_and_a_run_changes_nothing() -> None:
    everything: dict[str, Any] = {"hub_spoke_masquerade": True, "per_host": {"s2": {"hub_spoke_full_tunnel": True}}}
    with fleet(*TWO_HUBS, **everything) as lab, contextlib.ExitStack() as stack:
        for name in SPOKES:
            stack.enter_context(running(lab, name))
        assert reaches(lab, "s2-site", "s3-site")
        assert exit_device(lab, "s2") == "wg0"
        lab.run("hub1", ["ip", "link", "set", "wg0", "down"])
        died = time.monotonic()
        while is_cut_off(lab, "s2-site", "s3-site"):
            assert time.monotonic() < died + 2 * WITHIN, "twice the time, for a machine under load"
        assert paths(lab, "s1", "s2") == ["hub2", "hub2"]
        assert exit_device(lab, "s2") == "wg1", "the full tunnel moves too"
        play = assert_ok(converge(lab, **everything))
        assert {name: play.recap[name]["changed"] for name in (*SPOKES, "hub2")} == dict.fromkeys((*SPOKES, "hub2"), 0)
        assert paths(lab, "s1", "s2") == ["hub2", "hub2"], "hub1 is up again, and has not yet answered six times"
        deadline = time.monotonic() + 120
        while paths(lab, "s1", "s2") != ["hub1", "hub1"]:
            assert time.monotonic() < deadline
            time.sleep(1)
        assert exit_device(lab, "s2") == "wg0"
        state = json.loads(lab.run("s1", [*PROGRAM, "--once"]).stdout)
        assert state["active"] == "hub1" and [hub["answers"] for hub in state["hubs"]] == [True, True]
        assert_ok(converge(lab, hub_spoke_failover="absent"))
        assert (
            lab.run("s1", ["ls", "-d", PROGRAM[-1], "/etc/wirewright.overlay/failover.json"], check=False).stdout == ""
        )


@contextlib.contextmanager
def running(lab: Lab, name: str) -> Iterator[None]:
    """Run the failover program, as its unit does with systemd."""
    with subprocess.Popen([*lab.enter(name), *PROGRAM], stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


def exit_device(lab: Lab, name: str) -> str:
    """Return the device for packets to an address outside of all networks."""
    return str(json.loads(lab.run(name, ["ip", "-j", "route", "get", "203.0.113.9"]).stdout)[0]["dev"])


def paths(lab: Lab, source: str, target: str) -> list[str]:
    """Return the hubs that forward a large packet and its reply, by the hubs' counters."""
    before = {name: sent(lab, name) for name in (source, target)}
    assert ping(lab, source, ADDRESSES[target], "-s", str(PAYLOAD))
    after = {name: sent(lab, name) for name in (source, target)}
    return [
        hub for name in (target, source) for hub, count in after[name].items() if count - before[name][hub] > PAYLOAD
    ]


def sent(lab: Lab, name: str) -> dict[str, int]:
    """Return the bytes that each hub has sent to a spoke; none if the hub's device is down."""
    return {hub: session(lab, hub, name, interface).tx_bytes for hub, interface in DEVICES.items()}


def test_replies_may_come_through_the_other_hub(lab: Lab) -> None:
    assert reaches(lab, "s1", "s2")
    lab.run("s1", ["sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1"])
    lab.run("s2", ["ip", "route", "flush", "dev", "wg0", "proto", "87"])
    assert reaches(lab, "s1", "s2")
    assert paths(lab, "s1", "s2") == ["hub1", "hub2"]
    lab.run("s1", ["sysctl", "-qw", "net.ipv4.conf.wg1.rp_filter=0"])
    assert is_cut_off(lab, "s1", "s2"), "without the sysctl the kernel drops them"


@pytest.mark.slow
def test_a_second_hub_resets_no_session() -> None:
    with fleet(*ONE_HUB) as lab:
        assert reaches(lab, "s1", "s2")
        before = {name: session(lab, name, "hub1") for name in ("s1", "s2")}
        build(lab, ["hub2"])
        joined = assert_ok(converge(lab, hub_spoke_verify_seconds=20, **NO_PROGRAM))
        probes = {name: joined.results(host=name, action="wirewright.overlay.probe_info") for name in TWO_HUBS}
        assert [found["summary"] for name in SPOKES for found in probes[name]] == ["2 peers: 2 ok"] * 3
        assert [found["summary"] for name in ("hub1", "hub2") for found in probes[name]] == ["1 peer: 1 ok"] * 2
        for name, state in before.items():
            after = session(lab, name, "hub1")
            assert after.configuration() == state.configuration()
            assert after.latest_handshake >= state.latest_handshake and after.rx_bytes >= state.rx_bytes > 0
        assert reaches(lab, "s1", "hub2")
        assert assert_ok(converge(lab, **NO_PROGRAM)).changed == 0


def test_two_hubs_with_one_interface_are_refused_before_any_change() -> None:
    with Lab() as lab:
        build(lab, TWO_HUBS)
        alike = {"hub2": {"hub_spoke_interface": "wg0", "hub_spoke_priority": 100}}
        message = failure(converge(lab, per_host=alike))
        assert "hub_spoke_interface: hubs 'hub1', 'hub2' all have wg0" in message
        assert "hub_spoke_priority: hubs 'hub1', 'hub2' all have 100" in message
        assert lab.run("s1", ["ip", "link", "show", "dev", "wg0"], check=False).returncode


@pytest.mark.slow
def test_two_remote_calls_for_each_host_whatever_the_number_of_hubs(lab: Lab) -> None:
    play = assert_ok(converge(lab, "-vvv", **NO_PROGRAM))
    assert play.remote_calls == dict.fromkeys(TWO_HUBS, 2)


@pytest.mark.slow
def test_serial_one_completes_the_overlay_in_one_run() -> None:
    with Lab() as lab:
        build(lab, ["hub1", "hub2", "s1", "s2"])
        assert_ok(converge(lab, "-e", "overlay_serial=1", play="playbooks/hub_spoke.yml", **NO_PROGRAM))
        for source, target in (("s1", "s2"), ("s2", "hub2"), ("hub1", "hub2")):
            assert reaches(lab, source, target), (source, target)
        assert (
            assert_ok(converge(lab, "-e", "overlay_serial=1", play="playbooks/hub_spoke.yml", **NO_PROGRAM)).changed
            == 0
        )


@pytest.mark.slow
def test_hubs_swap_preference(lab: Lab) -> None:
    before = session(lab, "s1", "hub1")
    assert_ok(converge(lab, per_host={"hub1": {"hub_spoke_priority": 300}}, **NO_PROGRAM))
    assert ("10.43.0.0/24", "wg0", 300) in routes(lab, "s1")
    assert paths(lab, "s1", "s2") == ["hub2", "hub2"]
    assert session(lab, "s1", "hub1").latest_handshake >= before.latest_handshake
    assert_ok(converge(lab, **NO_PROGRAM))
    assert paths(lab, "s1", "s2") == ["hub1", "hub1"]
    assert assert_ok(converge(lab, **NO_PROGRAM)).changed == 0


@pytest.mark.slow
def test_unreachable_hosts_are_kept(lab: Lab) -> None:
    nowhere = {"ansible_exec_prefix": ["nsenter", "--net=/run/netns/ww-nowhere", "--"]}
    for gone in ("hub1", "s2"):
        play = converge(lab, per_host={gone: nowhere}, **NO_PROGRAM)
        assert play.recap[gone]["unreachable"] == 1
        assert play.changed == 0
        assert not [event for event in play.events if event["event"] == "failed"]
    assert reaches(lab, "s1", "s2")


@pytest.mark.slow
def test_the_state_after_boot_equals_the_running_one() -> None:
    with fleet(*TWO_HUBS, overlay_persistence="wg_quick", **NO_PROGRAM) as lab:
        before = {name: routes(lab, name) for name in ("hub1", "s1")}
        for name, interfaces in (("hub1", ["wg0"]), ("s1", ["wg0", "wg1"])):
            for interface in interfaces:
                lab.run(name, ["ip", "link", "del", interface])
            for interface in interfaces:
                script = f"wg-quick up {interface} </dev/null >/run/wg-quick.log 2>&1 || {{ cat /run/wg-quick.log; exit 1; }}"
                lab.run(name, ["sh", "-c", script])
                # systemd does this through udev when an interface appears, see sysctl.d(5).
                lab.run(name, ["sysctl", "-q", "-p", f"/etc/sysctl.d/90-wirewright-{interface}.conf"])
        assert {name: routes(lab, name) for name in before} == before
        assert assert_ok(converge(lab, overlay_persistence="wg_quick", **NO_PROGRAM)).changed == 0
        # The hub learns the endpoint of a spoke from its next packet; keepalives alone take up to two minutes.
        assert reaches(lab, "s2", "hub1")
        assert paths(lab, "s1", "s2") == ["hub1", "hub1"]


@pytest.mark.slow
def test_revoking_a_hub_removes_its_interfaces(lab: Lab) -> None:
    play = assert_ok(converge(lab, overlay_revoked=["hub2"], **NO_PROGRAM))
    assert play.recap["hub2"]["changed"] == 0
    for name in SPOKES:
        assert lab.run(name, ["ip", "link", "show", "dev", "wg1"], check=False).returncode
        assert not [route for route in routes(lab, name) if route[1] == "wg1"]
    assert reaches(lab, "s1", "s2")
    assert assert_ok(converge(lab, overlay_revoked=["hub2"], **NO_PROGRAM)).changed == 0


def test_a_second_hub_with_the_key_of_the_first_is_refused() -> None:
    with fleet("hub1", "s3", **NO_PROGRAM) as lab:
        key = lab.run("hub1", ["cat", "/etc/wireguard/wg0.key"]).stdout
        build(lab, ["hub2"])
        lab.run("hub2", ["sh", "-c", "mkdir -p /etc/wireguard; umask 77; cat >/etc/wireguard/wg1.key"], input=key)
        before = fleet_state(lab)
        refused = failure(converge(lab, **NO_PROGRAM))
        assert "host 'hub2': hub_spoke_private_key_file: this host has the same key as 'hub1'" in refused
        assert "path=/etc/wireguard/wg1.key, regenerate=true" in refused
        assert fleet_state(lab) == before


def test_a_second_hub_joins_alone_while_spokes_have_no_key_for_it() -> None:
    with fleet("hub1", "s3", **NO_PROGRAM) as lab:
        build(lab, ["hub2"])
        joined = assert_ok(converge(lab, "--limit", "hub2", **NO_PROGRAM))
        said = " ".join((joined.stdout + joined.stderr).split())
        assert "'s3' has no key yet: a warning says what to do." in said and "nothing to do" not in said
        assert "host 's3': hub_spoke_public_key: the host is not in this run and has no key yet" in said
        assert_ok(converge(lab, **NO_PROGRAM))
        assert reaches(lab, "s3", "hub2")
