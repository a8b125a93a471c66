#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: wg_key
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Make and keep a WireGuard private key on its host
description:
  - Makes a private key on the managed host, in a file only its owner can read, and returns the public key.
  - The private key never leaves the host. It is not returned, not logged and not part of any diff.
  - The file has the format of C(wg genkey), so that C(wg set ... private-key FILE) and
    C(PrivateKeyFile=) of systemd read it.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.changes
options:
  path:
    description:
      - The private key file. Missing directories are made, with mode C(0700).
    type: path
    required: true
  state:
    description:
      - With V(present), a key is made where there is none. A key that is there stays, also when it is not clamped.
      - With V(absent), the file is removed, and the key with it.
    type: str
    choices: [present, absent]
    default: present
  regenerate:
    description:
      - Whether to replace a key that is there by a new one. Every peer then needs the new public key.
      - This option makes the module change something on every run.
    type: bool
    default: false
notes:
  - A file that others than its owner may read gets mode C(0600), with a warning, because the key may be known by then.
seealso:
  - module: wirewright.overlay.wg_interface
"""

EXAMPLES = r"""
- name: Make the key of wg0
  wirewright.overlay.wg_key:
    path: /etc/wireguard/wg0.key
  register: wg0_key

- name: Show the public key
  ansible.builtin.debug:
    var: wg0_key.public_key
"""

RETURN = r"""
public_key:
  description: The public key in base64; null in check mode for a key that would be made, and with O(state=absent).
  returned: success
  type: str
  sample: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=
path:
  description: The private key file.
  returned: success
  type: str
  sample: /etc/wireguard/wg0.key
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard import key_file
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.key_change import converge_key


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "regenerate": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    path = module.params["path"]
    try:
        result = converge_key(
            path,
            present=module.params["state"] == "present",
            regenerate=module.params["regenerate"],
            check_mode=module.check_mode,
        )
    except key_file.BadKeyFile as exc:
        module.fail_json(msg=f"{exc}. Move it away, or set regenerate to true to replace it")
    except OSError as exc:
        module.fail_json(msg=f"the system refused: {exc}")
    if result.was_exposed:
        module.warn(f"{path} could be read by others than its owner: make a new key if any of them is not trusted")
    module.exit_json(changed=result.before != result.after, path=path, public_key=result.public_key, diff=result.diff())


if __name__ == "__main__":
    main()
