# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The secrets of a fleet, from the variables of a role.

They are no options of a task: callback plugins get the evaluated arguments of every task. This plugin util is private to
the collection. No error raised here quotes a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ._plain import to_plain
from ._topology.document import Secrets
from ._untrusted import list_of
from ._variable_reader import shown, whole_number

_SHARED = {name: f"overlay_{name}" for name in ("psk_master", "psk_epoch", "ipsec_master")}


def read_secrets(
    named: Mapping[str, str], variables: Mapping[str, object], evaluate: Callable[[object], object]
) -> Secrets:
    """Return the secrets in the variables of a host.

    named: the variable of the role for each secret. evaluate: returns the value of a template. Raises ValueError with
    the variable.
    """

    def value(name: str) -> object:
        raw = variables.get(named.get(name, name))
        if raw is None and name in _SHARED:  # outside of a role there are no defaults
            raw = variables.get(_SHARED[name])
        return None if raw is None else to_plain(evaluate(raw))

    def master(name: str) -> str:
        found = value(name)
        if found is not None and not isinstance(found, str):
            raise ValueError(f"{named.get(name, name)}: the master secret must be text; write it in quotes")
        return found or ""

    given = value("psk_epoch") or 0
    epoch = whole_number(given)
    if epoch is None or epoch < 0:
        raise ValueError(f"{named.get('psk_epoch', 'psk_epoch')}: {shown(given)} is not a whole number from 0")
    return Secrets(master("psk_master"), epoch, _static(value("static_preshared_keys")), master("ipsec_master"))


def _static(peers: object) -> dict[str, str]:
    """Return the preshared keys in a variable of unmanaged peers, by public key. The planner has checked its shape."""
    return {
        str(peer.get("public_key")): str(peer["preshared_key"])
        for peer in list_of(peers)
        if isinstance(peer, Mapping) and peer.get("preshared_key")
    }
