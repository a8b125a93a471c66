#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: xfrm_info
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Read IPsec security associations and policies
description:
  - Returns the output of C(ip xfrm state) and C(ip xfrm policy) as data, without keys.
  - No option returns keys, because that cannot be safe. ansible-core up to 2.21 masks values under C(no_log) in results,
    which makes returned keys useless; 2.22 masks them on the screen only and passes them to registered variables, fact
    caches and files in clear. To compare keys, set O(fingerprints). To see them, run C(ip xfrm state) as root on the
    host.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.reads
options:
  reqids:
    description:
      - Return only states and policies with a reqid in this range, as C(FIRST-LAST), such as V(7100-7199) for managed
        ones. By default, all are returned.
    type: str
  fingerprints:
    description:
      - Whether to return a fingerprint of each key, 64 bits of a hash, to compare keys of two hosts. The fingerprint of a
        guessable key lets an attacker confirm a guess.
    type: bool
    default: false
seealso:
  - module: wirewright.overlay.xfrm_state
  - module: wirewright.overlay.xfrm_policy
"""

EXAMPLES = r"""
- name: Read managed states and policies
  wirewright.overlay.xfrm_info:
    reqids: 7100-7199
  register: xfrm

- name: Check that no packet failed the integrity check
  ansible.builtin.assert:
    that: xfrm.states | map(attribute='counters.failed_integrity') | sum == 0
"""

RETURN = r"""
states:
  description:
    - The security associations, sorted by destination, protocol and SPI. Fields named as options of
      M(wirewright.overlay.xfrm_state) have the same meaning, and are left out where they do not apply.
  returned: success
  type: list
  elements: dict
  contains:
    src:
      description: Outer source address.
      type: str
      returned: success
      sample: 192.0.2.1
    dst:
      description: Outer destination address.
      type: str
      returned: success
      sample: 192.0.2.2
    proto:
      description: The IPsec protocol.
      type: str
      returned: success
      sample: esp
    spi:
      description: The SPI in hexadecimal.
      type: str
      returned: success
      sample: "0x00001001"
    reqid:
      description: The reqid.
      type: int
      returned: success
      sample: 7100
    mode:
      description: The mode.
      type: str
      returned: success
      sample: tunnel
    aead:
      description: Name, ICV length, and key fingerprint with O(fingerprints); C(auth), C(enc) and C(comp) likewise.
      type: dict
      returned: where the state has one
      sample: {algorithm: rfc4106(gcm(aes)), icv_bits: 128}
    mark:
      description: Mark and mask, an empty string for none.
      type: str
      returned: success
      sample: 0x3e00/0xff00
    output_mark:
      description: Output mark and mask, an empty string for none.
      type: str
      returned: success
      sample: 0xe00/0xf00
    if_id:
      description: The xfrm interface it belongs to.
      type: int
      returned: success
      sample: 0
    replay_window:
      description: Size of the replay window, with and without ESN.
      type: int
      returned: success
      sample: 1024
    esn:
      description: Whether sequence numbers have 64 bits.
      type: bool
      returned: success
      sample: true
    flags:
      description: Flags without C(esn).
      type: list
      elements: str
      returned: success
      sample: []
    extra_flags:
      description: Further flags.
      type: list
      elements: str
      returned: success
      sample: []
    limits:
      description: The limits that are set.
      type: dict
      returned: success
      sample: {}
    counters:
      description: Counters of the state.
      type: dict
      returned: success
      contains:
        bytes:
          description: Bytes transformed.
          type: int
          returned: success
          sample: 840
        packets:
          description: Packets transformed.
          type: int
          returned: success
          sample: 10
        added:
          description: Time of creation, in seconds since 1970.
          type: int
          returned: success
          sample: 1790000000
        used:
          description: Time of first use, in seconds since 1970; 0 for never.
          type: int
          returned: success
          sample: 1790000001
        sequence_sent:
          description: Last sequence number sent.
          type: int
          returned: success
          sample: 10
        sequence_received:
          description: Highest sequence number received.
          type: int
          returned: success
          sample: 0
        failed_replay_window:
          description: Packets too old for the replay window.
          type: int
          returned: success
          sample: 0
        failed_replay:
          description: Packets received twice.
          type: int
          returned: success
          sample: 0
        failed_integrity:
          description: Packets that were tampered with or encrypted with another key.
          type: int
          returned: success
          sample: 0
policies:
  description:
    - The policies, sorted by direction, mark and selector. Fields named as options of M(wirewright.overlay.xfrm_policy)
      have the same meaning, and are left out where they do not apply.
  returned: success
  type: list
  elements: dict
  contains:
    dir:
      description: The direction.
      type: str
      returned: success
      sample: out
    src:
      description: Source network.
      type: str
      returned: success
      sample: 10.1.0.0/16
    dst:
      description: Destination network.
      type: str
      returned: success
      sample: 10.2.0.0/16
    priority:
      description: The priority; the lowest number wins.
      type: int
      returned: success
      sample: 0
    action:
      description: Whether packets pass.
      type: str
      returned: success
      sample: allow
    mark:
      description: Mark and mask, an empty string for none.
      type: str
      returned: success
      sample: ""
    if_id:
      description: The xfrm interface it belongs to.
      type: int
      returned: success
      sample: 0
    flags:
      description: Flags.
      type: list
      elements: str
      returned: success
      sample: []
    limits:
      description: The limits that are set.
      type: dict
      returned: success
      sample: {}
    index:
      description: Index of the policy in the kernel.
      type: int
      returned: success
      sample: 9
    templates:
      description: The templates.
      type: list
      elements: dict
      returned: success
      sample:
        - {dst: 192.0.2.2, level: required, mode: tunnel, proto: esp, reqid: 7100, spi: "", src: 192.0.2.1}
"""

from typing import Any

from ..module_utils._engine.module_run import Module, run
from ..module_utils._engine.options import OptionReader
from ..module_utils._xfrm.describe import list_policies, list_states
from ..module_utils._xfrm.ownership import parse_reqids
from ..module_utils._xfrm.stages import read_all


def main() -> None:
    module = Module(
        argument_spec={"reqids": {"type": "str"}, "fingerprints": {"type": "bool", "default": False}},
        supports_check_mode=True,
    )
    result = run(module, lambda: _read(**module.params), "nothing was read")
    module.exit_json(changed=False, **result)


def _read(reqids: str | None, fingerprints: bool) -> dict[str, Any]:
    call = OptionReader({"reqids": reqids})
    within = call.read("reqids", parse_reqids, None)
    call.raise_errors()
    states, policies = read_all()
    return {
        "states": list_states(states, within, fingerprints=fingerprints),
        "policies": list_policies(policies, within),
    }


if __name__ == "__main__":
    main()
