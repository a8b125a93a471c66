# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Masqueraded connections, as CNI plugins and kube-proxy make them: none is reset or stalls when routes change."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from encrypted_nodes import MODES, EncryptedNodes
from kube_proxy_rules import IPTABLES, NFTABLES, Service
from managed_host import wait_until
from node_cluster import CLUSTER_NETWORKS, Place
from phased_run import Stopped, stop
from wire_capture import PLAIN_POD

PORT, NODE_PORT = 7788, 30788
SERVICE_IP = "10.96.0.10"


class Server:
    """Sends back what it receives; a client that begins with `p` gets a byte each 20 ms without asking."""

    def __init__(self, place: Place) -> None:
        self._listening = place.quick(lambda: socket.create_server(("", PORT), backlog=50))
        self.clients: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, (address, _port) = self._listening.accept()
            except OSError:
                return
            self.clients.append(address)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        quiet = threading.Event()
        try:
            if connection.recv(1) == b"p":
                while not quiet.wait(0.02):
                    connection.sendall(b"x")
            while data := connection.recv(100):
                connection.sendall(data)
        except OSError:
            pass

    def close(self) -> None:
        """Accept no more clients. A blocked accept ends with the shutdown."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


class Held:
    """A connection that is held open. pushed: the server sends by itself, else it answers each byte of the client."""

    def __init__(self, client: Place, address: str, port: int = PORT, *, pushed: bool) -> None:
        self._socket = client.quick(lambda: socket.create_connection((address, port), timeout=20))
        self._pushed, self._closed = pushed, False
        self.received, self.error = 0, ""
        self._socket.sendall(b"p" if pushed else b"e")
        threading.Thread(target=self._hold, daemon=True).start()

    def _hold(self) -> None:
        pause = threading.Event()
        try:
            while not self._closed:
                if not self._pushed:
                    pause.wait(0.02)
                    self._socket.sendall(b"x")
                if not self._socket.recv(100):
                    raise OSError("closed by the server")
                self.received += 1
        except OSError as exc:
            self.error = "" if self._closed else str(exc)

    def goes_on(self) -> str:
        """Return the error that ended it, "" if it receives more."""
        before = self.received
        wait_until(lambda: bool(self.error) or self.received > before + 2, "more is received, or an error")
        return self.error

    def close(self) -> None:
        """End it."""
        self._closed = True
        self._socket.close()


@contextmanager
def held(cluster: EncryptedNodes, proxy: str) -> Iterator[Mapping[str, Held]]:
    """Hold connections of pods to a node, of a client outside to a NodePort, and of a node and a pod to a service.

    The pod of the service is elsewhere. proxy: the mode of kube-proxy.
    """
    n1, n2, n3 = cluster.nodes
    for node in cluster.nodes:
        node.masquerade()
        node.kube_proxy(proxy, Service(SERVICE_IP, PORT, NODE_PORT, n3.pod.ipv4, CLUSTER_NETWORKS[0]))
        # As the default route of a node: it selects a source address before the destination is translated.
        node.run("ip", "route", "replace", SERVICE_IP, "via", cluster.external.ipv4, "proto", "99")
    with ExitStack() as stack:
        servers = [Server(place) for place in (n3, n3.pod)]
        for server in servers:
            stack.callback(server.close)
        found = {}
        for way, (client, address, port) in {
            "pod to node": (n1.pod, n3.ipv4, PORT),
            "NodePort": (cluster.external, n2.ipv4, NODE_PORT),
            "node to service": (n2, SERVICE_IP, PORT),
            "pod to service": (n1.pod, SERVICE_IP, PORT),
        }.items():
            for number in range(4):
                one = found[f"{way} {number}"] = Held(client, address, port, pushed=number > 1)
                stack.callback(one.close)
                assert one.goes_on() == ""
        assert {*servers[0].clients} == {n1.ipv4}, "masqueraded"
        assert {*servers[1].clients} == {n2.ipv4, n1.pod.ipv4}, "masqueraded, but for pods"
        yield found


def ended(connections: Mapping[str, Held]) -> dict[str, str]:
    """Return the connections that have ended, with the error."""
    return {name: error for name, one in connections.items() if (error := one.goes_on())}


@pytest.mark.sampled(8)
@pytest.mark.both
@pytest.mark.long
@pytest.mark.parametrize(
    ("proxy", "mode"), [*((IPTABLES, mode) for mode in MODES), *((NFTABLES, mode) for mode in reversed(MODES))]
)
def test_masqueraded_connections_survive(cluster: EncryptedNodes, tmp_path: Path, proxy: str, mode: str) -> None:
    n1, _n2, n3 = cluster.nodes
    with held(cluster, proxy) as connections:
        cluster.phased(limit=[n1], **MODES[mode])
        with pytest.raises(Stopped):
            cluster.phased(after_send=stop, **MODES[mode])
        assert ended(connections) == {}, "a roll-out that stopped"
        cluster.phased(limit=[n1], **MODES[mode])
        cluster.phased(limit=[n3], **MODES[mode])
        assert ended(connections) == {}, "limited runs"
        cluster.phased(**MODES[mode])
        with cluster.captured(tmp_path / "wire.pcap") as wire:
            assert ended(connections) == {}, "roll-out"
            assert wire.kinds()[PLAIN_POD] == 0
        cluster.phased(rotate=True, **MODES[mode])
        assert ended(connections) == {}, "rotation"
        cluster.phased(state="absent", **MODES[mode])
        assert ended(connections) == {}, "teardown"


def test_connections_after_the_roll_out_survive_rotation_and_teardown(cluster: EncryptedNodes) -> None:
    n1, _n2, n3 = cluster.nodes
    for node in cluster.nodes:
        node.masquerade()
    cluster.phased()
    server = Server(n3)
    one, other = (Held(n1.pod, n3.ipv4, pushed=pushed) for pushed in (False, True))
    try:
        assert ended({"one": one, "other": other}) == {}
        assert set(server.clients) == {"10.244.1.0"}, "masqueraded to the address of kwg0"
        cluster.phased(rotate=True)
        assert ended({"one": one, "other": other}) == {}, "rotation"
        cluster.phased(state="absent")
        assert ended({"one": one, "other": other}) == {}, "teardown"
    finally:
        for closing in (one, other, server):
            closing.close()
