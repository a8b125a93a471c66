# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Endpoints: those that each host offers, and the one that a pair uses.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from socket import inet_pton

from ....module_utils._ip.prefix import Prefix, host_prefix
from ....module_utils._wireguard.endpoint import Endpoint, address_family, canonical_host
from ..plan_model.fleet import Endpoints
from .observation import FAMILIES, CachedPeer, Observation
from .settings import AUTO, Settings, is_loopback

BOTH = ("ipv4", "ipv6")
NAME = "name"


def kind_of(host: str) -> str:
    """Return "ipv4", "ipv6" or "name"."""
    return FAMILIES.get(address_family(host) or 0, NAME)


def address_of(host: str) -> Prefix | None:
    """Return the address of an endpoint's host as a /32 or /128, without its scope; None for a name."""
    family = address_family(host)
    return None if family is None else host_prefix(inet_pton(family, host.partition("%")[0]))


def offered(
    name: str,
    settings: Settings,
    ansible_host: str,
    observation: Observation | None,
    cached: Sequence[CachedPeer],
    in_overlay: Callable[[Prefix], bool],
) -> Endpoints:
    """Return the endpoints of a host.

    The variable `endpoint`, if set. Else, in each address family, the address to which Ansible connects, else the
    underlay address of the host; without an address, the name to which Ansible connects; for an unreachable host, the
    endpoint that other members have cached, if they agree.
    in_overlay: whether an address belongs to the overlay, and so cannot be its own endpoint.
    """
    family = only_family(settings)
    if isinstance(settings.endpoint, Endpoint):
        return _endpoints({kind_of(settings.endpoint.host): settings.endpoint}, family)
    if settings.endpoint != AUTO or settings.port == 0:
        return Endpoints()
    hosts: dict[str, str] = {}
    underlay = [seen.address for seen in observation.underlay.values()] if observation else []
    # An inventory name counts as an address only if Ansible connects to it.
    for text in (ansible_host or name, *underlay):
        host = _reachable(text)
        address = address_of(host)
        if address is not None and not in_overlay(address):
            hosts.setdefault(FAMILIES[address.family], host)
    if not hosts and ansible_host:
        host = _reachable(ansible_host)
        if host and kind_of(host) == NAME:
            hosts[NAME] = host
    if family:
        hosts = {kind: host for kind, host in hosts.items() if kind in (family, NAME)}
    if not hosts and observation is None:
        return cached_endpoints(cached, family)
    ports: dict[str, int] = {}
    if observation is None and not settings.port_is_given:
        # The port of an adopted interface, which only the host itself notes.
        ports = {endpoint.host: endpoint.port for endpoint in cached_endpoints(cached, family).known}
    return _endpoints({kind: Endpoint(host, ports.get(host, settings.port)) for kind, host in hosts.items()}, family)


def only_family(settings: Settings) -> str:
    """Return the family to which a host restricts its tunnels, "" for both."""
    return settings.endpoint_family if settings.endpoint_family in BOTH else ""


def _endpoints(found: Mapping[str, Endpoint], family: str) -> Endpoints:
    return Endpoints(found.get("ipv4"), found.get("ipv6"), found.get(NAME), family if NAME in found else "")


def _reachable(text: str) -> str:
    """Return a host in canonical form, empty if other machines cannot reach it."""
    try:
        host = canonical_host(text)
    except ValueError:
        return ""
    return "" if is_loopback(host) else host


def cached_endpoints(cached: Iterable[CachedPeer], family: str = "") -> Endpoints:
    """Return the endpoint that members have cached, if all that have one agree; else each of them keeps its own.

    family: that of the addresses of a name, "" for both.
    """
    found = {peer.endpoint for peer in cached if peer.endpoint}
    return _endpoints({kind_of(one.host): one for one in found} if len(found) == 1 else {}, family)


def at_port(offered: Endpoints, port: int) -> Endpoints:
    """Return endpoints with another port; none with port 0, which is any."""
    if not port:
        return Endpoints()
    ipv4, ipv6, name = (one and one._replace(port=port) for one in (offered.ipv4, offered.ipv6, offered.name))
    return replace(offered, ipv4=ipv4, ipv6=ipv6, name=name)


def families(settings: Settings, endpoints: Endpoints, observation: Observation | None) -> tuple[str, ...]:
    """Return the address families over which a host can reach others; both if nothing is known.

    A host without a default route reaches the networks that it has routes to.
    """
    if settings.endpoint_family in BOTH:
        return (settings.endpoint_family,)
    known = observation.underlay or observation.routed if observation else ()
    if not known:
        return BOTH
    return tuple(family for family in BOTH if family in known or getattr(endpoints, family))


def choose(own_families: Container[str], endpoints: Endpoints) -> tuple[str, Endpoint | None]:
    """Return the kind ("ipv4", "ipv6", "name", "" for none) and the endpoint that a host uses for another.

    IPv4 comes first, because its header is 20 bytes smaller. A name whose addresses have one family is of this kind.
    """
    if endpoints.ipv4 and "ipv4" in own_families:
        return "ipv4", endpoints.ipv4
    if endpoints.ipv6 and "ipv6" in own_families:
        return "ipv6", endpoints.ipv6
    if endpoints.name and (not endpoints.name_family or endpoints.name_family in own_families):
        return endpoints.name_family or NAME, endpoints.name
    return "", None
