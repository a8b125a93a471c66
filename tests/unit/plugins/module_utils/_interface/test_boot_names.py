# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hook that sets an endpoint with a name at boot, run by bash with programs in place of getent, ip and wg."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.boot_names import post_up
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.answers import family_of, is_loopback, obstacle
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint
from external_programs import require

from ..samples import key, key_text

ENDPOINT = Endpoint("vpn.example.org", 51820)

# What `ip route get` says of an address, as of Linux 6.1 and iproute2 6.1.
ROUTES = {
    "192.0.2.1": "192.0.2.1 dev eth0 src 192.0.2.7 uid 0 \n    cache ",
    "192.0.2.2": "192.0.2.2 via 192.0.2.254 dev xlocal src 192.0.2.7 uid 0 \n    cache ",
    "2001:db8::1": "2001:db8::1 from :: dev eth0 proto kernel src 2001:db8::7 metric 256 pref medium",
    "192.0.2.7": "local 192.0.2.7 dev lo src 192.0.2.7 uid 0 \n    cache <local> ",
    "127.0.0.1": "local 127.0.0.1 dev lo src 127.0.0.1 uid 0 \n    cache <local> ",
    "10.42.0.2": "10.42.0.2 dev wg0 src 10.42.0.1 uid 0 \n    cache ",
    "224.0.0.1": "multicast 224.0.0.1 dev eth0 src 192.0.2.7 uid 0 \n    cache <mc> ",
    "2001:db8:5::1": "2001:db8:5::1 from :: via fe80::1 dev eth0 proto ra src fe80::7 metric 1024 pref medium",
    "2001:db8:6::1": "2001:db8:6::1 from :: via fe80::1 dev eth0 proto ra src 2001:db8::7 metric 1024 pref medium",
    "2001:db8:7::1": "2001:db8:7::1 from :: dev eth0 proto static src fe80::7 metric 1024 pref medium",
    "203.0.113.1": "RTNETLINK answers: Network is unreachable",
    "ff02::1": "multicast ff02::1 dev eth0 table local proto kernel src fe80::7 metric 256 pref medium",
    "fd00::7": "local fd00::7 dev lo table local proto kernel src fd00::7 metric 0 pref medium",
}


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory with the programs; `answers` has the addresses, and the calls of getent and wg are kept."""
    require("bash")
    (tmp_path / "getent").write_text(
        f'#!/bin/bash\necho "$*" >>{tmp_path}/asked\n'
        f'while read -r a; do for kind in STREAM DGRAM RAW; do printf "%-15s %s\\n" "$a" "$kind"; done; done '
        f"<{tmp_path}/answers\n"
    )
    cases = "\n".join(f"'{address}') printf '%s\\n' '{text}' ;;" for address, text in ROUTES.items())
    (tmp_path / "ip").write_text(
        f'#!/bin/bash\necho "$*" >>{tmp_path}/looked_up\ncase "$3" in\n{cases}\n*) echo "$3 dev eth0" ;;\nesac >&2\n'
    )
    (tmp_path / "wg").write_text(f'#!/bin/bash\necho "$*" >>{tmp_path}/set\n')
    (tmp_path / "sleep").write_text(f"#!/bin/bash\necho slept >>{tmp_path}/waits\n")
    for program in ("getent", "ip", "wg", "sleep"):
        (tmp_path / program).chmod(0o755)
    return tmp_path


def boot(programs: Path, *answers: str, family: str = "", fwmark: int = 0) -> str:
    """Run the hook as wg-quick does, and return the endpoint that it has set."""
    (programs / "answers").write_text("".join(f"{address}\n" for address in answers))
    line = post_up(key(2), ENDPOINT, family, fwmark)
    assert "\n" not in line and "#" not in line, "wg-quick reads one line, and a comment from # on"
    hook = line.partition(" = ")[2].replace("%i", "wg0")
    script = 'set -e -o pipefail; shopt -s extglob; (eval "$1"); wait'
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    # The background process holds the pipe until it ends.
    done = subprocess.run(
        ["bash", "-c", script, "bash", hook], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert not done.stderr
    calls = (programs / "set").read_text().splitlines() if (programs / "set").exists() else []
    before = f"set wg0 peer {key_text(2)} endpoint "
    assert len(calls) <= 1 and all(call.startswith(before) for call in calls)
    return "".join(calls)[len(before) :]


@pytest.mark.parametrize(
    ("answers", "endpoint"),
    [
        (("192.0.2.1",), "192.0.2.1:51820"),
        (("2001:db8::1", "192.0.2.1"), "[2001:db8::1]:51820"),
        (("0.0.0.0", "192.0.2.1"), "192.0.2.1:51820"),  # noqa: S104   nothing is bound
        (("192.0.2.7", "127.0.0.1", "10.42.0.2", "224.0.0.1", "192.0.2.1"), "192.0.2.1:51820"),
        (("203.0.113.1", "192.0.2.2"), "192.0.2.2:51820"),
        (("fe80::1", "::", "::1", "::ffff:192.0.2.1", "ff02::1", "fd00::7", "2001:db8::1"), "[2001:db8::1]:51820"),
        (("2001:db8:5::1", "2001:db8:6::1"), "[2001:db8:6::1]:51820"),
        (("2001:db8:5::1", "2001:db8:7::1"), "[2001:db8:7::1]:51820"),
        (("2001:db8:5::1", "203.0.113.1"), ""),
        (("10.42.0.2",), ""),
        ((), ""),
    ],
)
def test_the_first_usable_address_is_set(programs: Path, answers: tuple[str, ...], endpoint: str) -> None:
    assert boot(programs, *answers) == endpoint
    waits = (programs / "waits").read_text().split() if (programs / "waits").exists() else []
    assert len(waits) == (0 if endpoint else 10), "a name is resolved again until it has one"


@pytest.mark.parametrize(("family", "database"), [("", "ahosts"), ("ipv4", "ahostsv4"), ("ipv6", "ahostsv6")])
def test_only_addresses_of_the_family_are_asked_for(programs: Path, family: str, database: str) -> None:
    boot(programs, "192.0.2.1", family=family)
    assert (programs / "asked").read_text() == f"{database} vpn.example.org\n"


def test_routes_are_those_of_the_firewall_mark(programs: Path) -> None:
    boot(programs, "192.0.2.1", fwmark=0xCA6C)
    assert (programs / "looked_up").read_text() == "route get 192.0.2.1 mark 0xca6c\n"


def test_addresses_refused_by_a_run_are_refused_at_boot(programs: Path) -> None:
    refused = [address for address in ROUTES if obstacle(address) or is_loopback(address)]
    assert {family_of(address) for address in refused} == {"ipv4", "ipv6"}
    assert boot(programs, *refused) == ""
