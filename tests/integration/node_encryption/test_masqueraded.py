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
from managed_host import wait_until
from node_cluster import Place
from wire_capture import PLAIN_POD

PORT = 7788


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

    def __init__(self, client: Place, address: str, *, pushed: bool) -> None:
        self._socket = client.quick(lambda: socket.create_connection((address, PORT), timeout=20))
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
def held(cluster: EncryptedNodes) -> Iterator[Mapping[str, Held]]:
    """Hold connections of pods to a node, and of a client outside to a NodePort whose pod is elsewhere."""
    n1, n2, n3 = cluster.nodes
    for node in cluster.nodes:
        node.masquerade()
    n2.node_port(PORT, n3.pod)
    with ExitStack() as stack:
        servers = [Server(place) for place in (n3, n3.pod)]
        for server in servers:
            stack.callback(server.close)
        found = {}
        for number in range(12):
            way, pushed = ("pod to node", "NodePort")[number % 2], number % 4 > 1
            ends = (n1.pod, n3.ipv4) if way == "pod to node" else (cluster.external, n2.ipv4)
            one = found[f"{way} {number}"] = Held(*ends, pushed=pushed)
            stack.callback(one.close)
            assert one.goes_on() == ""
        assert {*servers[0].clients} == {n1.ipv4} and {*servers[1].clients} == {n2.ipv4}, "masqueraded"
        yield found


def ended(connections: Mapping[str, Held]) -> dict[str, str]:
    """Return the connections that have ended, with the error."""
    return {name: error for name, one in connections.items() if (error := one.goes_on())}


@pytest.mark.sampled(4)
@pytest.mark.both
@pytest.mark.long
@pytest.mark.parametrize("mode", MODES)
def test_masqueraded_connections_survive(cluster: EncryptedNodes, tmp_path: Path, mode: str) -> None:
    with held(cluster) as connections:
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
