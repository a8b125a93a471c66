# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of nodes in namespaces: lab hosts with a pod network each, routed as flannel's host-gw does it.

    x  n1 (cni0 - p1)  n2 (cni0 - p2)  n3 (cni0 - p3)     all on one bridge, the underlay
    node N: eth0 10.0.0.N, fd00::N; pods 10.244.N.0/24 and fd00:244:0:N::/64 on cni0; x: 10.0.0.100, fd00::100

with NodeCluster() as cluster:
    n1, n2, n3 = cluster.nodes
    with cluster.captured(tmp_path / "wire.pcap") as wire:
        assert cluster.ping(n1.pod, n2.pod.ipv4) == 3
        assert wire.kinds() == {PLAIN_POD: 6}

Nodes are hosts of the lab ``cluster.lab``, so plays run on them; pods and x are unmanaged namespaces.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import kube_proxy_rules
from lab_hosts import Lab
from managed_host import ManagedHost
from namespaces import call_in_thread
from steady_ping import SteadyPing
from wire_capture import Capture, Classifier

T = TypeVar("T")

# Errors of the kernel without a route, with a blackhole or prohibit route, or a rule that drops.
# ENOKEY: of the kernel's WireGuard, no peer has the address among its allowed IPs.
_NO_WAY = (errno.ENOKEY, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EINVAL, errno.EACCES, errno.EPERM)

CLUSTER_NETWORKS = ("10.244.0.0/16", "fd00:244::/32")

# State that a test may leave on a node: the kernel's, and our files.
RESET = """
flush() {
    echo route flush table all proto 87; echo route flush table all proto 99; echo route flush cache
    for table in 1 200 201; do echo route flush table $table; done
    echo rule flush; echo rule add pref 32766 lookup main protocol kernel
    [ "$1" = 6 ] || echo rule add pref 32767 lookup default protocol kernel
}
(echo xfrm state flush; echo xfrm policy flush; flush 4) | ip -4 -force -batch - 2>/dev/null || :
flush 6 | ip -6 -force -batch - 2>/dev/null || :
for link in $(ls /sys/class/net); do
    case $link in lo|eth0|cni0|pod*) ;; *) ip link del "$link" 2>/dev/null || : ;; esac
done
nft flush ruleset
rm -rf /etc/wireguard/* /etc/wirewright.overlay /var/lib/wirewright.overlay /run/wirewright.overlay
"""


