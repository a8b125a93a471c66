# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Converge one private key file.

This module is private to the collection.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from .._engine.errors import InvalidOptions
from .._engine.shown import Diff
from . import key_file
from .keys import encode_key, public_key

_WILL_BE_MADE = "(a new key)"


@dataclass(frozen=True)
class HeldKey:
    """The private key that a running interface holds."""

    interface: str
    private_key: bytes = field(repr=False)


@dataclass(frozen=True)
class KeyChange:
    """A key file before and after, each as (public key, mode), None where there is no file.

    held_by: the running interface whose key is written to the missing file, "" for none.
    """

    before: tuple[str, str] | None
    after: tuple[str, str] | None
    was_exposed: bool = False
    held_by: str = ""

    @property
    def public_key(self) -> str | None:
        """The public key after the change, None where it is not known."""
        return self.after[0] if self.after and not self.is_predicted else None

    @property
    def is_predicted(self) -> bool:
        """Whether check mode predicts a new key."""
        return self.after is not None and self.after[0] == _WILL_BE_MADE

    @property
    def changed(self) -> bool:
        """Whether the file differs."""
        return self.before != self.after

    @property
    def is_made(self) -> bool:
        """Whether the file is made or gets another key."""
        return self.after is not None and (self.before is None or self.before[0] != self.after[0])

    def warnings(self, path: str) -> tuple[str, ...]:
        """Return the warning about a file that was missing beside a running interface, or readable by others."""
        if self.held_by:
            return (
                f"{path} is missing, and the interface {self.held_by} runs with a private key: this key is written to the "
                "file. To replace it by a new key, use wg_key with regenerate=true",
            )
        text = f"{path} was readable by other users: regenerate the key if one of them is not trusted"
        return (text,) if self.was_exposed else ()

    def diff(self, path: str) -> list[Diff]:
        """Return the change as a diff: public keys and modes only."""
        sides = {"before": self.before, "after": self.after}
        is_new = self.is_made and not self.held_by
        shown = {"after": (_WILL_BE_MADE, self.after[1])} if is_new and self.after else {}
        described = [
            dict(zip(("public_key", "mode"), shown.get(side, state))) if state else {} for side, state in sides.items()
        ]
        return [Diff(path, *described)]


def converge_key(
    path: str, *, present: bool, regenerate: bool, check_mode: bool, held: HeldKey | None = None
) -> KeyChange:
    """Create, replace, protect or remove a private key file. Raises InvalidOptions, BadKeyFile, UnsafeFile and OSError.

    A file without a key is not removed, and replaced only with ``regenerate``. held: the key of the running interface that
    uses the file; a missing file gets it, not a new one, unless with ``regenerate``.
    """
    if not path.startswith("/"):
        raise InvalidOptions(["not an absolute path of a key file, such as /etc/wireguard/wg0.key"])
    try:
        private_key = key_file.read(path)
    except key_file.BadKeyFile:
        if not regenerate or not present:
            raise
        private_key = None
    mode = key_file.mode_of(path)
    before = None if mode is None else (_public_text(private_key), f"{mode:04o}")
    if not present:
        if mode is not None and not check_mode:
            os.unlink(path)
        return KeyChange(before, None)
    from . import key_file_changes

    exposed = key_file.is_exposed(path)
    if private_key is not None and not regenerate:
        if exposed and not check_mode:
            key_file_changes.protect(path)
        after_mode = f"{key_file.FILE_MODE:04o}" if exposed or mode is None else f"{mode:04o}"
        return KeyChange(before, (_public_text(private_key), after_mode), exposed)
    after_mode = f"{key_file.FILE_MODE:04o}"
    held = None if regenerate else held
    if check_mode:
        after = (_WILL_BE_MADE if held is None else _public_text(held.private_key), after_mode)
        return KeyChange(before, after, held_by=held.interface if held else "")
    # Without regenerate there was no file before. If there is one now, another run created it, and it stays.
    if regenerate and mode is not None:
        return KeyChange(before, (_public_text(key_file_changes.replace(path)), after_mode))
    private_key, made = key_file_changes.ensure(path, held.private_key if held else None)
    after = (_public_text(private_key), after_mode)
    # Another run may have created it.
    return KeyChange(None if made else after, after, held_by=held.interface if held and made else "")


def _public_text(private_key: bytes | None) -> str:
    return encode_key(public_key(private_key)) if private_key is not None else "(no key)"
