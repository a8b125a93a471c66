# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The options of wg_interface and wg_peer as an interface.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .._engine.options import OptionReader
from .._wireguard.keys import decode_public_key
from .option_types import interface_name
from .options import DecodeKey, WantedInterface, parse_interface, parse_peers

_MODULE_FIELDS = "state private_key_file listen_port fwmark mtu threaded_napi addresses up userspace"


def parse_module_interface(params: Mapping[str, Any]) -> WantedInterface:
    """Return the interface of wg_interface's options. Raises InvalidOptions."""
    call = OptionReader(params)
    name = call.required("interface", interface_name, "")
    options = OptionReader({"routes": False, **{key: params[key] for key in _MODULE_FIELDS.split()}}, "", call.errors)
    found = parse_interface(options, name, {})
    call.raise_errors()
    return replace(found, owns=False, remembers=False)


def parse_module_peers(
    name: str,
    raws: Sequence[Mapping[str, Any]],
    purge: bool,
    decode: DecodeKey = decode_public_key,
    *,
    allow_mass_removal: bool = False,
) -> WantedInterface:
    """Return the interface whose peers are wg_peer's options, and all else is not changed.

    ``decode`` is as in parse_peer(). Raises InvalidOptions.
    """
    call = OptionReader({"interface": name, "peers": raws})
    interface = call.required("interface", interface_name, "")
    entries = list(call.entries("peers"))
    peers = parse_peers((entry for entry in entries if entry.get("state") != "absent"), decode)
    absent = [entry.required("public_key", decode, b"") for entry in entries if entry.get("state") == "absent"]
    call.raise_errors()
    return WantedInterface(
        interface,
        up=None,
        peers=peers,
        absent_peers=tuple(absent),
        purge=purge,
        owns=False,
        creates=False,
        allow_mass_removal=allow_mass_removal,
    )
