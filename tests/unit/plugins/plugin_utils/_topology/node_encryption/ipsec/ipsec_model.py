# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kernel does with packets under the policies and states of documents (net/xfrm/xfrm_policy.c), as far as needed.

The kernel tier sends real packets; here every packet between nodes can be tried under every pair of documents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, NamedTuple

from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import Prefix, parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.options import parse_sections
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.sections import WantedSections
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm.model import (
    BLOCK,
    DIR_FWD,
    DIR_IN,
    DIR_OUT,
    TUNNEL,
    Address,
    Policy,
)

NUMBERS = {"tcp": 6, "icmp": 1, "icmpv6": 58}


class Packet(NamedTuple):
    """An inner packet; for ICMP the source port is the type."""

    source: str
    destination: str
    protocol: str = "icmp"
    sport: int = 8
    dport: int = 0


class Sent(NamedTuple):
    """What leaves a node: in clear, or under an SPI between two ends."""

    spi: int = 0
    ends: tuple[str, str] = ("", "")


CLEAR = Sent()


@dataclass(frozen=True, eq=False)
class Kernel:
    """The tables of one node."""

    addresses: tuple[str, ...]
    sections: WantedSections

    @classmethod
    def of(cls, addresses: Sequence[str], document: Mapping[str, Any]) -> Kernel:
        """Return the tables that a document leads to."""
        given = {name: document[name] for name in ("xfrm_states", "xfrm_policies", "xfrm_keys") if name in document}
        return cls(tuple(addresses), parse_sections(given, lambda name: 1))

    def send(self, packet: Packet) -> Sent | None:
        """Return what leaves, None for what is dropped."""
        policy = self._deciding(DIR_OUT, packet)
        if policy is None or (policy.action != BLOCK and all(one.optional for one in policy.templates)):
            return CLEAR
        if policy.action == BLOCK:
            return None
        (template,) = policy.templates
        spi = self._newest.get((template.source, template.destination, template.reqid))
        return None if spi is None else Sent(spi, (str(template.source), str(template.destination)))

    def take(self, packet: Packet, sent: Sent) -> bool:
        """Return whether what arrives is taken."""
        if sent.spi and (sent.spi, sent.ends[1]) not in self._held:
            return False
        policy = self._deciding(DIR_IN if packet.destination in self.addresses else DIR_FWD, packet)
        if policy is None:
            return not sent.spi
        if policy.action == BLOCK:
            return False
        if not sent.spi:
            return all(template.optional for template in policy.templates)
        return any(
            template.mode == TUNNEL and (str(template.source) == sent.ends[0] or not any(template.source.packed))
            for template in policy.templates
        )

    @cached_property
    def _newest(self) -> dict[tuple[Address, Address, int], int]:
        """The SPI of the state that was made last, by its ends and reqid."""
        assert self.sections.states is not None
        return {(one.source, one.destination, one.reqid): one.spi for one in self.sections.states.states}

    @cached_property
    def _held(self) -> set[tuple[int, str]]:
        assert self.sections.states is not None
        return {(state.spi, str(state.destination)) for state in self.sections.states.states}

    @cached_property
    def _policies(self) -> dict[tuple[int, int], list[Policy]]:
        """The policies by direction and family, the deciding ones first."""
        assert self.sections.policies is not None
        found: dict[tuple[int, int], list[Policy]] = {}
        for policy in sorted(self.sections.policies.policies, key=lambda policy: policy.priority):
            found.setdefault((policy.direction, policy.selector.family), []).append(policy)
        return found

    @cache  # noqa: B019  # pylint: disable=method-cache-max-size-none  # as short-lived as the test
    def _deciding(self, direction: int, packet: Packet) -> Policy | None:
        source, destination = host(packet.source), host(packet.destination)
        listed = self._policies.get((direction, source.family), ())
        found = [policy for policy in listed if _matches(policy, packet, source, destination)]
        if not found:
            return None
        assert [policy.priority for policy in found].count(found[0].priority) == 1, found
        return found[0]


def delivered(sender: Kernel, receiver: Kernel, packet: Packet) -> bool:
    """Return whether a packet gets from one node to the other."""
    sent = sender.send(packet)
    return sent is not None and receiver.take(packet, sent)


def _matches(policy: Policy, packet: Packet, source: Prefix, destination: Prefix) -> bool:
    selector = policy.selector
    if not (selector.source.contains(source) and selector.destination.contains(destination)):
        return False
    if selector.protocol and selector.protocol != NUMBERS[packet.protocol]:
        return False
    ports = ((selector.source_port, packet.sport), (selector.destination_port, packet.dport))
    return all(number & port.mask == port.number & port.mask for port, number in ports)


@cache
def host(address: str) -> Prefix:
    """Return an address as the prefix that holds it alone."""
    return parse_prefix(address)
