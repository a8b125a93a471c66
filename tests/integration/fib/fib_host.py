# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host for tests of rules and routes: two more interfaces with addresses, and the output of `ip`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from managed_host import ManagedHost, ModuleResult

TABLE = 7100

# IPv4 routes go with their interface when it goes down; duplicate address detection would delay IPv6 sources.
PREPARE = """
for name in va vc; do ip link add $name type veth peer name p$name; done
sysctl -qw net.ipv6.conf.va.accept_dad=0 net.ipv6.conf.vc.accept_dad=0
for name in va pva vc pvc; do ip link set $name up; done
ip addr add 198.51.100.1/24 dev va; ip addr add 2001:db8:2::1/64 dev va nodad
ip addr add 203.0.113.1/24 dev vc; ip addr add 2001:db8:3::1/64 dev vc nodad
"""
CLEAR = f"""
for family in -4 -6; do
    ip $family -o rule | while IFS=: read -r priority rest; do
        case "$priority $rest" in
            "0 "*"from all lookup local"|"32766 "*"from all lookup main"|"32767 "*"from all lookup default") ;;
            *) ip $family rule del priority $priority ;;
        esac
    done
    for table in {TABLE} 51820 4294967294 200; do ip $family route flush table $table 2>/dev/null || :; done
    ip $family route flush table main proto 87
done
"""


def clear(host: ManagedHost) -> None:
    """Remove all rules but the kernel's, and all routes of tests."""
    host.shell(CLEAR)


def rules(host: ManagedHost) -> list[dict[str, Any]]:
    """Return the output of `ip rule` for both families, in its order, without the kernel's own rules."""
    found = []
    for family in ("-4", "-6"):
        for rule in json.loads(host.run("ip", family, "-N", "-j", "-d", "rule")):
            if rule["priority"] not in (0, 32766, 32767):
                found.append({"family": family, **rule})
    return found


def routes(host: ManagedHost, table: int = TABLE) -> list[dict[str, Any]]:
    """Return the sorted output of `ip route` for a table, both families."""
    found: list[dict[str, Any]] = []
    for family in ("-4", "-6"):
        shown = host.run("ip", family, "-N", "-j", "-d", "route", "show", "table", str(table), check=False)
        # For a missing table, `ip` ends its output after the first bracket.
        listed = json.loads(shown) if shown.strip() not in ("", "[") else []
        found += [{"family": family, **route} for route in listed]
    return sorted(found, key=json.dumps)


def ip(host: ManagedHost, words: str, **options: Any) -> str:
    """Run `ip` in the host."""
    return host.run("ip", *shlex.split(words), **options)


def rule_module(
    host: ManagedHost, *entries: Mapping[str, Any], check_mode: bool = False, **options: Any
) -> ModuleResult:
    return host.module("ip_rule_fwmark", check_mode=check_mode, rules=list(entries), **options)


def route_module(
    host: ManagedHost, *entries: Mapping[str, Any], check_mode: bool = False, table: object = TABLE, **options: Any
) -> ModuleResult:
    return host.module("ip_route", check_mode=check_mode, table=str(table), routes=list(entries), **options)
