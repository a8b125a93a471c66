# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One node's document with the profile `cilium`: the IPsec states and policies of Cilium 1.13, selected by marks.

Marks, tables and numbers are those of Cilium (pkg/datapath/linux/linux_defaults, pkg/datapath/linux/ipsec). As in Cilium, one
key serves all nodes and both directions, so nodes use the same nonces, and use them again after a reboot. The profile is for
tools that expect Cilium's objects. The profile `selectors` does not repeat nonces.

nftables rules set the marks, in place of Cilium's programs at the interfaces. This plugin util is private to the
collection.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict

from ...._xfrm_keys import Association, XfrmKeys
from ...plan_model.host_document import (
    HostDocument,
    PolicyEntry,
    RouteEntry,
    RuleEntry,
    StateEntry,
    Template,
    XfrmOwnership,
)
from ...plan_model.ipsec import IpsecNode, IpsecSettings, Nodes, Phase, of_family

REQID, TABLE, RULE_PRIORITY = 1, "200", 1
MARK_DECRYPTED, MARK_ENCRYPT, MARK_PROXY = "0xd00/0xf00", "0xe00/0xf00", "0x200/0xf00"
FORWARD_PRIORITY, DROP_PRIORITY = 2975, 100
OVERHEAD = 77
"""Bytes that Cilium subtracts from the MTU for ESP, for any algorithm."""

_ANY = {4: "0.0.0.0", 6: "::"}  # noqa: S104   the unspecified source of a template
_KEY = "cilium"


class _MarkTo(TypedDict):
    mark: str
    destinations: list[str]


class _MarkFrom(TypedDict):
    mark: str
    sources: list[str]


class Marks(TypedDict):
    """The nftables marks of a node, as `marks` describes them."""

    encrypt: _MarkTo
    decrypt: _MarkFrom
    decrypted: _MarkTo


def spi_of(slot: int) -> int:
    """Return the SPI of a slot: 3 for the first, then up to 15, and then from 1, as Cilium's key id goes."""
    return (slot + 2) % 15 + 1


def encrypt_mark(spi: int) -> str:
    """Return the mark of packets that are to be encrypted with an SPI, as value and mask."""
    return f"{spi << 12 | 0xE00:#x}/0xff00"


def host_document(nodes: Nodes, name: str, settings: IpsecSettings, keys: XfrmKeys) -> HostDocument:
    """Return the arguments of `overlay_apply` for a node. Before the phase SEND no policy encrypts."""
    local = nodes[name]
    spi = spi_of(settings.slot)
    present = local.reached > Phase.ABSENT
    remotes = [other for other in nodes.values() if other.name != name and other.reached > Phase.ABSENT]
    families = [family for family in (4, 6) if of_family(local.addresses, family)]
    states: list[StateEntry] = []
    policies: list[PolicyEntry] = []
    routes: list[RouteEntry] = []
    rules: list[RuleEntry] = []
    for family in families if present else ():
        near = [remote for remote in remotes if of_family(remote.addresses, family)]
        states += _states(local, near, family, spi, settings)
        policies += _policies(local, near, family, spi)
        routes += _routes(local, near, family, settings)
        rules += _rules(family)
    owned: XfrmOwnership = {"purge": True, "owned_reqids": str(REQID)}
    if not present:
        # This policy has no reqid that marks it as managed, so it is removed explicitly.
        policies = [{**_drop(family), "state": "absent"} for family in families]
    shared = Association(_KEY, _KEY, "", "", spi, 0, settings.slot)
    named: HostDocument = {"xfrm_keys": {_KEY: keys.of(shared)}} if present else {}
    return {
        "xfrm_states": {"states": states, "allow_nonce_reuse": True, **owned},
        "xfrm_policies": {"policies": policies, **owned},
        "ip_routes": [{"table": TABLE, "protocol": settings.route_protocol, "purge": True, "routes": routes}],
        "ip_rules": {
            "priorities": str(RULE_PRIORITY),
            "tables": [TABLE],
            "exceptions": [],
            "purge": True,
            "rules": rules,
        },
        **named,
    }


