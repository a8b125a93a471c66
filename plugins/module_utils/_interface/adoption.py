# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Adopt an interface that others made: read it, refuse what would be lost, and take its files over.

The private key goes from the device, or from the files of others, into the key file, in the same transaction as all else.
Files of others are copied, with mode 0600 because they can hold the key, and replaced.

This module is private to the collection.
"""

from __future__ import annotations

from dataclasses import replace

from .._engine.errors import Refused
from .._host.files import BootFile
from .._netlink.connection import Connection
from .._wireguard.keys import encode_key, public_key
from .._wireguard.present_keys import COPY_SUFFIX
from .config_files import PROFILE_DIRECTORIES
from .losses import (
    ADDRESS,
    ALLOWED_IPS,
    ENDPOINT,
    FILE,
    FWMARK,
    KEEPALIVE,
    KEY,
    MTU,
    PEER,
    PERSISTENCE,
    PORT,
    PRESHARED_KEY,
    ROUTES,
    full_tunnel_text,
    losses,
    profile_text,
)
from .options import WantedInterface
from .plan import Current
from .read import read
from .read_existing import read_existing

_REMEDIES = {
    KEY: "remove that file, and the key of the interface is kept",
    PORT: "set O(listen_port={value})",
    FWMARK: "set O(fwmark={value})",
    MTU: "set O(mtu={value})",
    ADDRESS: "add it to O(addresses)",
    ROUTES: "set O(routes=false)",
    PERSISTENCE: "set O(persistence={value})",
    FILE: "",
    PEER: "add it to O(peers), add its key to O(revoked), or set O(purge=false)",
    ALLOWED_IPS: "add them to its allowed_ips",
    ENDPOINT: "set its endpoint to {value}",
    KEEPALIVE: "set its persistent_keepalive to {value}",
    PRESHARED_KEY: "set its preshared key in O(preshared_keys)",
}


def adopt(fib: Connection, wanted: WantedInterface, current: Current) -> tuple[WantedInterface, Current]:
    """Return the desired and the current interface with what others made of it; both as they are where they made nothing.

    Raises OSError.
    """
    ours = current.link is not None and current.link.is_ours
    existing = None if ours or not (wanted.adopt and wanted.present) else read_existing(fib, wanted.name)
    if existing is None:
        return wanted, current
    # A profile of NetworkManager stays, because its program keeps what it has read of it.
    taken = tuple(f"{directory}/" for directory in PROFILE_DIRECTORIES)
    paths = [path for path in existing.paths if path.startswith("/etc/") and not path.startswith(taken)]
    copies = [path + COPY_SUFFIX for path in paths]
    key_path = wanted.private_key_file
    taken_over = (*paths, *copies, *([key_path] if key_path else []))
    wanted = replace(wanted, taken_over=taken_over, adopted=existing.allowed_ips)
    return wanted, replace(read(fib, wanted), existing=existing)


def with_adopted_files(
    current: Current, wanted: WantedInterface, private_key: bytes | None
) -> tuple[Current, list[str]]:
    """Return an interface with the files that its adoption adds, and warnings of what is lost. Raises Refused."""
    warnings = refuse_losses(current, wanted, private_key)
    return replace(current, adopted_files=tuple(_adopted_files(current, wanted, private_key))), warnings


def _adopted_files(current: Current, wanted: WantedInterface, private_key: bytes | None) -> list[BootFile]:
    """Return the copies of the files of others, and the key file where there is none. Raises Refused."""
    present = {file.path: file for file in current.files}
    made = []
    for path in wanted.taken_over:
        before, copy = present.get(path), present.get(path + COPY_SUFFIX)
        if before is None or path.endswith(COPY_SUFFIX) or path == wanted.private_key_file:
            continue
        if before.target is not None:
            raise Refused(f"{path} is a symbolic link: put the file that it leads to in its place")
        if copy is not None and copy.content != before.content:
            raise Refused(f"{copy.path} exists, and is no copy of {path}: move it away")
        made.append(BootFile(path + COPY_SUFFIX, before.content, 0o600, secret=True))
    adopted = current.existing is not None and private_key == current.existing.private_key
    if private_key is not None and adopted and wanted.private_key_file and wanted.private_key_file not in present:
        made.append(BootFile(wanted.private_key_file, encode_key(private_key) + "\n", 0o600, secret=True))
    return made


def refuse_losses(current: Current, wanted: WantedInterface, private_key: bytes | None) -> list[str]:
    """Return warnings of what is lost, where this is allowed. Raises Refused with every loss where it is not."""
    if current.existing is None:
        return []
    if current.existing.table:
        raise Refused(f"adoption of {wanted.name}: {full_tunnel_text(current.existing)}")
    if current.existing.profile:
        raise Refused(f"adoption of {wanted.name}: {profile_text(current.existing)}")
    own = public_key(private_key) if private_key is not None and wanted.private_key_file else None
    found = []
    for loss in losses(current.existing, wanted, own):
        remedy = _REMEDIES[loss.kind].format(value=loss.value)
        found.append((loss.kind, loss.text if wanted.adopt_allow_loss or not remedy else f"{loss.text}: {remedy}"))
    if found and not wanted.adopt_allow_loss:
        allowing = "if all of it may be lost, set O(adopt_allow_loss=true)"
        raise Refused(*(f"adoption of {wanted.name}: {text}" for _kind, text in found), allowing)
    # Of a role's run, the controller has warned of the other losses; only hosts know preshared keys.
    said = [text for kind, text in found if not wanted.inventory_name or kind == PRESHARED_KEY]
    return [f"adoption of {wanted.name}: {text}" for text in said]
