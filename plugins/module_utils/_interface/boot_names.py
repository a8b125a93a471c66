# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""How wg-quick(8) sets an endpoint with a name at boot. Pure.

wg(8) takes the first address of a name. The hook takes the first one that `_ip/answers.py` calls usable: of the right
family, reached by this host, and neither one of its own nor routed into the tunnel. It runs in the background, because a name
that does not resolve would keep the interface down.

This module is private to the collection.
"""

from __future__ import annotations

from .._wireguard.endpoint import Endpoint
from .._wireguard.keys import encode_key

_DATABASE = {"ipv4": "ahostsv4", "ipv6": "ahostsv6", "": "ahosts"}
_TRIES = "1 2 4 8 8 8 8 8 8 8"  # seconds to wait after each, about as long as wg(8) tries
# Of addresses, and of routes to them: IPv4-mapped, unspecified, loopback, link-local without an interface, no route, only a
# link-local address for packets to a gateway.
_UNUSABLE = "0.*|::*|fe[89ab]?:*|*RTNETLINK*|*' local '*|*' multicast '*|*' broadcast '*|*' dev %i '*|*' via '*' src 'fe[89ab]?:*"


def post_up(public_key: bytes, endpoint: Endpoint, family: str, fwmark: int) -> str:
    """Return the line that sets an endpoint with a name. family: "ipv4" or "ipv6", "" for both."""
    mark = f" mark {fwmark:#x}" if fwmark else ""
    addresses = f"$(getent {_DATABASE[family]} {endpoint.host} | sed -n 's/ *DGRAM.*//p')"
    route = f'$(LC_ALL=C ip route get "$a"{mark} 2>&1)'
    setting = f'wg set %i peer {encode_key(public_key)} endpoint "$e:{endpoint.port}" && exit'
    return (
        f"PostUp = for t in {_TRIES}; do for a in {addresses}; do "
        f'case "$a {route} " in {_UNUSABLE}) ;; *) case "$a" in *:*) e="[$a]" ;; *) e="$a" ;; esac; {setting} ;; esac; '
        "done; sleep $t; done &"
    )
