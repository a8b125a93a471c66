# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of a role by the options of modules that they set, for messages of modules.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping

# Options that messages of modules name, and the variables of every role that set them, without the prefix of the role.
_VARIABLES = {
    "addresses": "addresses",
    "adopt": "adopt",
    "adopt_allow_loss": "adopt_allow_loss",
    "allow_management_change": "allow_management_change",
    "allow_mass_removal": "allow_mass_removal",
    "endpoint": "endpoint",
    "fwmark": "fwmark",
    "interface": "interface",
    "ipsec_master": "ipsec_master",
    "listen_port": "port",
    "mtu": "mtu",
    "peers": "static_peers",
    "persistence": "persistence",
    "preshared_keys": "psk_master or static_peers",
    "private_key_file": "private_key_file",
    "psk_epoch": "psk_epoch",
    "psk_master": "psk_master",
    "purge": "purge",
    "revoked": "revoked",
    "routes": "routes",
    "routes_except": "routes_except",
    "static_preshared_keys": "static_peers",
    "threaded_napi": "threaded_napi",
}


def option_variables(prefix: str, **others: str) -> Mapping[str, str]:
    """Return the variable of each option. others: the variables of a topology whose names differ."""
    return {option: prefix + variable for option, variable in {**_VARIABLES, **others}.items()}
