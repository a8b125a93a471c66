# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of network plugins, valid and malformed; only the listed fields are returned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._kubernetes import cni

# Files of Calico, the bridge plugin and flannel.
CALICO: dict[str, Any] = {
    "name": "k8s-pod-network",
    "cniVersion": "0.3.1",
    "plugins": [
        {
            "type": "calico",
            "log_level": "info",
            "datastore_type": "kubernetes",
            "nodename": "node1",
            "mtu": 0,
            "ipam": {"type": "calico-ipam"},
            "policy": {"type": "k8s", "k8s_api_token": "canary"},
            "kubernetes": {"kubeconfig": "/etc/cni/net.d/calico-kubeconfig"},
        },
        {"type": "portmap", "snat": True, "capabilities": {"portMappings": True}},
    ],
}
BRIDGE: dict[str, Any] = {
    "cniVersion": "1.0.0",
    "name": "podnet",
    "type": "bridge",
    "bridge": "cni0",
    "isGateway": True,
    "ipam": {
        "type": "host-local",
        "ranges": [
            [{"subnet": "10.22.0.0/16", "rangeStart": "10.22.1.16", "rangeEnd": "10.22.1.200", "gateway": "10.22.0.1"}],
            [{"subnet": "fd22::/64"}],
        ],
        "routes": [{"dst": "0.0.0.0/0"}],
    },
}
FLANNEL: dict[str, Any] = {
    "name": "cbr0",
    "plugins": [{"type": "flannel", "delegate": {"bridge": "br7", "hairpinMode": True, "isDefaultGateway": True}}],
}


def plugin(type: str, bridge: str = "", ipam: str = "", subnets: list[Any] | None = None) -> dict[str, Any]:
    return {"type": type, "bridge": bridge, "ipam": ipam, "subnets": subnets or []}


def subnet(text: str, start: str = "", end: str = "") -> dict[str, str]:
    return {"subnet": text, "range_start": start, "range_end": end}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (CALICO, ("k8s-pod-network", [plugin("calico", ipam="calico-ipam"), plugin("portmap")])),
        (
            BRIDGE,
            (
                "podnet",
                [
                    plugin(
                        "bridge",
                        "cni0",
                        "host-local",
                        [subnet("10.22.0.0/16", "10.22.1.16", "10.22.1.200"), subnet("fd22::/64")],
                    )
                ],
            ),
        ),
        (FLANNEL, ("cbr0", [plugin("flannel", "br7")])),
        (
            {"name": "old", "type": "ptp", "ipam": {"type": "host-local", "subnet": "usePodCidr"}},
            ("old", [plugin("ptp", ipam="host-local", subnets=[subnet("usePodCidr")])]),
        ),
        (
            {"type": "bridge", "bridge": 7, "ipam": {"ranges": [None, [7, {"subnet": []}], {"subnet": "10.0.0.0/8"}]}},
            ("", [plugin("bridge")]),
        ),
        ({"type": "bridge", "bridge": "a\nb", "ipam": []}, ("", [plugin("bridge")])),
        ({"name": "x" * 300, "type": "loopback"}, ("", [plugin("loopback")])),
    ],
)
def test_a_configuration_is_read(document: Any, expected: tuple[str, list[Any]]) -> None:
    assert cni.parse_configuration(json.dumps(document)) == {"name": expected[0], "plugins": expected[1]}


def test_no_secret_is_returned() -> None:
    returned = json.dumps(cni.parse_configuration(json.dumps(CALICO)))
    assert "canary" not in returned
    assert "kubeconfig" not in returned


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ('{"type": "bridge"', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a network configuration"),
        ('{"plugins": {}}', "plugins is not a list"),
        ('{"plugins": []}', "no plugin has a type"),
        ('{"name": "x"}', "no plugin has a type"),
    ],
)
def test_invalid_configurations_are_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        cni.parse_configuration(text)


def test_first_valid_file_by_name_is_used(tmp_path: Path) -> None:
    directory = tmp_path / "net.d"
    directory.mkdir()
    for name, text in {
        "05-notes.txt": json.dumps(CALICO),
        "10-broken.conflist": "{",
        "11-latin.conf": "",
        "20-bridge.conf": json.dumps(BRIDGE),
        "30-calico.conflist": json.dumps(CALICO),
    }.items():
        (directory / name).write_text(text)
    (directory / "11-latin.conf").write_bytes(b'{"type": "\xe9"}')
    (directory / "12-directory.conf").mkdir()
    (directory / "13-large.json").write_text(" " * ((1 << 20) + 1))
    found, notes = cni.read_configuration([str(tmp_path / "absent"), str(directory), str(tmp_path)])
    assert found is not None
    assert found["file"] == str(directory / "20-bridge.conf")
    assert [note.removeprefix(f"{directory}/") for note in notes] == [
        "10-broken.conflist: not JSON",
        "11-latin.conf: not UTF-8",
        "12-directory.conf: Is a directory",
        "13-large.json: too large",
    ]


def test_missing_directories_have_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert cni.read_configuration([str(tmp_path / "absent"), str(tmp_path / "file"), str(tmp_path)]) == (None, [])


DUAL_STACK = """FLANNEL_NETWORK=10.244.0.0/16
FLANNEL_SUBNET=10.244.1.1/24
FLANNEL_IPV6_NETWORK=fd00:10:244::/56
FLANNEL_IPV6_SUBNET=fd00:10:244:1::1/64
FLANNEL_MTU=1450
FLANNEL_IPMASQ=true
"""


@pytest.mark.parametrize(
    ("text", "networks", "subnets"),
    [
        (DUAL_STACK, ["10.244.0.0/16", "fd00:10:244::/56"], ["10.244.1.1/24", "fd00:10:244:1::1/64"]),
        (
            "FLANNEL_NETWORK=10.1.0.0/16,10.2.0.0/16\nFLANNEL_SUBNET=10.1.5.1/24\n",
            ["10.1.0.0/16", "10.2.0.0/16"],
            ["10.1.5.1/24"],
        ),
        ('# x\nFLANNEL_SUBNET="10.1.5.1/24"', [], ["10.1.5.1/24"]),
    ],
)
def test_subnet_env_is_read(tmp_path: Path, text: str, networks: list[str], subnets: list[str]) -> None:
    (tmp_path / "subnet.env").write_text(text)
    assert cni.read_flannel(str(tmp_path / "subnet.env")) == ({"networks": networks, "subnets": subnets}, [])


def test_a_damaged_subnet_env_is_a_note(tmp_path: Path) -> None:
    path = tmp_path / "subnet.env"
    path.write_text("FLANNEL_MTU=1450\n")
    assert cni.read_flannel(str(path)) == (None, [f"{path}: neither FLANNEL_SUBNET nor FLANNEL_IPV6_SUBNET"])
    assert cni.read_flannel(str(tmp_path / "absent")) == (None, [])
    assert cni.read_flannel(str(tmp_path)) == (None, [f"{tmp_path}: Is a directory"])
