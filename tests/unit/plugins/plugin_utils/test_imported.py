# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A mesh, and hubs with spokes, as their hosts report them, become variables; what hosts report is hostile input."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils._imported import import_hosts, read_interface
from hypothesis import given
from hypothesis import strategies as st
from planned_fleet import key_of


def peer(host: str, /, *allowed_ips: str, **more: Any) -> dict[str, Any]:
    number = host[1:]
    return {
        "public_key": key_of(host),
        "name": "",
        "endpoint": f"192.0.2.{number}:51820",
        "allowed_ips": list(allowed_ips) or [f"10.8.0.{number}/32"],
        "persistent_keepalive": 0,
        "preshared_key": False,
        **more,
    }


def found(host: str, /, *peers: dict[str, Any], **more: Any) -> dict[str, Any]:
    one = {
        "name": "wg0",
        "public_key": key_of(host),
        "listen_port": 51820,
        "fwmark": 0,
        "mtu": None,
        "addresses": [f"10.8.0.{host[1:]}/24"],
        "routes": True,
        "peers": list(peers),
        "unsupported": [],
    }
    return {"interfaces": [{**one, **more}]}


def imported(**results: Any) -> dict[str, Any]:
    hosts = import_hosts({name: read_interface(result, "wg0") for name, result in results.items()})
    return {name: host.variables for name, host in hosts.items()}


def test_peers_that_are_hosts_are_left_to_the_role() -> None:
    phone = peer("p9", name="phone", endpoint="", preshared_key=True)
    results = {
        "h1": found("h1", peer("h2", "10.8.0.2/32", "10.77.0.0/16"), phone, mtu=1380),
        "h2": found("h2", peer("h1"), peer("h2"), unsupported=["line 3: PostUp runs x"]),
    }
    hosts = import_hosts({name: read_interface(result, "") for name, result in results.items()})
    common = {"interface": "wg0", "port": 51820}
    assert hosts["h1"].variables == {
        **common,
        "addresses": ["10.8.0.1/24"],
        "mtu": 1380,
        "endpoint": "192.0.2.1:51820",
        "persistent_keepalive": 0,
        "static_peers": [{"name": "phone", "public_key": key_of("p9"), "allowed_ips": ["10.8.0.9/32"]}],
    }
    assert hosts["h1"].notes == [
        "the static peer phone has a preshared key: add preshared_key to its entry in mesh_static_peers, from a vault"
    ]
    assert hosts["h2"].variables == {
        **common,
        "addresses": ["10.8.0.2/24"],
        "endpoint": "192.0.2.2:51820",
        "persistent_keepalive": 0,
        "networks": ["10.77.0.0/16"],
    }
    assert hosts["h2"].notes == ["line 3: PostUp runs x"]


def test_what_differs_between_hosts_becomes_an_override() -> None:
    variables = imported(
        h1=found("h1", peer("h2", persistent_keepalive=25), peer("h3", persistent_keepalive=25)),
        h2=found("h2", peer("h1"), peer("h3", endpoint="10.0.0.3:51820", persistent_keepalive=25)),
        h3=found("h3", peer("h1", endpoint=""), peer("h2", persistent_keepalive=9)),
    )
    assert variables["h1"]["endpoint"] == "192.0.2.1:51820" and variables["h1"]["persistent_keepalive"] == 25
    assert variables["h3"]["endpoint"] == "10.0.0.3:51820"
    assert variables["h1"]["peer_overrides"] == {"h3": {"endpoint": "192.0.2.3:51820"}}
    assert variables["h2"]["peer_overrides"] == {"h3": {"persistent_keepalive": 25}}
    assert variables["h3"]["peer_overrides"] == {"h1": {"endpoint": "none"}, "h2": {"persistent_keepalive": 9}}


def test_hubs_and_spokes() -> None:
    hub = peer("h1", "10.8.0.0/24", "10.50.2.0/24", "10.60.0.0/16")
    variables = imported(
        h1=found("h1", peer("h2", "10.8.0.2/32", "10.50.2.0/24", endpoint=""), peer("h3", endpoint="")),
        h2=found("h2", peer("h1", "10.8.0.0/24", "10.60.0.0/16")),
        h3=found("h3", hub),
    )
    assert variables["h1"]["networks"] == ["10.60.0.0/16"], "not what it sends on to a spoke, nor the overlay"
    assert (variables["h2"]["networks"], variables["h2"]["endpoint"]) == (["10.50.2.0/24"], "none")


