# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What an interface that others made would lose by adoption: the differences to the desired one. Pure.

Hosts and the controller compare alike: a host before it changes anything, the controller for all hosts at once.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .._ip.prefix import Prefix
from .._wireguard.keys import ZERO, encode_key
from .boot_files import METHODS, NONE
from .existing import ExistingInterface, ExistingPeer
from .options import WantedInterface, WantedPeer

KEY, PORT, FWMARK, MTU, ADDRESS, ROUTES, PERSISTENCE, FILE = (
    "key",
    "port",
    "fwmark",
    "mtu",
    "address",
    "routes",
    "persistence",
    "file",
)
PEER, ALLOWED_IPS, ENDPOINT, KEEPALIVE, PRESHARED_KEY = (
    "peer",
    "allowed ips",
    "endpoint",
    "keepalive",
    "preshared key",
)


class Loss(NamedTuple):
    """One loss: its kind, what is lost as a sentence, the value to write to keep it, and the name of the peer.

    prefixes: the allowed IPs that are lost.
    """

    kind: str
    text: str
    value: str = ""
    peer: str = ""
    prefixes: tuple[Prefix, ...] = ()


def full_tunnel_text(existing: ExistingInterface) -> str:
    """Return why an interface with a full tunnel of another program is not adopted while it runs, and what to do."""
    return (
        f"rules of its program lead all packets into table {existing.table}, and an adoption does not remove them; stop it first "
        f"with `wg-quick down {existing.name}`, or delete the rules that `ip rule` lists, and run again: its file is adopted"
    )


def profile_text(existing: ExistingInterface) -> str:
    """Return why an interface of NetworkManager is not adopted while its profile connects by itself, and what to do."""
    if not existing.profile.startswith("/etc/"):
        remedy = "remove the tunnel where this file is generated from, for example in /etc/netplan, and the file"
    else:
        remedy = (
            "write autoconnect=false to its section [connection], run `nmcli connection load` with its path if NetworkManager "
            "runs, and run again; to delete the profile while it is connected would remove the interface"
        )
    return (
        f"{existing.profile}, a profile of NetworkManager, would make {existing.name} again at the next boot: {remedy}"
    )


def losses(
    existing: ExistingInterface, wanted: WantedInterface, own_key: bytes | None, *, secrets_known: bool = True
) -> list[Loss]:
    """Return what is lost where an interface becomes the desired one.

    own_key: the public key afterwards, None where it is not changed or not known. secrets_known: whether the desired
    interface has the preshared keys of its peers.
    """
    return [*_of_interface(existing, wanted, own_key), *_of_peers(existing, wanted, secrets_known)]


def _of_interface(existing: ExistingInterface, wanted: WantedInterface, own_key: bytes | None) -> Iterator[Loss]:
    name = existing.name
    if own_key is not None and any(existing.public_key) and own_key != existing.public_key:
        text = (
            f"{name} has the key {encode_key(existing.public_key)}, and {wanted.private_key_file} holds "
            f"{encode_key(own_key)}"
        )
        yield Loss(KEY, text, wanted.private_key_file or "")
    port = existing.listen_port if existing.port_is_configured else 0
    if port and wanted.listen_port not in (None, port):
        yield Loss(PORT, f"{name} listens on {port}, which would become {wanted.listen_port or 'any port'}", str(port))
    if existing.fwmark and wanted.fwmark == 0:
        yield Loss(FWMARK, f"{name} marks its packets with {existing.fwmark:#x}", f"{existing.fwmark:#x}")
    if existing.mtu and wanted.mtu not in (None, existing.mtu):
        yield Loss(MTU, f"{name} has the MTU {existing.mtu}, which would become {wanted.mtu}", str(existing.mtu))
    if wanted.addresses is not None:
        kept = {address.packed for address in wanted.addresses}
        for address in existing.addresses:
            if address.packed not in kept:
                yield Loss(ADDRESS, f"{name} has the address {address}, which would be removed", str(address))
    if existing.routes is False and wanted.routes and _needs_routes(wanted):
        yield Loss(ROUTES, f"{name} has no routes for allowed IPs (Table = off), and would get some", "false")
    if existing.method in METHODS and wanted.persistence == NONE:
        yield Loss(PERSISTENCE, f"{name} is set up at boot by {existing.method}, and would not be", existing.method)
    for finding in existing.findings:
        yield Loss(FILE, str(finding) if finding.path else finding.text)


def _needs_routes(wanted: WantedInterface) -> bool:
    networks = [address.network for address in wanted.addresses or ()]
    allowed = (prefix for item in wanted.peers or () if item.routed for prefix in item.peer.allowed_ips or ())
    return any(not any(network.contains(prefix) for network in networks) for prefix in allowed)


def _of_peers(existing: ExistingInterface, wanted: WantedInterface, secrets_known: bool) -> Iterator[Loss]:
    if wanted.peers is None:
        return
    by_key = {item.peer.public_key: item for item in wanted.peers}
    # A peer without a name may be an inventory host whose key is unknown, and stays.
    stays = not wanted.purge or bool(wanted.unknown_peers)
    for peer in existing.peers:
        item = by_key.get(peer.public_key)
        if item is not None:
            yield from _of_peer(peer, item, secrets_known)
        elif not (stays and peer.runs) and encode_key(peer.public_key) not in wanted.revoked:
            key = encode_key(peer.public_key)
            named = f"{key} ({peer.name})" if peer.name else key
            allowed = ", ".join(map(str, sorted(peer.allowed_ips))) or "no allowed IPs"
            yield Loss(PEER, f"the peer {named} of {existing.name} with {allowed} would be removed", key)


def _of_peer(peer: ExistingPeer, item: WantedPeer, secrets_known: bool) -> Iterator[Loss]:
    name = item.name or peer.name or encode_key(peer.public_key)
    if item.peer.allowed_ips is not None:
        lost = sorted(_uncovered(peer.allowed_ips, item.peer.allowed_ips))
        if lost:
            text = ", ".join(map(str, lost))
            said = f"the peer {name} has the allowed IPs {text}, which would be removed"
            yield Loss(ALLOWED_IPS, said, text, name, tuple(lost))
    if peer.endpoint and peer.endpoint != item.endpoint and (item.endpoint is not None or not peer.learned):
        text = f"the peer {name} has the endpoint {peer.endpoint}, which would become {item.endpoint or 'none'}"
        yield Loss(ENDPOINT, text, str(peer.endpoint), name)
    if peer.persistent_keepalive and item.peer.persistent_keepalive == 0:
        text = f"keepalive packets every {peer.persistent_keepalive} s to the peer {name} would end"
        yield Loss(KEEPALIVE, text, str(peer.persistent_keepalive), name)
    lacks = item.peer.preshared_key == ZERO and not item.keeps_preshared_key
    if secrets_known and peer.has_preshared_key and lacks:
        yield Loss(PRESHARED_KEY, f"the peer {name} has a preshared key, and would have none", "", name)


def _uncovered(prefixes: Iterable[Prefix], others: frozenset[Prefix]) -> Iterator[Prefix]:
    for prefix in prefixes:
        if prefix not in others and not any(other.contains(prefix) for other in others):
            yield prefix
