#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: xfrm_state
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Manage IPsec security associations in the kernel
description:
  - Adds, changes and removes security associations, one or any number of them, as C(ip xfrm state) does, but over
    netlink, so that no key is ever in a command line.
  - A state is what O(states[].dst), O(states[].proto), O(states[].spi) and O(states[].mark) say it is; the rest is
    compared with what the kernel holds. An option that is left out is set to its default. Counters and sequence
    numbers are never touched.
  - The kernel changes limits, ports of O(states[].encap), O(states[].output_mark) and O(states[].if_id) of a state in
    place. For all else, the key among it, it has no message. The module then deletes the old state and makes the new
    one in one datagram, between which the kernel lets no other configuration in, and puts the old one back if the new
    one is refused. Packets of these microseconds are lost and the sequence numbers begin anew; a warning says so. To
    change a key without loss, add a state with a new SPI on the receiver, then on the sender, which takes the newest,
    then remove the old ones.
  - Everything is read back after it was written. What the kernel ignored is an error that names it.
  - Where the kernel refuses something, states that were made by then are removed again, and what was changed in place is
    changed back. A state that was deleted or replaced stays so, and is named. The key of a state that was removed again
    counts as used.
  - Nothing is written for the next boot.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.changes
options:
  states:
    description:
      - The security associations.
    type: list
    elements: dict
    default: []
    suboptions:
      state:
        description:
          - Whether the security association exists.
        type: str
        choices: [present, absent]
        default: present
      src:
        description:
          - Source address of the packets on the wire. Left out it is any.
        type: str
      dst:
        description:
          - Destination address of the packets on the wire.
        type: str
        required: true
      proto:
        description:
          - The IPsec protocol.
        type: str
        choices: [esp, ah, comp]
        default: esp
      spi:
        description:
          - The security parameter index, decimal or with C(0x) in hexadecimal; for O(states[].proto=comp) the CPI.
          - The receiver finds the state by it and the destination, not by the source. So it has to differ among all
            that send to one address.
        type: str
        required: true
      mode:
        description:
          - The mode. Mind that C(ip xfrm state) takes C(transport) where none is given.
        type: str
        choices: [transport, tunnel, beet]
        default: tunnel
      reqid:
        description:
          - The number by which policies choose states, and by which O(purge) knows ours. The default is 7100, the first
            of ours.
          - With O(states[].state=absent), the reqid that the state must have. Left out, only one of ours is removed.
        type: int
      aead:
        description:
          - Encryption and authentication in one algorithm (C(aead ALGO-NAME ALGO-KEYMAT ALGO-ICV-LEN)).
        type: dict
        suboptions:
          algorithm:
            description:
              - Its kernel name, such as V(rfc4106(gcm(aes))).
            type: str
            required: true
          key:
            description:
              - The key, its salt at the end, in the form that O(states[].aead.key_format) says.
            type: str
          key_file:
            description:
              - A file on the managed host that holds the key in this form. Nobody but its owner may be able to read it.
            type: path
          key_format:
            description:
              - Whether the key is written in hexadecimal (C(0x) in front is allowed) or base64.
            type: str
            choices: [hex, base64]
            default: hex
          icv_bits:
            description:
              - Length of the integrity check value. The default is 128.
            type: int
      auth:
        description:
          - Authentication (C(auth-trunc ALGO-NAME ALGO-KEYMAT ALGO-TRUNC-LEN)).
        type: dict
        suboptions:
          algorithm:
            description:
              - Its kernel name, such as V(hmac(sha256)), or the short form V(sha256).
            type: str
            required: true
          key:
            description:
              - The key in the form that O(states[].auth.key_format) says.
            type: str
          key_file:
            description:
              - A file on the managed host that holds the key in this form. Nobody but its owner may be able to read it.
            type: path
          key_format:
            description:
              - Whether the key is written in hexadecimal (C(0x) in front is allowed) or base64.
            type: str
            choices: [hex, base64]
            default: hex
          truncation_bits:
            description:
              - To how many bits the digest is cut. The default is what the algorithm's RFC says.
              - For V(hmac(sha256)) that is 128 (RFC 4868), while C(ip xfrm state add ... auth) leaves it to the kernel,
                which takes 96.
            type: int
      enc:
        description:
          - Encryption (C(enc ALGO-NAME ALGO-KEYMAT)). With O(states[].proto=esp) it needs O(states[].auth) beside it.
        type: dict
        suboptions:
          algorithm:
            description:
              - Its kernel name, such as V(cbc(aes)), or the short form V(aes); V(cipher_null) for none.
            type: str
            required: true
          key:
            description:
              - The key in the form that O(states[].enc.key_format) says.
            type: str
          key_file:
            description:
              - A file on the managed host that holds the key in this form. Nobody but its owner may be able to read it.
            type: path
          key_format:
            description:
              - Whether the key is written in hexadecimal (C(0x) in front is allowed) or base64.
            type: str
            choices: [hex, base64]
            default: hex
      comp:
        description:
          - Compression (C(comp ALGO-NAME)), for O(states[].proto=comp).
        type: dict
        suboptions:
          algorithm:
            description:
              - Its kernel name, such as V(deflate).
            type: str
            required: true
          key:
            description:
              - No algorithm in use takes one.
            type: str
          key_file:
            description:
              - No algorithm in use takes one.
            type: path
          key_format:
            description:
              - How such a key is written.
            type: str
            choices: [hex, base64]
            default: hex
      key_survives_reboot:
        description:
          - Whether the same keys are given again after a reboot, as keys in a playbook are.
          - A state begins to count at one whenever it is made. AES-GCM, AES-CCM, AES-CTR and ChaCha20-Poly1305 take
            their nonce from that count, and one that repeats under the same key gives the plaintext away. RFC 8221
            section 3 (and RFC 4106, 4309, 3686, 7634) forbids such keys, and so does this module unless
            O(allow_nonce_reuse=true).
          - V(false) promises a new key for each boot. The host remembers a fingerprint of each such key in
            C(/var/lib/wirewright.overlay/ipsec/key_uses.json), and one that comes again is refused.
          - V(cbc(aes)) with V(hmac(sha256)) has random IVs, and may be given again.
        type: bool
        default: true
      receive_only:
        description:
          - Whether this host only receives by the state, because its O(states[].dst) is the host's own address. Nonces
            are counted by who sends, so the key may then be given again, and the state made again when it was lost.
            A state that is made again has forgotten which packets it has seen.
          - That the key is not used twice is then up to the sender.
        type: bool
        default: false
      mark:
        description:
          - The mark that packets have, as C(VALUE) or C(VALUE/MASK), such as V(0x3e00/0xff00). A mask of 0 is no mark.
          - A state without a mark serves all marks. So the kernel takes no marked state beside an unmarked one with the
            same SPI that is there already.
        type: str
      output_mark:
        description:
          - The mark that packets get, as C(VALUE) or C(VALUE/MASK); bits outside of the mask stay.
        type: str
      if_id:
        description:
          - The xfrm interface the state belongs to; 0 for none.
        type: str
      replay_window:
        description:
          - How many packets may come out of order; up to 4096. 0 switches replay protection off.
        type: int
        default: 0
      esn:
        description:
          - Whether sequence numbers have 64 bits (C(flag esn)). Without it a state ends after 2^32 packets. Needs
            O(states[].replay_window).
        type: bool
        default: false
      flags:
        description:
          - Flags of the state (C(flag)).
        type: list
        elements: str
        choices: [noecn, decap-dscp, nopmtudisc, wildrecv, icmp, af-unspec, align4, esn]
        default: []
      extra_flags:
        description:
          - Further flags of the state (C(extra-flag)).
        type: list
        elements: str
        choices: [dont-encap-dscp, oseq-may-wrap]
        default: []
      encap:
        description:
          - ESP in UDP or TCP, for NAT traversal (C(encap ENCAP-TYPE SPORT DPORT OADDR)).
          - The kernel receives such packets only through a socket that a key daemon has opened for it.
        type: dict
        suboptions:
          type:
            description:
              - The form.
            type: str
            choices: [espinudp, espinudp-nonike, espintcp]
            default: espinudp
          sport:
            description:
              - Source port.
            type: int
            required: true
          dport:
            description:
              - Destination port.
            type: int
            required: true
          oa:
            description:
              - The original address, in transport mode. Left out it is any.
            type: str
      sel:
        description:
          - Which packets the state carries (C(sel)). Left out, all that a policy gives it.
        type: dict
        suboptions:
          src:
            description:
              - Source network.
            type: str
          dst:
            description:
              - Destination network.
            type: str
          proto:
            description:
              - Upper protocol by name or number.
            type: str
          sport:
            description:
              - Source port.
            type: int
          dport:
            description:
              - Destination port.
            type: int
          type:
            description:
              - ICMP type.
            type: int
          code:
            description:
              - ICMP code.
            type: int
          dev:
            description:
              - Interface.
            type: str
      limits:
        description:
          - When the state expires (C(limit)). At a soft limit the kernel tells key daemons, at a hard one it deletes the
            state.
        type: dict
        suboptions:
          byte_soft:
            description: Soft limit in bytes.
            type: int
          byte_hard:
            description: Hard limit in bytes.
            type: int
          packet_soft:
            description: Soft limit in packets.
            type: int
          packet_hard:
            description: Hard limit in packets.
            type: int
          time_soft:
            description: Soft limit in seconds since the state was made.
            type: int
          time_hard:
            description: Hard limit in seconds since the state was made.
            type: int
          time_use_soft:
            description: Soft limit in seconds since the first use.
            type: int
          time_use_hard:
            description: Hard limit in seconds since the first use.
            type: int
      tfcpad:
        description:
          - To what length ESP in tunnel mode pads packets, against traffic analysis; 0 for not at all.
        type: int
        default: 0
      dir:
        description:
          - For which direction the state is (C(dir), Linux 6.10 and newer). Left out, for both.
        type: str
        choices: [in, out]
      offload:
        description:
          - Hands the state to a network card (C(offload)).
        type: dict
        suboptions:
          type:
            description:
              - Whether the card encrypts only or does all of IPsec.
            type: str
            choices: [crypto, packet]
            default: crypto
          dev:
            description:
              - Interface of the card.
            type: str
            required: true
          dir:
            description:
              - Direction.
            type: str
            choices: [in, out]
            required: true
  purge:
    description:
      - Whether to remove all other states whose reqid is in O(owned_reqids).
    type: bool
    default: false
  owned_reqids:
    description:
      - The reqids that are ours, as C(FIRST-LAST). A state with another reqid is somebody else's. It is not removed or
        changed, unless O(states[].reqid) names it or O(takeover) is set.
    type: str
    default: 7100-7199
  takeover:
    description:
      - Whether a state that stands in the place of a wanted one may be changed or removed though its reqid is neither
        ours nor the one that is named.
    type: bool
    default: false
  allow_nonce_reuse:
    description:
      - Whether counter-mode keys may survive a reboot, come again, or serve two states. Read
        O(states[].key_survives_reboot) first.
    type: bool
    default: false