def test_no_keepalive_stays_none() -> None:
    """Without the variable, a host without an endpoint gets an interval of 25 s."""
    variables = imported(h1=found("h1", peer("h2", endpoint="")), h2=found("h2", peer("h1")))
    assert (variables["h2"]["endpoint"], variables["h2"]["persistent_keepalive"]) == ("none", 0)


def hub_spoke(**results: Any) -> dict[str, Any]:
    return import_hosts({name: read_interface(result, "") for name, result in results.items()}, "hub_spoke_")


def test_hubs_and_spokes_get_the_network_of_the_hubs_address() -> None:
    hub = found("h1", peer("h2", endpoint=""))
    spoke = found("h2", peer("h1", "10.8.0.0/24"), addresses=["10.8.0.2/32"])
    hosts = hub_spoke(h1=hub, h2=spoke)
    assert [host.variables["network"] for host in hosts.values()] == [["10.8.0.0/24"]] * 2
    both = {"addresses": ["10.8.0.1/24", "fd08::1/64"]}
    hosts = hub_spoke(h1=found("h1", peer("h2"), **both), h2=found("h2", addresses=["10.8.0.2/24", "fd08::2/128"]))
    assert hosts["h2"].variables["network"] == ["10.8.0.0/24", "fd08::/64"]
    for address in ("10.9.0.2/24", "10.8.0.2/32"):
        hosts = hub_spoke(h1=found("h1", addresses=["10.8.0.1/32"]), h2=found("h2", addresses=[address]))
        assert (
            "network" not in hosts["h1"].variables and "set hub_spoke_network, for all hosts" in hosts["h1"].notes[-1]
        )
    assert "network" not in imported(h1=hub, h2=spoke)["h1"], "a mesh keeps its addresses without it"


def test_a_full_tunnel_has_its_variable_or_a_note() -> None:
    hub, all_packets = found("h1", peer("h2", endpoint="")), peer("h1", "0.0.0.0/0", "::/0")
    spoke = hub_spoke(h1=hub, h2=found("h2", all_packets))["h2"]
    assert spoke.variables["full_tunnel"] is True
    assert (
        "0.0.0.0/0, ::/0, a full tunnel: hub_spoke_full_tunnel covers the families of hub_spoke_network"
        in spoke.notes[-1]
    )
    alone = hub_spoke(h2=found("h2", all_packets))["h2"]
    assert "full_tunnel" not in alone.variables and "no host of this run: import the hub too" in str(alone.notes)
    mesh = import_hosts({"h1": read_interface(hub, ""), "h2": read_interface(found("h2", all_packets), "")})["h2"]
    assert "full_tunnel" not in mesh.variables and "overlay_import_role=hub_spoke" in mesh.notes[-1]


def test_an_interface_without_addresses_and_equal_allowed_ips_have_notes() -> None:
    one, two = peer("p8", "10.9.0.0/24", name="one"), peer("p9", "10.9.0.0/24")
    host = hub_spoke(h1=found("h1", one, two, addresses=[]))["h1"]
    said = "\n".join(host.notes)
    assert (
        "wg0 has no address, neither on the interface nor in its files: list its addresses in hub_spoke_addresses"
        in said
    )
    assert f"the peers one, {key_of('p9')} have the same allowed IPs 10.9.0.0/24, and only one" in said


def test_a_network_behind_a_hub_with_one_behind_a_spoke_in_it_has_a_note() -> None:
    hub = found("h1", peer("h2", "10.8.0.2/32", "10.66.3.0/24"), peer("h3"))
    others = {name: found(name, peer("h1", "10.8.0.0/24", "10.66.0.0/16")) for name in ("h2", "h3")}
    hosts = hub_spoke(h1=hub, **others)
    assert hosts["h1"].variables["networks"] == ["10.66.0.0/16"]
    assert any(
        "hub_spoke_networks has 10.66.0.0/16, which overlaps 10.66.3.0/24 behind h2" in n for n in hosts["h1"].notes
    )
    assert not hosts["h2"].notes


