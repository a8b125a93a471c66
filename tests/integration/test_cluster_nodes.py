# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real kubectl queries a server with recorded nodes, once; every host of the play gets the reduced list."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._kubernetes.nodes import read_cluster
from external_programs import program_path
from lab_hosts import ROOT, Lab

RECORDED = ROOT / "tests/unit/plugins/plugin_utils/_kubernetes/documents/kubeadm_flannel_dual_stack.json"
NODES = "/api/v1/nodes"
# The discovery requests of kubectl.
ABOUT: dict[str, dict[str, Any]] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            {"name": "nodes", "singularName": "node", "namespaced": False, "kind": "Node", "verbs": ["get", "list"]}
        ],
    },
}
# A play on two hosts without facts; both check the list.
PLAY = f"""
- hosts: vpn
  gather_facts: false
  vars:
    node_encryption_kubectl: {{delegate_to: localhost, command: 'KUBECTL', kubeconfig: 'KUBECONFIG', context: recorded}}
  tasks:
    - ansible.builtin.include_tasks: {ROOT}/roles/node_encryption/tasks/cluster.yml
    - name: Look
      ansible.builtin.debug:
        var: node_encryption_nodes
"""


class RecordedServer(BaseHTTPRequestHandler):
    """Answers like an API server with the recorded nodes, and records the requests."""

    paths: list[str]

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.paths.append(path)
        body = RECORDED.read_bytes().replace(b'"List"', b'"NodeList"') if path == NODES else None
        if path in ABOUT:
            body = json.dumps(ABOUT[path]).encode()
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body or b'{"kind": "Status", "status": "Failure", "code": 404}')

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def recorded_server() -> Iterator[tuple[str, list[str]]]:
    """Serve on the loopback interface; yield the address and the list of requests."""
    paths: list[str] = []
    handler = type("Handler", (RecordedServer,), {"paths": paths})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", paths
        finally:
            server.shutdown()


def kubeconfig(address: str) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "recorded", "cluster": {"server": address}}],
            "contexts": [{"name": "recorded", "context": {"cluster": "recorded", "user": "nobody"}}],
            "users": [{"name": "nobody", "user": {}}],
        }
    )


@pytest.mark.plays
def test_kubectl_runs_once_for_all_hosts() -> None:
    local = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}
    with Lab() as lab, recorded_server() as (address, paths):
        config = lab.path / "a kubeconfig"
        config.write_text(kubeconfig(address))
        inventory = {"vpn": {"hosts": {"n1": local, "n2": local}}, "all": {"hosts": {"localhost": local}}}
        (lab.path / "inventory.yml").write_text(json.dumps(inventory))
        text = PLAY.replace("KUBECTL", str(program_path("kubectl"))).replace("KUBECONFIG", str(config))
        play = lab.playbook(text, "--check", env={"HOME": str(lab.path)})
        assert play.rc == 0, play
        assert play.changed == 0, play
        assert paths.count(NODES) == 1, paths
        expected = read_cluster(RECORDED.read_text())
        for host in ("n1", "n2"):
            (result,) = play.results(host=host, task="Look")
            assert read_cluster(result["node_encryption_nodes"]) == expected
            assert len(json.dumps(result["node_encryption_nodes"])) < len(RECORDED.read_text()) / 2
