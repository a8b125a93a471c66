# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a preflight check finds in the state of a host."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.wirewright.overlay.plugins.module_utils._host import firewall_openings as openings
from ansible_collections.wirewright.overlay.plugins.module_utils._preflight.findings import Finding, findings
from ansible_collections.wirewright.overlay.plugins.module_utils._preflight.host_state import (
    ClockState,
    FileSystem,
    HostState,
    InterfaceState,
    KernelState,
    PortState,
    Uplink,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._preflight.options import Wanted

NOW = 1_800_000_000.0
READY = HostState(
    can_administer=True,
    kernel=KernelState(True, "6.1.0"),
    clock=ClockState(NOW, NOW - 100),
    has_tun=True,
    uplinks={"ipv4": Uplink("eth0", 1500)},
    sysctls={"net/ipv4/ip_forward": "1", "net/ipv4/conf/all/rp_filter": "0", "net/ipv4/conf/eth0/rp_filter": "2"},
)
WANTED = Wanted("wg0", 51820)
WITHOUT = KernelState(False, "6.1.0", module="/lib/modules/6.1.0/wireguard.ko")


def found(wanted: Wanted = WANTED, /, **state: Any) -> list[Finding]:
    return findings(replace(READY, **state), wanted)


def test_nothing_is_found_on_a_host_that_is_ready() -> None:
    assert found() == []
    assert found(bound=PortState(True, "the WireGuard interface wg0", is_ours=True)) == []
    assert found(existing=InterfaceState("wireguard", is_ours=True)) == []


@pytest.mark.parametrize(
    ("kernel", "cause", "remedy"),
    [
        (
            replace(WITHOUT, container=True),
            "the kernel of this container has no WireGuard",
            "on the machine that runs it",
        ),
        (replace(WITHOUT, has_modules=False), "no modules of the running kernel 6.1.0", "reboot the host"),
        (replace(WITHOUT, blocked_by="/etc/modprobe.d/x.conf"), "/etc/modprobe.d/x.conf forbids", "delete its line"),
        (replace(WITHOUT, secure_boot=True), "Secure Boot is on", "mokutil --import"),
        (WITHOUT, "did not load /lib/modules/6.1.0/wireguard.ko", "modprobe wireguard; dmesg"),
        (replace(WITHOUT, module=""), "the kernel 6.1.0 has no module wireguard", "install the package of its modules"),
    ],
)
def test_the_reason_for_a_kernel_without_wireguard(kernel: KernelState, cause: str, remedy: str) -> None:
    (error,) = found(kernel=kernel)
    assert (error.check, error.level) == ("wireguard", "error")
    assert cause in error.cause and remedy in error.remedy and "overlay_userspace" in error.remedy
    (note,) = found(WANTED._replace(userspace=True), kernel=kernel)
    assert note.level == "note" and cause in note.cause and "wireguard-go is used" in note.cause


def test_wireguard_outside_of_the_kernel_needs_a_tun_device() -> None:
    first, _note = found(WANTED._replace(userspace=True), kernel=WITHOUT, has_tun=False)
    assert first.level == "error" and "/dev/net/tun" in first.cause


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"can_administer": False}, ("rights", "error", "CAP_NET_ADMIN", "--become")),
        ({"existing": InterfaceState("tun")}, ("interface", "error", "of the kind tun", "another name")),
        ({"existing": InterfaceState("bridge")}, ("interface", "error", "of the kind bridge", "another name")),
        (
            {"existing": InterfaceState("wireguard", files=("/etc/wireguard/wg0.conf",))},
            ("interface", "error", "another program, with /etc/wireguard/wg0.conf", "wirewright.overlay.import"),
        ),
        (
            {"existing": InterfaceState(files=("/etc/wireguard/wg0.conf",))},
            ("interface", "error", "configured by another program", "take it over"),
        ),
        (
            {"existing": InterfaceState(unreadable="line 3: no")},
            ("interface", "error", "line 3: no", "correct the file"),
        ),
        (
            {"bound": PortState(True, "dnsmasq (process 8)")},
            ("port", "error", "in use by dnsmasq (process 8)", "another port"),
        ),
        ({"bound": PortState(True)}, ("port", "error", "UDP port 51820 is in use", "another port")),
        (
            {"file_systems": (FileSystem("/etc/wireguard", is_read_only=True),)},
            ("files", "error", "read-only", "writable"),
        ),
        ({"file_systems": (FileSystem("/var/lib", is_full=True),)}, ("files", "error", "is full", "inodes")),
        ({"uplinks": {"ipv4": Uplink("ppp0", 1339)}}, ("mtu", "warning", "ppp0 has an MTU of 1339", "IPv4 addresses")),
        ({"uplinks": {"ipv6": Uplink("ppp0", 1359)}}, ("mtu", "warning", "needs 1360", "raise its MTU")),
        ({"uplinks": {}}, ("uplink", "note", "no default route", "")),
        ({"has_systemd": False}, ("boot", "warning", "systemd does not run this host", "after each boot")),
        ({"missing": ("wireguard-tools",)}, ("packages", "note", "wireguard-tools", "install")),
        ({"clock": ClockState(NOW, NOW + 7200)}, ("clock", "error", "2 hours behind the host's own latest", "NTP")),
    ],
)
def test_each_finding_has_cause_and_remedy(state: dict[str, Any], expected: tuple[str, str, str, str]) -> None:
    (finding,) = found(**state)
    check, level, cause, remedy = expected
    assert (finding.check, finding.level) == (check, level)
    assert cause in finding.cause and remedy in finding.remedy