seealso:
  - module: wirewright.overlay.xfrm_policy
  - module: wirewright.overlay.xfrm_info
"""

EXAMPLES = r"""
- name: Both directions of a tunnel, with algorithms whose keys may stay the same over reboots
  wirewright.overlay.xfrm_state:
    states:
      - src: 192.0.2.1
        dst: 192.0.2.2
        spi: 0x1001
        enc: {algorithm: cbc(aes), key: "{{ vault_enc_there }}"}
        auth: {algorithm: hmac(sha256), key: "{{ vault_auth_there }}"}
        replay_window: 1024
        esn: true
      - src: 192.0.2.2
        dst: 192.0.2.1
        spi: 0x1002
        enc: {algorithm: cbc(aes), key: "{{ vault_enc_back }}"}
        auth: {algorithm: hmac(sha256), key: "{{ vault_auth_back }}"}
        replay_window: 1024
        esn: true

- name: A state with marks, as Cilium makes it, with a key that is made anew at each boot
  wirewright.overlay.xfrm_state:
    states:
      - src: 10.0.0.1
        dst: 10.0.1.1
        spi: 3
        reqid: 1
        aead: {algorithm: rfc4106(gcm(aes)), key_file: /run/keys/epoch, icv_bits: 128}
        key_survives_reboot: false
        mark: 0x3e00/0xff00
        output_mark: 0xe00/0xf00

