# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that kube-proxy writes for one service with a NodePort, in its modes iptables and nftables.

Both mark packets that are to be masqueraded with 0x4000 when they arrive. When they leave, they clear the mark and masquerade
with a random port. In the mode iptables invalid packets of forwarded connections are dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

IPTABLES, NFTABLES = MODES = ("iptables", "nftables")
# A hash of namespace, service and port; the same letters in both modes.
_HASH = "WWZQ5LP4K3MTX7RD"


@dataclass(frozen=True)
class Service:
    """A TCP service: its cluster address and port, its NodePort, the address and port of its only pod, and the pods' network."""

    cluster_ip: str
    port: int
    node_port: int
    pod: str
    pods: str


def iptables_restore(service: Service) -> str:
    """Return the input of `iptables-restore --noflush`."""
    svc, ext, sep = f"KUBE-SVC-{_HASH}", f"KUBE-EXT-{_HASH}", f"KUBE-SEP-{_HASH}"
    chains = ("KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ", svc, ext, sep)
    tcp = "-m tcp -p tcp"
    own = f"-d {service.cluster_ip}/32 {tcp} --dport {service.port}"
    nat = [
        '-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
        '-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
        '-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING',
        "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
        "-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000",
        "-A KUBE-POSTROUTING -j MASQUERADE --random-fully",
        "-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000",
        f"-A KUBE-SERVICES {own} -j {svc}",
        "-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS",
        f"-A KUBE-NODEPORTS {tcp} --dport {service.node_port} -j {ext}",
        f"-A {ext} -j KUBE-MARK-MASQ",
        f"-A {ext} -j {svc}",
        f"-A {svc} {own} ! -s {service.pods} -j KUBE-MARK-MASQ",
        f"-A {svc} -j {sep}",
        f"-A {sep} -s {service.pod}/32 -j KUBE-MARK-MASQ",
        f"-A {sep} {tcp} -j DNAT --to-destination {service.pod}:{service.port}",
    ]
    forward = [
        '-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD',
        "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
        "-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT",
        "-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    ]
    lines = ["*filter", ":KUBE-FORWARD - [0:0]", *forward, "COMMIT"]
    lines += ["*nat", *(f":{chain} - [0:0]" for chain in chains), *nat, "COMMIT"]
    return "\n".join(lines) + "\n"


def nft_script(service: Service) -> str:
    """Return the input of `nft -f`."""
    name = f"{_HASH}-lab/web/tcp/http"
    internal, external, endpoint = (
        f"service-{name}",
        f"external-{name}",
        f"endpoint-{name}__{service.pod}/{service.port}",
    )
    return f"""table ip kube-proxy {{
    map service-ips {{
        type ipv4_addr . inet_proto . inet_service : verdict
        elements = {{ {service.cluster_ip} . tcp . {service.port} : goto {internal} }}
    }}
    map service-nodeports {{
        type inet_proto . inet_service : verdict
        elements = {{ tcp . {service.node_port} : goto {external} }}
    }}
    chain nat-prerouting {{ type nat hook prerouting priority dstnat; jump services; }}
    chain nat-output {{ type nat hook output priority -100; jump services; }}
    chain nat-postrouting {{ type nat hook postrouting priority srcnat; jump masquerading; }}
    chain services {{
        ip daddr . meta l4proto . th dport vmap @service-ips
        fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @service-nodeports
    }}
    chain mark-for-masquerade {{ mark set mark or 0x4000; }}
    chain masquerading {{
        mark and 0x4000 == 0 return
        mark set mark xor 0x4000
        masquerade fully-random
    }}
    chain {external} {{
        jump mark-for-masquerade
        goto {internal}
    }}
    chain {internal} {{
        ip daddr {service.cluster_ip} tcp dport {service.port} ip saddr != {service.pods} jump mark-for-masquerade
        numgen random mod 1 vmap {{ 0 : goto {endpoint} }}
    }}
    chain {endpoint} {{
        ip saddr {service.pod} jump mark-for-masquerade
        meta l4proto tcp dnat to {service.pod}:{service.port}
    }}
}}
"""