@dataclass(frozen=True)
class Place:
    """A namespace with addresses: a pod, a node's own, or the host outside."""

    netns: str
    ipv4: str
    ipv6: str

    @property
    def prefix(self) -> list[str]:
        """The command prefix that enters it."""
        return ["nsenter", f"--net=/run/netns/{self.netns}", "--"]

    def run(self, *argv: str, check: bool = True) -> str:
        """Run a program there and return its output."""
        done = subprocess.run([*self.prefix, *argv], check=False, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0 or not check, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def quick(self, function: Callable[[], T]) -> T:
        """Run a function there in a thread of this process; its sockets stay there."""
        return call_in_thread(f"/run/netns/{self.netns}", function)

    def send_unanswered(self, address: str) -> None:
        """Send datagrams without a receiver, to be captured on the wire.

        Their source port may be one of WireGuard's; the classifier still does not take them for its packets.
        """

        def send() -> None:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with socket.socket(family, socket.SOCK_DGRAM) as sender:
                sender.bind(("", 51871))
                for _turn in range(2):
                    try:
                        sender.sendto(b"plain or not", (address, 9))
                    except OSError as error:
                        if error.errno not in _NO_WAY:
                            raise

        self.quick(send)

    def batch(self, *lines: str) -> None:
        """Give lines to one `ip` process there."""
        words = ["ip", "-n", self.netns, "-batch", "-"]
        subprocess.run(words, input="\n".join(lines) + "\n", text=True, check=True)


@dataclass(frozen=True)
class Node(Place):
    """A node, with the pods on it."""

    host: ManagedHost
    number: int
    pods: tuple[Place, ...]

    @property
    def name(self) -> str:
        """Its name in inventories."""
        return self.host.name

    @property
    def pod(self) -> Place:
        """Its first pod."""
        return self.pods[0]

    @property
    def pod_networks(self) -> tuple[str, str]:
        """The networks of its pods, IPv4 and IPv6."""
        return (f"10.244.{self.number}.0/24", f"fd00:244:0:{self.number}::/64")

    def apply(self, *, check_mode: bool = False, **options: Any) -> Applied:
        """Apply options of overlay_apply to the node without the module, which would take seconds."""

        return self.host.call(_apply, options, check_mode)

    def set_sysctls(self, values: Mapping[str, object]) -> None:
        """Set kernel parameters below /proc/sys/net, named by path: `ipv4/ip_forward`."""

        def write() -> None:
            for name, value in values.items():
                Path(f"/proc/sys/net/{name}").write_text(f"{value}\n")

        self.quick(write)

    def xfrm_stat(self) -> dict[str, int]:
        """Return the counters of IPsec that are not zero."""
        text = self.quick(lambda: Path("/proc/thread-self/net/xfrm_stat").read_text())
        return {name: int(count) for name, count in map(str.split, text.splitlines()) if int(count)}

    def source_check_drops(self) -> int:
        """Return how many packets the source check of IPv4 has dropped (nstat(8): TcpExtIPReversePathFilter)."""
        lines = self.quick(lambda: Path("/proc/thread-self/net/netstat").read_text()).splitlines()
        names, counts = (line.split() for line in lines if line.startswith("TcpExt:"))
        return int(dict(zip(names, counts))["IPReversePathFilter"])

    def nft(self, script: str) -> None:
        """Load rules."""
        words = [*self.prefix, "nft", "-f", "-"]
        subprocess.run(words, input=script, text=True, check=True, timeout=120)

    def masquerade(self) -> None:
        """Masquerade packets of pods to addresses outside the pod networks, as CNI plugins do."""
        networks = "".join(
            f"{family} saddr {own} {family} daddr != {cluster} masquerade\n"
            for family, own, cluster in zip(("ip", "ip6"), self.pod_networks, CLUSTER_NETWORKS)
        )
        chain = f"chain postrouting {{ type nat hook postrouting priority 100; policy accept; \n{networks} }}"
        self.nft(f"table inet cni {{ \n{chain}\n}}\n")

    def node_port(self, port: int, pod: Place) -> None:
        """Forward a TCP port of the node to the same port of a pod, masqueraded by mark as kube-proxy does."""
        self.nft(
            f"""table ip kube_proxy {{
            chain prerouting {{ type nat hook prerouting priority -100; policy accept;
                iifname "eth0" ip daddr {self.ipv4} tcp dport {port} meta mark set meta mark | 0x4000
                iifname "eth0" ip daddr {self.ipv4} tcp dport {port} dnat to {pod.ipv4}:{port}
            }}
            chain postrouting {{ type nat hook postrouting priority 100; policy accept;
                meta mark & 0x4000 == 0x4000 masquerade
            }}
            }}"""
        )

    def kube_proxy(self, mode: str, service: kube_proxy_rules.Service) -> None:
        """Load the rules that kube-proxy writes in a mode for a service."""
        if mode == kube_proxy_rules.NFTABLES:
            self.nft(kube_proxy_rules.nft_script(service))
            return
        words = [*self.prefix, "iptables-nft-restore", "--noflush"]
        subprocess.run(words, input=kube_proxy_rules.iptables_restore(service), text=True, check=True, timeout=120)


@dataclass(frozen=True)
class Applied:
    """Result of the package behind overlay_apply: whether anything changed, the counts by kind, and the warnings."""

    changed: bool
    counts: dict[str, dict[str, int]]
    warnings: tuple[str, ...]


def _apply(options: Mapping[str, Any], check_mode: bool) -> Applied:
    from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.converge import converge_host

    os.environ.pop("SSH_CONNECTION", None)
    done = converge_host(options, check_mode=check_mode)
    sections = {section.label: one for section, one in done.sections.items() if section.kind != "interfaces"}
    counts = {label: dict(one.counts) for label, one in sections.items()}
    warnings = tuple(warning for one in sections.values() for warning in one.warnings)
    return Applied(done.changed, counts, warnings)


class NodeCluster:
    """The cluster; leaving the context removes it."""

    def __init__(self, nodes: int = 3, pods: int = 1, mtu: int = 1500, rp_filter: int = 1) -> None:
        self.lab = Lab()
        self._mtu, self._rp_filter = mtu, rp_filter
        self.nodes = [self._node(number, pods) for number in range(1, nodes + 1)]
        self.external = Place(self._netns("x"), "10.0.0.100", "fd00::100")

    def _netns(self, name: str) -> str:
        return f"ww-{self.lab.name}-{name}"

    def _node(self, number: int, pods: int) -> Node:
        host = ManagedHost(self.lab, f"n{number}")
        places = tuple(
            Place(
                self._netns(f"p{number}" + (f"-{which}" if which else "")),
                f"10.244.{number}.{10 + which}",
                f"fd00:244:0:{number}::{10 + which}",
            )
            for which in range(pods)
        )
        return Node(host.netns, f"10.0.0.{number}", f"fd00::{number}", host, number, places)

    def __enter__(self) -> NodeCluster:
        try:
            self.lab.up({node.name: [f"{node.ipv4}/24", f"{node.ipv6}/64"] for node in self.nodes}, mtu=self._mtu)
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.lab.__exit__()

    def _build(self) -> None:
        pods = [pod for node in self.nodes for pod in node.pods]
        _batch([f"netns add {place.netns}" for place in (*pods, self.external)])
        x, switch = self.external, self._netns("net")
        _batch(
            [
                f"link add x type veth peer name eth0 netns {x.netns}",
                f"link set x mtu {self._mtu} master br0 up",
            ],
            switch,
        )
        _batch(
            [
                "link set lo up",
                f"link set eth0 mtu {self._mtu} up",
                f"addr add {x.ipv4}/24 dev eth0",
                f"addr add {x.ipv6}/64 dev eth0 nodad",
            ],
            x.netns,
        )
        for node in self.nodes:
            self._build_node(node)

    def _build_node(self, node: Node) -> None:
        gateways = (f"10.244.{node.number}.1", f"fd00:244:0:{node.number}::1")
        lines = ["link add cni0 type bridge", f"link set cni0 mtu {self._mtu} up"]
        lines += [f"addr add {gateways[0]}/24 dev cni0", f"addr add {gateways[1]}/64 dev cni0 nodad"]
        for which, pod in enumerate(node.pods):
            lines += [f"link add pod{which} mtu {self._mtu} type veth peer name eth0 netns {pod.netns}"]
            lines += [f"link set pod{which} master cni0 up"]
        lines += [f"route add {network} via {gateway}" for network, gateway in self._routes(node)]
        forward = {"ipv4/ip_forward": 1, "ipv6/conf/all/forwarding": 1}
        node.set_sysctls({**forward, **{f"ipv4/conf/{name}/rp_filter": self._rp_filter for name in ("all", "default")}})
        _batch(lines, node.netns)
        node.set_sysctls({f"ipv4/conf/{name}/rp_filter": self._rp_filter for name in ("eth0", "cni0")})
        for pod in node.pods:
            lines = ["link set lo up", f"link set eth0 mtu {self._mtu} up", f"addr add {pod.ipv4}/24 dev eth0"]
            lines += [f"addr add {pod.ipv6}/64 dev eth0 nodad"]
            _batch([*lines, *(f"route add default via {gateway}" for gateway in gateways)], pod.netns)

    def _routes(self, node: Node) -> Sequence[tuple[str, str]]:
        """Return the networks elsewhere with their gateways."""
        return [way for other in self.nodes if other is not node for way in ways(other)]

    def reset(self) -> None:
        """Remove the state of tests from the nodes."""
        places = [place for node in self.nodes for place in node.pods]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda node: node.host.shell(RESET), self.nodes))
            list(pool.map(lambda place: place.batch("route flush cache"), places))

    @cached_property
    def classifier(self) -> Classifier:
        """Classifies the packets on the underlay."""
        return Classifier(
            frozenset(address for node in self.nodes for address in (node.ipv4, node.ipv6)), CLUSTER_NETWORKS
        )

    def captured(self, file: Path) -> Capture:
        """Capture the underlay, as a context."""
        return Capture(self._netns("net"), "br0", file, self.classifier, self._mark)

    def captured_at(self, place: Place, file: Path) -> Capture:
        """Capture the packets that reach a pod, as a context."""

        def mark(payload: bytes) -> None:
            def send() -> None:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                    sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                    sender.bind(("", 9))
                    sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
                    sender.sendto(payload, ("255.255.255.255", 9))

            place.quick(send)

        return Capture(place.netns, "eth0", file, self.classifier, mark)

    @contextmanager
    def narrowed(self, size: int) -> Iterator[None]:
        """Drop IP packets above a size on the underlay, without ICMP errors."""
        switch = Place(self._netns("net"), "", "")
        drop = f"ip length > {size} drop\nip6 length > {size - 40} drop"
        rules = f"table bridge narrow {{ \nchain forward {{ type filter hook forward priority 0; \n{drop}\n }}\n }}\n"
        subprocess.run([*switch.prefix, "nft", "-f", "-"], input=rules, text=True, check=True)
        try:
            yield
        finally:
            switch.run("nft", "delete", "table", "bridge", "narrow")

    def _mark(self, payload: bytes) -> None:
        def send() -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                sender.bind(("", 9))  # a random port could be one of WireGuard's
                sender.sendto(payload, ("10.0.0.255", 9))

        self.external.quick(send)

    def ping(self, source: Place, address: str, *options: str, count: int = 3, wait: int = 4) -> int:
        """Return how many of some pings are answered; further options are those of ping(8)."""
        argv = ["ping", "-n", "-c", str(count), "-i", "0.2", "-W", str(wait), *options, address]
        found = re.search(r"(\d+) received", source.run(*argv, check=False))
        assert found, argv
        return int(found.group(1))

    def steady_ping(self, source: Place, address: str, interval: float = 0.1) -> SteadyPing:
        """Ping until the context is left."""
        return SteadyPing(source.prefix, address, interval=interval)

    def fetch(self, client: Place, server: Place, address: str, port: int = 7777, size: int = 20000) -> tuple[int, str]:
        """Fetch bytes over TCP from a server behind an address; return their number and the client's address at the server."""

        def listen() -> socket.socket:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            return socket.create_server(("", port), family=family, reuse_port=True)

        with server.quick(listen) as listening, ThreadPoolExecutor(1) as pool:
            listening.settimeout(30)
            serving = pool.submit(_serve, listening, size)
            with client.quick(lambda: socket.create_connection((address, port), timeout=20)) as connection:
                received = 0
                while part := connection.recv(65536):
                    received += len(part)
            return received, serving.result()


def _serve(listening: socket.socket, size: int) -> str:
    connection, (peer, *_rest) = listening.accept()
    with connection:
        connection.sendall(bytes(size))
    return str(peer)


def ways(node: Node) -> Sequence[tuple[str, str]]:
    """Return the networks of a node's pods, each with the node's address."""
    return list(zip(node.pod_networks, (node.ipv4, node.ipv6)))


def _batch(lines: Sequence[str], netns: str = "") -> None:
    words = ["ip", *(["-n", netns] if netns else []), "-batch", "-"]
    subprocess.run(words, input="\n".join(lines) + "\n", text=True, check=True)