def _states(
    local: IpsecNode, remotes: list[IpsecNode], family: int, spi: int, settings: IpsecSettings
) -> Iterator[StateEntry]:
    own = _address(local, family)
    receiving: StateEntry = {
        "src": _ANY[family],
        "dst": own,
        "mark": MARK_DECRYPTED,
        "output_mark": MARK_DECRYPTED,
        "spi": f"{spi:#010x}",
        "reqid": REQID,
        "aead": {"algorithm": settings.aead, "key_name": _KEY, "icv_bits": settings.icv},
    }
    yield receiving
    for remote in remotes:
        there, mark = _address(remote, family), encrypt_mark(spi)
        yield {**receiving, "src": own, "dst": there, "mark": mark, "output_mark": MARK_ENCRYPT}


def _address(node: IpsecNode, family: int) -> str:
    return of_family(node.addresses, family)[0].bare


def _policies(local: IpsecNode, remotes: list[IpsecNode], family: int, spi: int) -> Iterator[PolicyEntry]:
    own = _address(local, family)
    anywhere = f"{_ANY[family]}/0"
    arriving: Template = {"src": _ANY[family], "dst": own, "reqid": REQID}
    for pods in of_family(local.pod_cidrs, family):
        destination = str(pods)
        yield {"dir": "in", "src": anywhere, "dst": destination, "mark": MARK_DECRYPTED, "templates": [arriving]}
        yield {
            "dir": "in",
            "src": anywhere,
            "dst": destination,
            "mark": MARK_PROXY,
            "templates": [{**arriving, "level": "use"}],
        }
        forwarded: list[Template] = [{**arriving, "level": "use"}]
        priority = FORWARD_PRIORITY
        yield {"dir": "fwd", "src": anywhere, "dst": destination, "priority": priority, "templates": forwarded}
    for remote in remotes:
        there = _address(remote, family)
        template: Template = {"src": own, "dst": there, "reqid": REQID, "spi": f"{spi:#010x}"}
        if min(local.reached, remote.reached) >= Phase.SEND:
            for pods in of_family(remote.pod_cidrs, family):
                mark = encrypt_mark(spi)
                yield {"dir": "out", "src": anywhere, "dst": str(pods), "mark": mark, "templates": [template]}
    yield {**_drop(family), "action": "block", "priority": DROP_PRIORITY}


def _drop(family: int) -> PolicyEntry:
    """Return the key of the policy that drops marked packets without another policy."""
    anywhere = f"{_ANY[family]}/0"
    return {"dir": "out", "src": anywhere, "dst": anywhere, "mark": MARK_ENCRYPT}


def _routes(local: IpsecNode, remotes: list[IpsecNode], family: int, settings: IpsecSettings) -> Iterator[RouteEntry]:
    for pods in of_family(local.pod_cidrs, family):
        yield {"destination": str(pods), "type": "local", "dev": settings.interface}
    for remote in remotes:
        there = _address(remote, family)
        for pods in of_family(remote.pod_cidrs, family):
            mtu = settings.mtu - OVERHEAD
            yield {"destination": str(pods), "via": there, "dev": settings.interface, "mtu": mtu}


def _rules(family: int) -> Iterator[RuleEntry]:
    for mark in (MARK_DECRYPTED, MARK_ENCRYPT):
        yield {"priority": RULE_PRIORITY, "family": f"ipv{family}", "fwmark": mark, "table": TABLE}


def marks(nodes: Nodes, name: str, settings: IpsecSettings) -> Marks:
    """Return the nftables marks of a node, in prerouting, in this order.

    encrypt: packets of pods to these networks; decrypt: received ESP; decrypted: decrypted packets to these networks, whose
    mark is cleared, or the `local` route of the table would match them.
    """
    local = nodes[name]
    remotes = [other for other in nodes.values() if other.name != name and other.reached >= Phase.SEND]
    sends = local.reached >= Phase.SEND
    spi = spi_of(settings.slot)
    return {
        "encrypt": {
            "mark": f"{spi << 12 | 0xE00:#x}",
            "destinations": sorted(str(cidr) for other in remotes if sends for cidr in other.pod_cidrs),
        },
        "decrypt": {
            "mark": "0xd00",
            "sources": sorted(address.bare for other in remotes for address in other.addresses),
        },
        "decrypted": {"mark": "0x0", "destinations": sorted(map(str, local.pod_cidrs))},
    }
