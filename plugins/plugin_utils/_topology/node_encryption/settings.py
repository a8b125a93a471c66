# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role variables of node encryption, and its defaults of the common ones.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ....module_utils._ip.prefix import Address, Prefix
from ....module_utils._nftables.option_values import interfaces
from ..._kubernetes import node_address, pod_cidrs
from ..._kubernetes.discovery import DiscoverySettings
from ..._problems import Problem
from ..._variable_reader import Reader, shown, whole_number
from ..fleet import settings as common
from ..fleet.networks import parse_allowed_ip, parse_network
from ..fleet.settings import Settings, interface_name, read_settings
from ..plan_model.fleet import HostInput
from ..plan_model.nodes import ALL, ENDS, IN, OUT
from . import profiles, values

VARIABLES = (
    *common.VARIABLES,
    "alternate_interface",
    "alternate_port",
    "backend",
    "cluster_cidrs",
    "enabled",
    "exclude_cidrs",
    "exempt_hosts",
    "exempt_ports",
    "extra_allowed_ips",
    "further_ips",
    "send_serial",
    "fwmask",
    "granularity",
    "host_encryption",
    "location",
    "location_leader",
    "max_key_age_days",
    "mss_clamp",
    "mtu_align",
    "mtu_underlay_extra",
    "node_ip",
    "node_ip_detection",
    "node_ip_families",
    "node_name",
    "nodes",
    "opt_out_labels",
    "phase",
    "pod_cidr_source",
    "pod_cidrs",
    "pod_interfaces",
    "profile",
    "rotate",
    "route_protocol",
    "rule_priority",
    "rule_protocol",
    "state",
    "strict",
    "strict_action",
    "table",
    "virtual_ips",
)

# Variables of other topologies, which the role does not have.
UNUSED = ("addresses", "network", "networks", "forward", "open_firewall", "routes", "routes_except", "static_peers")

FWMARK = 0x100000
TABLE = 7100
RULE_PRIORITY = 99
ALTERNATE_PORT = 51821
FULL, LOCATION = "full", "location"
WIREGUARD, IPSEC = BACKENDS = ("wireguard", "ipsec")
STRICT_ACTIONS = ("blackhole", "prohibit", "unreachable")
_STRICT = {"egress": (OUT,), "ingress": (IN,), "both": (IN, OUT)}
# 32766 is the rule of the main table (ip-rule(8)).
_LOWEST_PRIORITY, _HIGHEST_PRIORITY = 1, 32765
_RESERVED_TABLES = range(253, 256)
_MOST_AT_A_TIME = 100000


@dataclass(frozen=True)
class NodeSettings:
    """The inventory's settings of one node. strict: the directions, of "in" and "out", in which plaintext is dropped.

    mtu_align: whether the MTU is rounded down to a multiple of 16. alternate_interface: the device to which a key rotation
    changes, on alternate_port. max_key_age_days: 0 for no limit. nodes: the cluster's node list, or None. granularity: FULL or
    LOCATION. location: empty for a location of its own, always with FULL. is_leader: whether the inventory names it as the
    leader of its location. absent: whether it would be enabled without the state absent. send_serial: how many nodes apply
    the phase send at a time, 0 for all. phase: the last one of the run, one of ENDS. opt_out_labels: labels of the cluster's
    nodes, `key` or `key=value`, with which a node does not encrypt. further_ips: other addresses of the node that stay.
    virtual_ips: addresses that move between nodes, which stay unencrypted.
    """

    discovery: DiscoverySettings
    enabled: bool
    cluster_cidrs: tuple[Prefix, ...]
    extra_allowed_ips: tuple[Prefix, ...]
    exclude_cidrs: tuple[Prefix, ...]
    exempt_hosts: tuple[str, ...]
    exempt_ports: tuple[int, ...]
    host_encryption: bool
    strict: tuple[str, ...]
    strict_action: str
    fwmask: int
    table: int
    rule_priority: int
    rule_protocol: str
    route_protocol: str
    pod_interfaces: tuple[str, ...]
    profile: str
    mss_clamp: bool
    mtu_align: bool
    mtu_underlay_extra: int
    alternate_interface: str
    alternate_port: int
    rotate: bool
    max_key_age_days: int
    nodes: Any
    granularity: str = FULL
    location: str = ""
    is_leader: bool = False
    absent: bool = False
    send_serial: int = 0
    phase: str = ALL
    opt_out_labels: tuple[str, ...] = ()
    further_ips: tuple[Address, ...] = ()
    virtual_ips: tuple[Address, ...] = ()


def read_common_settings(host: HostInput, prefix: str, problems: list[Problem]) -> Settings:
    """Return a node's common settings, and append problems.

    By default its interface is kwg0 and its packets are marked. Its routes are in a table of their own.
    """
    defaults: dict[str, object] = {"interface": "kwg0", "fwmark": FWMARK}
    given: Mapping[str, object] = {name: value for name, value in host.variables.items() if value not in (None, "")}
    variables = {name: value for name, value in {**defaults, **given}.items() if name not in UNUSED}
    planned = host._replace(variables={**variables, "routes": False})
    return read_settings(planned, prefix, problems, may_skip_verification=False, may_have_any_port=False)


