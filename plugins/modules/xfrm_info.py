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
  - Returns what C(ip xfrm state) and C(ip xfrm policy) say, as data, without keys.
  - There is no option that returns keys, because no way to return them is safe. ansible-core up to 2.21 replaces what
    C(no_log) covers in results, so that the keys would be useless; 2.22 hides it on the screen only and hands it to
    registered variables, fact caches and files in clear. To compare keys, ask for O(fingerprints). To see them, run
    C(ip xfrm state) as root on the host.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.reads
options:
  reqids:
    description:
      - Return only what has a reqid in this range, as C(FIRST-LAST), such as V(7100-7199) for what is ours. Left out,
        everything is returned.
    type: str
  fingerprints:
    description:
      - Whether to return a fingerprint of each key, 64 bits of a hash, by which keys of two hosts can be compared. Of a
        key that is a guessable text, a fingerprint lets a guess be confirmed.
    type: bool
    default: false
seealso:
  - module: wirewright.overlay.xfrm_state
  - module: wirewright.overlay.xfrm_policy
"""

EXAMPLES = r"""
- name: Read what is ours
  wirewright.overlay.xfrm_info:
    reqids: 7100-7199
  register: xfrm

- name: Nothing was dropped for a wrong key
  ansible.builtin.assert:
    that: xfrm.states | map(attribute='counters.failed_integrity') | sum == 0
"""

RETURN = r"""
states:
  description:
    - The security associations, by destination, protocol and SPI. What is named as in M(wirewright.overlay.xfrm_state)
      means the same, and is left out where it does not apply.
  returned: success
  type: list
  elements: dict
  contains:
    src:
      description: Source address on the wire.
      type: str
      returned: success
      sample: 192.0.2.1
    dst:
      description: Destination address on the wire.
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
      description: Its name, ICV length, and key fingerprint where asked for; C(auth), C(enc) and C(comp) likewise.
      type: dict
      returned: where the state has one
      sample: {algorithm: rfc4106(gcm(aes)), icv_bits: 128}
    mark:
      description: Mark and mask, an empty text for none.
      type: str
      returned: success
      sample: 0x3e00/0xff00
    output_mark:
      description: Output mark and mask, an empty text for none.
      type: str
      returned: success
      sample: 0xe00/0xf00
    if_id:
      description: The xfrm interface it belongs to.
      type: int
      returned: success
      sample: 0
    replay_window:
      description: The replay window, also where it stands in the ESN context.
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
      description: What the state has done.
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
          description: When it was made, in seconds since the epoch.
          type: int
          returned: success
          sample: 1790000000
        used:
          description: When it was used first, in seconds since the epoch, 0 for never.
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
          description: Packets that came twice.
          type: int
          returned: success
          sample: 0
        failed_integrity:
          description: Packets that were tampered with, or made with another key.
          type: int
          returned: success
          sample: 0
policies:
  description:
    - The policies, by direction, mark and selector. What is named as in M(wirewright.overlay.xfrm_policy) means the same,
      and is left out where it does not apply.
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
      description: Mark and mask, an empty text for none.
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
      description: The number by which the kernel lists it.
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

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wirewright.overlay.plugins.module_utils.xfrm.converge import read_all
from ansible_collections.wirewright.overlay.plugins.module_utils.xfrm.description import list_policies, list_states
from ansible_collections.wirewright.overlay.plugins.module_utils.xfrm.ownership import parse_reqids


def main() -> None:
    module = AnsibleModule(
        argument_spec={"reqids": {"type": "str"}, "fingerprints": {"type": "bool", "default": False}},
        supports_check_mode=True,
    )
    params = module.params
    try:
        within = None if params["reqids"] is None else parse_reqids(params["reqids"])
        states, policies = read_all()
    except (OSError, ValueError) as exc:
        module.fail_json(msg=f"IPsec could not be read: {exc}")
    module.exit_json(
        changed=False,
        states=list_states(states, within, fingerprints=params["fingerprints"]),
        policies=list_policies(policies, within),
    )


if __name__ == "__main__":
    main()
