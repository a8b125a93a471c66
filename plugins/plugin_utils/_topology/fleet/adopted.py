# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Port and addresses of an interface that is adopted, or was, where no variable sets them.

They are noted on the host, so that they stay the same in later runs. A host notes them for itself alone.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ....module_utils._ip.prefix import Address, parse_address
from ..._untrusted import mapping_of, text_of
from ..._variable_reader import whole_number

PORT_NOTE, ADDRESSES_NOTE = "adopted_port", "adopted_addresses"
_MOST = 64  # addresses


@dataclass(frozen=True)
class AdoptedValues:
    """port: 0 for none."""

    port: int = 0
    addresses: tuple[Address, ...] = ()

    def notes(self, *, port: bool, addresses: bool) -> dict[str, str]:
        """Return the notes of the values in use."""
        found = {PORT_NOTE: str(self.port)} if port and self.port else {}
        if addresses and self.addresses:
            found[ADDRESSES_NOTE] = ",".join(map(str, self.addresses))
        return found


def adopted_values(fact: Mapping[str, Any] | None, interface: str) -> AdoptedValues:
    """Return what a host reports: of an interface that others made, else its notes. A fact is hostile input."""
    device = mapping_of(mapping_of(mapping_of(fact).get("interfaces")).get(interface))
    existing, notes = device.get("existing"), mapping_of(device.get("notes"))
    if isinstance(existing, Mapping):
        port = existing.get("listen_port") if existing.get("port_is_configured") is True else 0
        listed = existing.get("addresses")
        texts = [text_of(text) for text in listed[:_MOST]] if isinstance(listed, list) else []
    else:
        port = text_of(notes.get(PORT_NOTE))
        texts = text_of(notes.get(ADDRESSES_NOTE)).split(",", _MOST)[:_MOST]
    number = whole_number(port) or 0
    return AdoptedValues(number if number <= 65535 else 0, tuple(dict.fromkeys(_parsed(texts))))


def _parsed(texts: list[str]) -> list[Address]:
    found = []
    for text in texts:
        try:
            found.append(parse_address(text))
        except ValueError:
            continue
    return found
