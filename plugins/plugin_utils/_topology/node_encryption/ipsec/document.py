# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One node's IPsec states, policies and boot files, as arguments of the module `overlay_apply`.

A node sends with states of its own epoch, and has states for receiving for the epoch of each other node and the next few. So a
node that boots increases its epoch without a change on other nodes. This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...._xfrm_keys import Association, XfrmKeys
from ...plan_model.host_document import BootSection, HostDocument, StateEntry, XfrmOwnership
from ...plan_model.ipsec import IpsecNode, IpsecSettings, Nodes, Phase, Slots, of_family, spi_of
from .policies import encrypts_hosts, policies


def host_document(
    nodes: Nodes, name: str, settings: IpsecSettings, keys: XfrmKeys, slots: Slots | None = None
) -> HostDocument:
    """Return the arguments of `overlay_apply` for a node in its phase.

    nodes: all nodes of the cluster by name, this one included, each in the phase that it has reached or reaches at the same
    time. slots: the SA slots during a key rotation; by default the slot of the settings.
    """
    local = nodes[name]
    owned: XfrmOwnership = {"purge": True, "owned_reqids": str(settings.reqid)}
    if local.reached is Phase.ABSENT:
        return {
            "xfrm_states": {"states": [], **owned},
            "xfrm_policies": {"policies": [], **owned},
            "xfrm_boot": {"state": "absent"},
        }
    slots = slots or Slots((settings.slot,), (settings.slot,))
    builder = _States(nodes, local, settings, keys, slots)
    states = [*builder.receiving(), *builder.sending(local.epoch)]
    ahead = range(local.epoch + 1, local.epoch + settings.epochs_ahead + 1)
    boot: BootSection = {
        "epoch": local.epoch,
        "index": local.index,
        "ahead": {str(epoch): list(builder.sending(epoch, at_boot=True)) for epoch in ahead},
        "slots": {name: list(held) for name, held in slots._asdict().items()},
        "nodes": {
            other.name: {"index": other.index, "epoch": other.epoch, "phase": int(other.reached)}
            for other in nodes.values()
        },
        "hosts": sorted(other.name for other in nodes.values() if encrypts_hosts(local, other, settings)),
        "ports": sorted(settings.exempt_ports),
    }
    return {
        "xfrm_states": {"states": states, **owned},
        "xfrm_policies": {"policies": policies(nodes, local, settings), **owned},
        "xfrm_keys": builder.named_keys,
        "xfrm_boot": boot,
    }


class _States:
    """The states of one node, and the keys that they name."""

    def __init__(self, nodes: Nodes, local: IpsecNode, settings: IpsecSettings, keys: XfrmKeys, slots: Slots) -> None:
        self._local, self._settings, self._keys, self._slots = local, settings, keys, slots
        self._remotes = [
            remote for remote in nodes.values() if remote.name != local.name and remote.reached > Phase.ABSENT
        ]
        self.named_keys: dict[str, str] = {}

    def receiving(self) -> Iterator[StateEntry]:
        """Yield the states for receiving from other nodes."""
        for remote in self._remotes:
            for slot in self._slots.receive:
                for epoch in range(remote.epoch, remote.epoch + self._settings.epochs_ahead + 1):
                    for state in self._states(remote, self._local, epoch, slot):
                        yield {**state, "receive_only": True}

    def sending(self, epoch: int, *, at_boot: bool = False) -> Iterator[StateEntry]:
        """Yield the states for sending in an epoch; after a boot, those of the newest SA slot only."""
        for remote in self._remotes:
            for slot in self._slots.send[-1:] if at_boot else self._slots.send:
                yield from self._states(self._local, remote, epoch, slot)

    def _states(self, source: IpsecNode, destination: IpsecNode, epoch: int, slot: int) -> Iterator[StateEntry]:
        settings = self._settings
        spi = spi_of(source.index, epoch, slot)
        for family in (4, 6):
            ends = [of_family(node.addresses, family)[:1] for node in (source, destination)]
            if not all(ends):
                continue
            src, dst = (address.bare for (address,) in ends)
            name = f"{source.name}>{destination.name} {dst} {spi:#010x}"
            association = Association(source.name, destination.name, src, dst, spi, epoch, slot)
            self.named_keys[name] = self._keys.of(association)
            yield {
                "src": src,
                "dst": dst,
                "spi": f"{spi:#010x}",
                "reqid": settings.reqid,
                "aead": {"algorithm": settings.aead, "key_name": name, "icv_bits": settings.icv},
                "key_survives_reboot": False,
                "replay_window": settings.replay_window,
                "esn": settings.esn,
            }
