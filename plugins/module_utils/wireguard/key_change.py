# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Converge one private key file: what is there, what shall be, and the one step between.

This module is private to the collection.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from . import key_file
from .keys import encode_key, public_key

_WILL_BE_MADE = "(a new key)"


@dataclass(frozen=True)
class KeyChange:
    """A key file before and after, each as (public key, mode), None where there is no file."""

    before: tuple[str, str] | None
    after: tuple[str, str] | None
    was_exposed: bool = False

    @property
    def public_key(self) -> str | None:
        """The public key after the change, None where it is not known."""
        return self.after[0] if self.after and self.after[0] != _WILL_BE_MADE else None

    def diff(self) -> dict[str, dict[str, str]]:
        """Return the change as Ansible shows it: public keys and modes only."""
        sides = {"before": self.before, "after": self.after}
        made = self.before is None or self.after is None or self.before[0] != self.after[0]
        shown = {"after": (_WILL_BE_MADE, self.after[1])} if made and self.after else {}
        return {
            side: dict(zip(("public_key", "mode"), shown.get(side, state))) if state else {}
            for side, state in sides.items()
        }


def converge_key(path: str, *, present: bool, regenerate: bool, check_mode: bool) -> KeyChange:
    """Make, replace, protect or remove a private key file. Raises BadKeyFile and OSError."""
    try:
        private_key = key_file.read(path)
    except key_file.BadKeyFile:
        if present and not regenerate:
            raise
        private_key = None
    mode = key_file.mode_of(path)
    before = None if mode is None else (_public_text(private_key), f"{mode:04o}")
    if not present:
        if mode is not None and not check_mode:
            os.unlink(path)
        return KeyChange(before, None)
    exposed = key_file.is_exposed(path)
    if private_key is not None and not regenerate:
        if exposed and not check_mode:
            key_file.protect(path)
        after_mode = f"{key_file.FILE_MODE:04o}" if exposed or mode is None else f"{mode:04o}"
        return KeyChange(before, (_public_text(private_key), after_mode), exposed)
    after_mode = f"{key_file.FILE_MODE:04o}"
    if check_mode:
        return KeyChange(before, (_WILL_BE_MADE, after_mode))
    # Without regenerate there was no file a moment ago: one that is there by now is another run's, and stays.
    if regenerate and mode is not None:
        return KeyChange(before, (_public_text(key_file.replace(path)), after_mode))
    private_key, made = key_file.ensure(path)
    after = (_public_text(private_key), after_mode)
    return KeyChange(None if made else after, after)  # another run may have been quicker


def _public_text(private_key: bytes | None) -> str:
    return encode_key(public_key(private_key)) if private_key is not None else "(no key)"
