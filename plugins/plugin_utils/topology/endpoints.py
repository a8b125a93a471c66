# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where hosts reach each other: what each one offers, and what a pair has in common.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.endpoint import (
    Endpoint,
    address_family,
    canonical_host,
    parse_endpoint,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import Endpoints
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.observation import (
    FAMILIES,
    Observation,
    Recollection,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.settings import (
    AUTO,
    NONE,
    Settings,
    endpoint_of,
    is_loopback,
)

BOTH = ("ipv4", "ipv6")
NAME = "name"


def kind_of(host: str) -> str:
    """Return "ipv4", "ipv6" or "name"."""
    return FAMILIES.get(address_family(host) or 0, NAME)


def offered(
    name: str,
    settings: Settings,
    ansible_host: str,
    observation: Observation | None,
    memories: Sequence[Recollection],
    in_overlay: Callable[[str], bool],
) -> Endpoints:
    """Return where a host can be reached.

    What `endpoint` says, if it says anything. Otherwise, in each address family, the address Ansible reaches it
    by, else its own underlay address; where there is neither, the name Ansible reaches it by; and for a host
    that was not heard from, what its neighbours remember.
    in_overlay: whether an address belongs to the overlay, and so cannot carry it.
    """
    if isinstance(settings.endpoint, Endpoint):
        return Endpoints(**{kind_of(settings.endpoint.host): str(settings.endpoint)})
    if settings.endpoint != AUTO or settings.port == 0:
        return Endpoints()
    hosts: dict[str, str] = {}
    known = [seen.address for seen in observation.underlay.values()] if observation else []
    # An inventory name is only taken for an address when Ansible would connect to it.
    for text in (ansible_host or name, *known):
        host = _reachable(text)
        if host and kind_of(host) != NAME and not in_overlay(host):
            hosts.setdefault(kind_of(host), host)
    if not hosts and ansible_host:
        host = _reachable(ansible_host)
        if host and kind_of(host) == NAME:
            hosts[NAME] = host
    if settings.endpoint_family in BOTH:
        hosts = {kind: host for kind, host in hosts.items() if kind in (settings.endpoint_family, NAME)}
    if not hosts and observation is None:
        return recalled(memories)
    return Endpoints(**{kind: str(Endpoint(host, settings.port)) for kind, host in hosts.items()})


def _reachable(text: str) -> str:
    """Return a host in canonical form, empty where it is none that another machine could reach."""
    try:
        host = canonical_host(text)
    except ValueError:
        return ""
    return "" if is_loopback(host) else host


def recalled(memories: Iterable[Recollection]) -> Endpoints:
    """Return what most neighbours remember, by family; they may differ, since endpoints roam."""
    counts: Counter[tuple[str, str]] = Counter()
    for memory in memories:
        try:
            endpoint = parse_endpoint(memory.endpoint)
        except ValueError:
            continue
        counts[kind_of(endpoint.host), str(endpoint)] += 1
    found: dict[str, str] = {}
    for kind, endpoint_text in sorted(counts, key=lambda entry: (-counts[entry], entry)):
        found.setdefault(kind, endpoint_text)
    return Endpoints(**found)


def families(settings: Settings, endpoints: Endpoints, observation: Observation | None) -> tuple[str, ...]:
    """Return the address families a host can reach others by; both where nothing is known."""
    if settings.endpoint_family in BOTH:
        return (settings.endpoint_family,)
    if observation is None or not observation.underlay:
        return BOTH
    return tuple(family for family in BOTH if family in observation.underlay or getattr(endpoints, family))


def choose(own_families: Iterable[str], endpoints: Endpoints) -> tuple[str, str]:
    """Return the kind ("ipv4", "ipv6", "name", "" for none) and text of the endpoint that a host uses for another.

    IPv4 comes first, because its header is 20 bytes smaller.
    """
    if endpoints.ipv4 and "ipv4" in own_families:
        return "ipv4", endpoints.ipv4
    if endpoints.ipv6 and "ipv6" in own_families:
        return "ipv6", endpoints.ipv6
    return (NAME, endpoints.name) if endpoints.name else ("", "")


def override_endpoint(text: str, port: int) -> str:
    """Return the endpoint of a peer override, empty for "none"; without a port it gets the peer's.

    Raises ValueError where the text is no endpoint.
    """
    return "" if text == NONE else str(endpoint_of(text, port))