def test_no_value_of_a_host_is_a_template() -> None:
    evil = "{{ 7*7 }}"
    one = peer(
        "h2",
        evil,
        name=evil,
        endpoint=f"[fe80::1%{evil.replace(' ', '')}]:5",
        public_key=key_of("h9"),
        persistent_keepalive=evil,
    )
    assert imported(h1=found("h1", one, addresses=[evil], mtu=evil, listen_port=evil)) == {
        "h1": {
            "interface": "wg0",
            "addresses": [],
            "static_peers": [{"name": "peer1", "public_key": key_of("h9"), "allowed_ips": []}],
        }
    }
    assert read_interface(found("h1", name=evil), "") is None


def test_an_interface_without_a_key_has_a_note() -> None:
    hosts = import_hosts({"h1": read_interface(found("h1", public_key=None), "")})
    assert hosts["h1"].notes == [
        "wg0 has no private key, neither on the interface nor in its files: write it to /etc/wireguard/wg0.key on the host, "
        "mode 0600, because a run makes no other one"
    ]


def test_each_static_peer_has_a_name_of_its_own() -> None:
    names = ["", "peer1", "", "phone", "phone", "peer3"]
    peers = [peer("h2", name=name, public_key=key_of(f"p{number}")) for number, name in enumerate(names)]
    static = imported(h1=found("h1", *peers))["h1"]["static_peers"]
    assert [one["name"] for one in static] == ["peer2", "peer1", "peer4", "phone", "peer5", "peer3"]


def test_a_peer_that_is_in_the_files_only_has_a_note() -> None:
    """It was removed on the interface; a run would add it again."""
    gone, here = peer("p8", name="lost phone", runs=False), peer("p9", name="phone", runs=True)
    member = peer("h2", runs=False)
    results = {"h1": found("h1", gone, here, member, runs=True), "h2": found("h2")}
    hosts = import_hosts({name: read_interface(result, "") for name, result in results.items()})
    assert hosts["h1"].notes == [
        "the static peer peer1 is in the files only, not on the interface: delete its entry in mesh_static_peers if it was "
        "removed, because a run adds it"
    ]
    stopped = import_hosts({"h1": read_interface(found("h1", gone, runs=False), "")})
    assert stopped["h1"].notes == []


def test_a_key_that_several_hosts_report_takes_the_peer_of_none() -> None:
    results = {"h1": found("h1", peer("h2")), "h2": found("h2"), "h3": found("h3", public_key=key_of("h2"))}
    hosts = import_hosts({name: read_interface(result, "wg0") for name, result in results.items()})
    (static,) = hosts["h1"].variables["static_peers"]
    assert static["public_key"] == key_of("h2") and "endpoint" not in hosts["h3"].variables
    assert hosts["h1"].notes == []
    assert "'h3' has the same public key" in hosts["h2"].notes[0] and "'h2' has" in hosts["h3"].notes[0]


def test_a_host_without_the_interface_has_no_variables() -> None:
    two = {"interfaces": [*found("h1")["interfaces"], *found("h1", name="wg1")["interfaces"]]}
    for result in ({"interfaces": []}, {"failed": True}, None, two):
        hosts = import_hosts({"h1": read_interface(result, "")})
        assert hosts["h1"].variables == {} and hosts["h1"].notes


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=5,
)


FIELDS, PEER_FIELDS = list(found("h1")["interfaces"][0]), list(peer("h2"))


@given(st.dictionaries(st.sampled_from(FIELDS), JSON), st.dictionaries(st.sampled_from(PEER_FIELDS), JSON))
def test_any_result_is_read(interface: dict[str, Any], other: dict[str, Any]) -> None:
    result = found("h1", {**peer("h2"), **other}, **interface)
    hosts = import_hosts({"h1": read_interface(result, ""), "h2": read_interface(found("h2", peer("h1")), "")})
    assert "{{" not in json.dumps([host.variables for host in hosts.values()])