@pytest.mark.parametrize(("mtu", "family"), [(1340, "ipv4"), (1360, "ipv6")])
def test_the_smallest_mtu_that_carries_ipv6(mtu: int, family: str) -> None:
    assert found(uplinks={family: Uplink("eth0", mtu)}) == []


@pytest.mark.parametrize(
    ("controller", "cause"),
    [
        (NOW + 60, None),
        (NOW - 60, None),
        (0, None),
        (NOW + 61, "61 seconds behind the controller's"),
        (NOW - 600, "10 minutes ahead of the controller's"),
        (NOW + 400 * 86400, "400 days behind the controller's"),
    ],
)
def test_the_clock_is_compared_with_that_of_the_controller(controller: float, cause: str | None) -> None:
    seen = [finding.cause for finding in found(WANTED._replace(controller_time=controller))]
    assert len(seen) == (cause is not None) and all(str(cause) in text for text in seen)


def test_what_may_be_adopted_is_no_error() -> None:
    assert (
        found(WANTED._replace(adopt=True), existing=InterfaceState("wireguard", files=("/etc/wireguard/wg0.conf",)))
        == []
    )
    (error,) = found(WANTED._replace(adopt=True), existing=InterfaceState("veth"))
    assert error.level == "error"


def test_a_firewall_is_opened_by_the_role_where_it_can_be() -> None:
    dropped = (
        openings.Finding("ufw", "UDP port 51820 coming in", (("ufw", "allow", "51820/udp"),)),
        openings.Finding("nft", "UDP port 51820", (("nft", "insert", "rule", "a b"),)),
    )
    first, second = found(dropped=dropped)
    assert first.remedy == "set open_firewall of the role to true, or run ufw allow 51820/udp"
    assert second.remedy == "run nft insert rule 'a b'"
    assert (first.level, second.level) == ("warning", "warning")
    assert {one.level for one in found(WANTED._replace(forwards=True), dropped=dropped)} == {"error"}


def test_without_rights_nothing_is_said_of_an_interface_that_cannot_be_told_from_one_of_wireguard_go() -> None:
    unknown = {"existing": InterfaceState("tun"), "bound": PortState(True)}
    assert [one.check for one in found(can_administer=False, **unknown)] == ["rights"]
    assert {one.check for one in found(**unknown)} == {"interface", "port"}


def test_kernel_parameters() -> None:
    strict = {**READY.sysctls, "net/ipv4/conf/all/rp_filter": "1", "net/ipv4/conf/eth0/rp_filter": "0"}
    (note,) = found(sysctls=strict)
    assert (note.check, note.level) == ("rp_filter", "note") and "strict on eth0" in note.cause
    off = {"net/ipv4/ip_forward": "0", "net/ipv6/conf/all/forwarding": "0"}
    assert found(sysctls=off) == []
    (note,) = found(WANTED._replace(forwards=True), sysctls=off)
    assert note.cause == "forwarding of IPv4 and IPv6 is off"


def test_errors_come_first() -> None:
    levels = [one.level for one in found(has_systemd=False, missing=("nftables",), bound=PortState(True))]
    assert levels == ["error", "warning", "note"]


ROOT = Path(__file__).parents[5]


def checks(source: str) -> set[str]:
    """Return the checks of the findings that a source has."""
    calls = [
        node for node in ast.walk(ast.parse((ROOT / "plugins" / source).read_text())) if isinstance(node, ast.Call)
    ]
    first = [one.args[0] for one in calls if isinstance(one.func, ast.Name) and one.func.id == "Finding"]
    return {str(one.value) for one in first if isinstance(one, ast.Constant)}


def test_the_page_has_a_row_for_each_check() -> None:
    found = checks("module_utils/_preflight/findings.py") | checks("plugin_utils/_preflight_report.py")
    section = (ROOT / "docs/preflight.md").read_text().partition("## What is checked")[2]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == found, "describe it in docs/preflight.md"


def test_the_module_documents_each_check() -> None:
    (text,) = re.findall(
        r'^RETURN = r"""(.*?)"""', (ROOT / "plugins/modules/preflight_info.py").read_text(), re.S | re.M
    )
    (listed,) = yaml.safe_load(text)["findings"]["contains"]["check"]["description"]
    found = checks("module_utils/_preflight/findings.py")
    assert set(re.findall(r"C\((\w+)\)", listed)) == found, "add it to RETURN of preflight_info"