def read_node_settings(host: HostInput, prefix: str, problems: list[Problem]) -> NodeSettings:
    """Return the settings that only nodes have, and append problems."""
    read = Reader(host.name, prefix, host.variables, problems)
    present = read.choice("state", "present", ("present", "absent")) == "present"
    granularity = read.choice("granularity", FULL, (FULL, LOCATION))
    enabled = read.boolean("enabled", True)
    nodes = read.given("nodes")
    read.choice("backend", WIREGUARD, BACKENDS)
    profile = read.choice("profile", profiles.OVERLAY, profiles.PROFILES)
    detection = node_address.KUBERNETES_INTERNAL_IP if nodes is not None else node_address.FIRST_FOUND
    return NodeSettings(
        discovery=DiscoverySettings(
            node_ip=read.parsed("node_ip", values.node_address),
            node_ip_detection=read.text("node_ip_detection", detection),
            node_ip_families=_families(read) or (4,),
            pod_cidr_source=read.choice("pod_cidr_source", pod_cidrs.AUTO, (pod_cidrs.AUTO, *pod_cidrs.SOURCES)),
            pod_cidrs=read.parsed("pod_cidrs", parse_network),
            node_name=values.checked(read, "node_name", "", values.node_name),
            ansible_host=host.ansible_host,
        ),
        enabled=enabled and present,
        cluster_cidrs=read.parsed("cluster_cidrs", parse_network),
        extra_allowed_ips=read.parsed("extra_allowed_ips", parse_allowed_ip),
        exclude_cidrs=read.parsed("exclude_cidrs", values.excluded),
        exempt_hosts=tuple(read.entries("exempt_hosts")),
        exempt_ports=tuple(_numbers(read, "exempt_ports", 1, 65535)),
        # Between locations all traffic is encrypted: packets of a pod to a remote node may have its own node's address.
        host_encryption=read.boolean("host_encryption", False) or granularity == LOCATION,
        strict=_strict(read) if present else (),
        strict_action=read.choice("strict_action", "blackhole", STRICT_ACTIONS),
        fwmask=read.integer("fwmask", 0, 0, 0xFFFFFFFF),
        table=_table(read),
        rule_priority=read.integer("rule_priority", RULE_PRIORITY, _LOWEST_PRIORITY, _HIGHEST_PRIORITY),
        rule_protocol=values.checked(read, "rule_protocol", "kernel", values.protocol),
        route_protocol=values.checked(read, "route_protocol", profiles.ROUTE_PROTOCOLS[profile], values.protocol),
        pod_interfaces=read.parsed("pod_interfaces", interfaces),
        profile=profile,
        mss_clamp=read.boolean("mss_clamp", True),
        mtu_align=read.boolean("mtu_align", False),
        mtu_underlay_extra=read.integer("mtu_underlay_extra", 0, 0, 4096),
        alternate_interface=interface_name(read, "alternate_interface", "kwg1"),
        alternate_port=read.integer("alternate_port", ALTERNATE_PORT, 1, 65535),
        rotate=read.boolean("rotate", False),
        max_key_age_days=read.integer("max_key_age_days", 0, 0, 36500),
        nodes=nodes,
        granularity=granularity,
        location=read.text("location") if granularity == LOCATION else "",
        is_leader=read.boolean("location_leader", False) and granularity == LOCATION,
        absent=enabled and not present,
        send_serial=read.integer("send_serial", 0, 0, _MOST_AT_A_TIME),
        phase=read.choice("phase", ALL, ENDS),
        opt_out_labels=read.parsed("opt_out_labels", values.label),
        further_ips=read.parsed("further_ips", values.node_address),
        virtual_ips=read.parsed("virtual_ips", values.node_address),
    )


def _numbers(read: Reader, name: str, lowest: int, highest: int) -> list[int]:
    value = read.given(name)
    entries = value if isinstance(value, list) else read.entries(name) if isinstance(value, str) else [value]
    found = []
    for entry in entries if value is not None else ():
        number = whole_number(entry)
        if number is None or not lowest <= number <= highest:
            read.note(name, f"{shown(entry)} is not a whole number from {lowest} to {highest}")
        else:
            found.append(number)
    return list(dict.fromkeys(found))


def _families(read: Reader) -> tuple[int, ...]:
    found = _numbers(read, "node_ip_families", 4, 6)
    if 5 in found:
        read.note("node_ip_families", "5 is no family of IP; write 4, 6 or both")
    return tuple(family for family in found if family != 5)


def _strict(read: Reader) -> tuple[str, ...]:
    value = read.given("strict")
    if isinstance(value, str) and value in _STRICT:
        return _STRICT[value]
    if isinstance(value, str) and value.lower() not in ("true", "false", "yes", "no"):
        read.note("strict", f"{shown(value)} is not one of false, egress, ingress and true (both)")
        return ()
    return _STRICT["both"] if read.boolean("strict", False) else ()


def _table(read: Reader) -> int:
    table = read.integer("table", TABLE, 1, 0xFFFFFFFD)
    if {table, table + 1, table + 2} & set(_RESERVED_TABLES):
        text = f"{table} and the next two numbers are used, and the kernel reserves 253 to 255; use {TABLE}"
        read.note("table", text)
        return TABLE
    return table
