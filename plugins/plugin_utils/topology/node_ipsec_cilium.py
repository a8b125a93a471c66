# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One node's part of the profile `cilium`: what Cilium 1.13 installs for IPsec, steered by marks.

Marks, tables and numbers are those of Cilium (pkg/datapath/linux/linux_defaults, pkg/datapath/linux/ipsec). One key
serves all nodes and both directions there, and does here: the nodes then count the same nonces, and do so again after
a reboot. The profile is for whoever must look like Cilium; the profile `selectors` is not open to that.

In place of Cilium's programs at the interfaces, nftables rules set the marks. This plugin util is private to the
collection.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_ipsec import (
    Document,
    IpsecNode,
    IpsecSettings,
    Nodes,
    Phase,
    of_family,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.xfrm_keys import Association, XfrmKeys

REQID, TABLE, RULE_PRIORITY = 1, "200", 1
MARK_DECRYPTED, MARK_ENCRYPT, MARK_PROXY = "0xd00/0xf00", "0xe00/0xf00", "0x200/0xf00"
FORWARD_PRIORITY, DROP_PRIORITY = 2975, 100
OVERHEAD = 77
"""What Cilium takes from the MTU for ESP, whatever the algorithm."""

_ANY = {4: "0.0.0.0", 6: "::"}  # noqa: S104   the unspecified source of a template
_KEY = "cilium"


def spi_of(slot: int) -> int:
    """Return the SPI of a slot: 3 for the first, then up to 15, and then from 1, as Cilium's key id goes."""
    return (slot + 2) % 15 + 1


def encrypt_mark(spi: int) -> str:
    """Return the mark of what is to be encrypted under an SPI, as value and mask."""
    return f"{spi << 12 | 0xE00:#x}/0xff00"


def host_document(nodes: Nodes, name: str, settings: IpsecSettings, keys: XfrmKeys) -> Document:
    """Return the arguments of `overlay_apply` for a node. A phase before SEND leaves out what encrypts."""
    local = nodes[name]
    spi = spi_of(settings.slot)
    present = local.reached > Phase.ABSENT
    remotes = [other for other in nodes.values() if other.name != name and other.reached > Phase.ABSENT]
    families = [family for family in (4, 6) if of_family(local.addresses, family)]
    states: list[dict[str, Any]] = []
    policies: list[dict[str, Any]] = []
    routes: list[dict[str, Any]] = []
    rules: list[dict[str, Any]] = []
    for family in families if present else ():
        near = [remote for remote in remotes if of_family(remote.addresses, family)]
        states += _states(local, near, family, spi, settings)
        policies += _policies(local, near, family, spi)
        routes += _routes(local, near, family, settings)
        rules += _rules(family)
    owned = {"purge": True, "owned_reqids": str(REQID)}
    if not present:
        # Nothing in it says whose it is, so that it goes has to be said.
        policies = [{"state": "absent", **_drop(family)} for family in families]
    document: Document = {
        "xfrm_states": {"states": states, "allow_nonce_reuse": True, **owned},
        "xfrm_policies": {"policies": policies, **owned},
        "ip_routes": [{"table": TABLE, "protocol": settings.route_protocol, "purge": True, "routes": routes}],
        "ip_rules": {"priorities": str(RULE_PRIORITY), "tables": [TABLE], "purge": True, "rules": rules},
    }
    if present:
        shared = Association(_KEY, _KEY, "", "", spi, 0, settings.slot)
        document["xfrm_keys"] = {_KEY: keys.of(shared)}
    return document


def _states(
    local: IpsecNode, remotes: list[IpsecNode], family: int, spi: int, settings: IpsecSettings
) -> Iterator[dict[str, Any]]:
    (own,) = of_family(local.addresses, family)[:1]
    common = {
        "spi": f"{spi:#010x}",
        "reqid": REQID,
        "aead": {"algorithm": settings.aead, "key_name": _KEY, "icv_bits": settings.icv},
    }
    yield {"src": _ANY[family], "dst": own, "mark": MARK_DECRYPTED, "output_mark": MARK_DECRYPTED, **common}
    for remote in remotes:
        (there,) = of_family(remote.addresses, family)[:1]
        yield {"src": own, "dst": there, "mark": encrypt_mark(spi), "output_mark": MARK_ENCRYPT, **common}


def _policies(local: IpsecNode, remotes: list[IpsecNode], family: int, spi: int) -> Iterator[dict[str, Any]]:
    (own,) = of_family(local.addresses, family)[:1]
    anywhere = f"{_ANY[family]}/0"
    arriving = {"src": _ANY[family], "dst": own, "reqid": REQID}
    for pods in of_family(local.pod_cidrs, family):
        common = {"src": anywhere, "dst": pods}
        yield {"dir": "in", **common, "mark": MARK_DECRYPTED, "templates": [arriving]}
        yield {"dir": "in", **common, "mark": MARK_PROXY, "templates": [{**arriving, "level": "use"}]}
        yield {"dir": "fwd", **common, "priority": FORWARD_PRIORITY, "templates": [{**arriving, "level": "use"}]}
    for remote in remotes:
        (there,) = of_family(remote.addresses, family)[:1]
        template = {"src": own, "dst": there, "reqid": REQID, "spi": f"{spi:#010x}"}
        if min(local.reached, remote.reached) >= Phase.SEND:
            for pods in of_family(remote.pod_cidrs, family):
                mark = encrypt_mark(spi)
                yield {"dir": "out", "src": anywhere, "dst": pods, "mark": mark, "templates": [template]}
    yield {**_drop(family), "action": "block", "priority": DROP_PRIORITY}


def _drop(family: int) -> dict[str, Any]:
    """Return the key of the policy that drops what is marked and has no other."""
    anywhere = f"{_ANY[family]}/0"
    return {"dir": "out", "src": anywhere, "dst": anywhere, "mark": MARK_ENCRYPT}


def _routes(
    local: IpsecNode, remotes: list[IpsecNode], family: int, settings: IpsecSettings
) -> Iterator[dict[str, Any]]:
    for pods in of_family(local.pod_cidrs, family):
        yield {"destination": pods, "type": "local", "dev": settings.interface}
    for remote in remotes:
        (there,) = of_family(remote.addresses, family)[:1]
        for pods in of_family(remote.pod_cidrs, family):
            mtu = settings.mtu - OVERHEAD
            yield {"destination": pods, "via": there, "dev": settings.interface, "mtu": mtu}


def _rules(family: int) -> Iterator[dict[str, Any]]:
    for mark in (MARK_DECRYPTED, MARK_ENCRYPT):
        yield {"priority": RULE_PRIORITY, "family": f"ipv{family}", "fwmark": mark, "table": TABLE}


def marks(nodes: Nodes, name: str, settings: IpsecSettings) -> dict[str, Any]:
    """Return what nftables has to mark on a node, in prerouting, in this order.

    encrypt: packets from pods to these networks; decrypt: ESP that arrives; decrypted: packets that came out of ESP to
    these networks, whose mark has done its work, and would lead them into the table's `local` route.
    """
    local = nodes[name]
    remotes = [other for other in nodes.values() if other.name != name and other.reached >= Phase.SEND]
    sends = local.reached >= Phase.SEND
    spi = spi_of(settings.slot)
    return {
        "encrypt": {
            "mark": f"{spi << 12 | 0xE00:#x}",
            "destinations": sorted(cidr for other in remotes if sends for cidr in other.pod_cidrs),
        },
        "decrypt": {"mark": "0xd00", "sources": sorted(address for other in remotes for address in other.addresses)},
        "decrypted": {"mark": "0x0", "destinations": sorted(local.pod_cidrs)},
    }
