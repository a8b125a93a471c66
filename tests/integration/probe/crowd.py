# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many tunnels between two hosts: one device on the left, and one device per peer on the right."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard import userspace
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import (
    clamp,
    decode_key,
    encode_key,
    public_key,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.model import PeerChange, Settings
from managed_host import ManagedHost
from numbered_peers import raw
from tunnel import create_key, create_tunnel

FIRST_PORT = 20000
FIRST_TABLE = 1000
RULES = 5000  # priority of the rules
HERE = "10.44.0.1"


def create_crowd(left: ManagedHost, right: ManagedHost, count: int) -> None:
    """Create wg0 on the left with a number of peers, each a device on the right. `disperse` removes them."""
    privates = [clamp(raw("crowd", number)) for number in range(count)]
    create_key(left)
    peers = [
        {
            "public_key": encode_key(public_key(private)),
            "name": f"p{number:04}",
            "allowed_ips": [f"{address_of(number)}/32"],
            "endpoint": f"192.0.2.12:{FIRST_PORT + number}",
        }
        for number, private in enumerate(privates)
    ]
    create_tunnel(left, peers, addresses=[f"{HERE}/16"])
    own = left.wg_dump()[0][1]
    right.call(_start_devices, privates, own)
    lines: list[str] = []
    for number in range(count):
        name, table = f"w{number}", FIRST_TABLE + number
        lines += [
            f"link set {name} up",
            f"addr add {address_of(number)}/32 dev {name}",
            f"route add default dev {name} table {table}",
            f"rule add priority {RULES} from {address_of(number)} lookup {table}",
        ]
    right.run("ip", "-4", "-batch", "-", input="\n".join(lines))


def disperse(right: ManagedHost) -> None:
    """Remove the rules; a reset of the host removes the devices."""
    right.shell(f"while ip rule delete priority {RULES} 2>/dev/null; do :; done")


def address_of(number: int) -> str:
    """Return the overlay address of a device on the right."""
    return f"10.44.{1 + number // 250}.{1 + number % 250}"


def _start_devices(privates: list[bytes], left: str) -> None:
    change = PeerChange(decode_key(left), replace_allowed_ips=True, allowed_ips=(parse_prefix(f"{HERE}/32"),))

    def start(number: int) -> None:
        userspace.start(f"w{number}")
        settings = Settings(private_key=privates[number], listen_port=FIRST_PORT + number)
        userspace.Userspace().write(f"w{number}", settings, [change])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, range(len(privates))))