- name: Remove one state, and all others that are ours
  wirewright.overlay.xfrm_state:
    states:
      - {dst: 10.0.1.1, spi: 3, mark: 0x3e00/0xff00, reqid: 1, state: absent}
    purge: true
"""

RETURN = r"""
states:
  description: How many states were created, updated in place, replaced, and deleted.
  returned: success
  type: dict
  sample: {created: 2, deleted: 0, replaced: 0, updated: 0}
requests:
  description: How many messages that took; three for a state that was replaced.
  returned: success
  type: int
  sample: 2
errors:
  description: What is wrong with the options, one text for each reason.
  returned: when something was refused before anything was changed
  type: list
  elements: str
  sample: ["states[0].spi: 0 is not from 1 to 4294967295"]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wirewright.overlay.plugins.module_utils.host.facts import boot_id
from ansible_collections.wirewright.overlay.plugins.module_utils.module_run import run
from ansible_collections.wirewright.overlay.plugins.module_utils.xfrm.arguments import STATES
from ansible_collections.wirewright.overlay.plugins.module_utils.xfrm.converge import converge_states
from ansible_collections.wirewright.overlay.plugins.module_utils.xfrm.desired_states import parse_states


def main() -> None:
    module = AnsibleModule(argument_spec=STATES, supports_check_mode=True)
    run(
        module,
        "states",
        lambda: converge_states(parse_states(module.params), check_mode=module.check_mode, boot_id=boot_id),
    )


if __name__ == "__main__":
    main()
