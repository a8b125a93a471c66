#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: wg_key
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Manage a WireGuard private key on its host
description:
  - Generates a private key on the managed host, in a file that only its owner can read, and returns the public key.
  - The private key never leaves the host. It is not returned, not logged and not part of any diff.
  - If the file is missing and its interface runs with a private key, the file gets that key, with a warning. So the loss of
    the file changes no key that peers know.
  - The file has the format of C(wg genkey), which C(wg set ... private-key FILE) and C(PrivateKeyFile=) of systemd read.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.changes
options:
  path:
    description:
      - Path of the private key file. Missing directories are created with mode C(0700).
    type: path
    required: true
  state:
    description:
      - V(present) generates a key if the file does not exist. An existing key is kept, even if it is not clamped.
      - V(absent) removes the file, and the key with it.
    type: str
    choices: [present, absent]
    default: present
  interface:
    description:
      - The interface that uses the key. Only if this collection made it, its key is written to a missing file.
      - By default C(NAME) of a path C(/etc/wireguard/NAME.key), else none.
    type: str
  regenerate:
    description:
      - Whether to replace an existing key. All peers then need the new public key.
      - Not idempotent. Each run replaces the key.
    type: bool
    default: false
notes:
  - A file that other users can read gets mode C(0600), with a warning, because the key may be compromised.
seealso:
  - module: wirewright.overlay.wg_interface
"""

EXAMPLES = r"""
- name: Generate the key of wg0
  wirewright.overlay.wg_key:
    path: /etc/wireguard/wg0.key
  register: wg0_key

- name: Show the public key
  ansible.builtin.debug:
    var: wg0_key.public_key
"""

RETURN = r"""
public_key:
  description:
    - Public key in base64; null with O(state=absent).
    - In check mode, for a key that would be generated, a text like V(the new key of h4:/etc/wireguard/wg0.key).
      M(wirewright.overlay.wg_peer) accepts it in check mode.
  returned: success
  type: str
  sample: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=
path:
  description: Path of the private key file.
  returned: success
  type: str
  sample: /etc/wireguard/wg0.key
"""

import os

from ..module_utils._engine.errors import InvalidOptions, Refused
from ..module_utils._engine.module_run import Module, exit_with
from ..module_utils._engine.result import StageResult
from ..module_utils._interface.option_types import plain_path
from ..module_utils._interface.running_key import held_key
from ..module_utils._overlay.exclusive import run_exclusively
from ..module_utils._wireguard.key_change import KeyChange, converge_key
from ..module_utils._wireguard.key_file import BadKeyFile
from ..module_utils._wireguard.keys import encode_key, new_key_in

# Of the key files that the other modules use by default.
_DIRECTORY = "/etc/wireguard"
_SUFFIX = ".key"


def main() -> None:
    module = Module(
        argument_spec={
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "regenerate": {"type": "bool", "default": False},
            "interface": {"type": "str"},
        },
        supports_check_mode=True,
    )
    path = module.params["path"]
    key = run_exclusively(module, lambda: _converge(module, path))
    result = StageResult(key.changed, {}, lambda: key.diff(path), key.warnings(path))
    public_key = encode_key(new_key_in(path)) if key.is_predicted else key.public_key
    exit_with(module, result, path=path, public_key=public_key)


def _converge(module: Module, path: str) -> KeyChange:
    try:
        plain_path(path)
    except ValueError as exc:
        raise InvalidOptions([f"path: {exc}; write one such as /etc/wireguard/wg0.key"]) from None
    present, regenerate = module.params["state"] == "present", module.params["regenerate"]
    held = held_key(path, _interfaces(module.params["interface"], path)) if present and not regenerate else None
    try:
        return converge_key(path, present=present, regenerate=regenerate, check_mode=module.check_mode, held=held)
    except BadKeyFile as exc:
        remedy = (
            "Move it away, or set regenerate to true to replace it" if present else "Check it, and remove it by hand"
        )
        raise Refused(f"{exc}. {remedy}") from None


def _interfaces(interface: str | None, path: str) -> list[str]:
    """Return the interface that uses a key file, as an empty list where it is not known."""
    directory, name = os.path.split(path)
    if interface:
        return [interface]
    return [name[: -len(_SUFFIX)]] if directory == _DIRECTORY and name.endswith(_SUFFIX) else []


if __name__ == "__main__":
    main()
