# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stable allocation of overlay addresses."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import Address, parse_address, parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.addressing import (
    Claim,
    allocate,
    host_address,
    is_host_address,
    slots,
    usable,
)
from hypothesis import given, settings
from hypothesis import strategies as st

NETWORK = parse_prefix("10.42.0.0/24")
NAMES = st.text("abcdefgh0123456789", min_size=1, max_size=4)
SETS_OF_NAMES = st.sets(NAMES, min_size=1, max_size=60)
NETWORKS = st.sampled_from(["10.42.0.0/24", "10.0.0.0/8", "192.0.2.0/25", "fd42::/64", "fd00::/8", "fd42::/120"])


def claims(names: set[str], *networks: str, **known: tuple[Address, ...]) -> list[Claim]:
    parsed = tuple(parse_prefix(network) for network in networks or ["10.42.0.0/24"])
    return [Claim(name, parsed, own=known.get(name, ())) for name in names]


@pytest.mark.parametrize(
    ("network", "first", "last", "count"),
    [
        ("192.0.2.0/24", "192.0.2.1", "192.0.2.254", 254),
        ("192.0.2.0/30", "192.0.2.1", "192.0.2.2", 2),
        ("192.0.2.0/31", "192.0.2.0", "192.0.2.1", 2),
        ("192.0.2.7/32", "192.0.2.7", "192.0.2.7", 1),
        ("2001:db8::/126", "2001:db8::1", "2001:db8::3", 3),
        ("2001:db8::/127", "2001:db8::", "2001:db8::1", 2),
        ("2001:db8::9/128", "2001:db8::9", "2001:db8::9", 1),
        ("2001:db8::/64", "2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", 2**64 - 1),
        ("2001:db8::/32", "2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", 2**64 - 1),
    ],
)
def test_usable_addresses(network: str, first: str, last: str, count: int) -> None:
    prefix = parse_prefix(network)
    offsets = usable(prefix)
    assert str(host_address(prefix, offsets.start)) == f"{first}/{prefix.length}"
    assert str(host_address(prefix, offsets.stop - 1)) == f"{last}/{prefix.length}"
    assert offsets.stop - offsets.start == count


@given(st.sampled_from(["192.0.2.0/24", "192.0.2.0/29", "192.0.2.0/31", "192.0.2.0/32"]))
def test_usable_addresses_are_the_hosts_of_ipaddress(network: str) -> None:
    prefix = parse_prefix(network)
    ours = {str(host_address(prefix, offset)).partition("/")[0] for offset in usable(prefix)}
    assert ours == {str(address) for address in ipaddress.ip_network(network).hosts()}


@given(SETS_OF_NAMES, NETWORKS)
def test_every_host_gets_a_valid_address_of_its_own(names: set[str], network: str) -> None:
    result = allocate(claims(names, network))
    assert not result.problems
    given_away = [address for addresses in result.addresses.values() for address in addresses]
    assert len(given_away) == len(set(given_away)) == len(names)
    assert all(is_host_address(parse_prefix(network), address) for address in given_away)
    assert all(address.length == parse_prefix(network).length for address in given_away)


@given(SETS_OF_NAMES, SETS_OF_NAMES)
def test_hosts_that_report_an_address_keep_it(before: set[str], after: set[str]) -> None:
    first = allocate(claims(before)).addresses
    second = allocate(claims(after, **first))
    assert not second.problems
    assert not second.warnings
    for name in before & after:
        assert second.addresses[name] == first[name]


@given(SETS_OF_NAMES, SETS_OF_NAMES)
def test_hosts_with_cached_addresses_keep_them(before: set[str], after: set[str]) -> None:
    first = allocate(claims(before)).addresses
    asked = [
        replace(claim, cached=tuple(("any", address) for address in first.get(claim.name, ())))
        for claim in claims(after)
    ]
    second = allocate(asked)
    assert not second.problems
    for name in before & after:
        assert second.addresses[name] == first[name]


@given(SETS_OF_NAMES, SETS_OF_NAMES)
def test_without_cached_state_only_colliding_names_depend_on_each_other(before: set[str], after: set[str]) -> None:
    first, second = allocate(claims(before)).addresses, allocate(claims(after)).addresses
    slot = {name: next(slots(name, NETWORK)) for name in before | after}
    for name in before & after:
        if [slot[other] for other in before | after].count(slot[name]) == 1:
            assert first[name] == second[name] == (host_address(NETWORK, slot[name]),)


@given(st.lists(NAMES, unique=True, min_size=2, max_size=40), st.randoms())
def test_the_order_of_hosts_does_not_matter(names: list[str], random: object) -> None:
    shuffled = list(names)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one = allocate([Claim(name, (NETWORK,)) for name in names])
    other = allocate([Claim(name, (NETWORK,)) for name in shuffled])
    assert one.addresses == other.addresses


@settings(max_examples=30)
@given(st.integers(0, 14))
def test_a_full_network_is_reported(extra: int) -> None:
    names = {f"n{number}" for number in range(extra)}
    result = allocate(claims(names, "192.0.2.0/29"))
    assert len({address for addresses in result.addresses.values() for address in addresses}) == min(extra, 6)
    assert len(result.problems) == max(0, extra - 6)
    assert all("192.0.2.0/29 has 6 addresses for hosts, and other hosts" in problem.text for problem in result.problems)


def one_claim(name: str = "a", **known: object) -> Claim:
    return replace(Claim(name, (NETWORK,)), **known)  # type: ignore[arg-type]


ADDRESS = parse_address("10.42.0.9/24")


def test_explicit_addresses_come_first() -> None:
    other = parse_address("10.42.0.10/32")
    claim = one_claim(explicit=(other,), own=(ADDRESS,), cached=(("b", ADDRESS),))
    assert allocate([claim]).addresses == {"a": (other,)}


def test_reported_addresses_come_before_cached_ones() -> None:
    other = parse_address("10.42.0.10/24")
    assert allocate([one_claim(own=(ADDRESS,), cached=(("b", other),))]).addresses == {"a": (ADDRESS,)}


@pytest.mark.parametrize("stale", ["10.43.0.9/24", "10.42.0.0/24", "10.42.0.255/24", "fd42::9/64"])
def test_addresses_outside_the_network_are_ignored(stale: str) -> None:
    fresh = allocate([one_claim()]).addresses
    assert allocate([one_claim(own=(parse_address(stale),))]).addresses == fresh


def test_a_reported_address_gets_the_length_of_the_network() -> None:
    assert allocate([one_claim(own=(parse_address("10.42.0.9/16"),))]).addresses == {"a": (ADDRESS,)}


def test_contradicting_cached_addresses_are_reported() -> None:
    claim = one_claim(cached=(("b", ADDRESS), ("c", ADDRESS), ("d", parse_address("10.42.0.7/24"))))
    result = allocate([claim], prefix="mesh_")
    assert (result.addresses, result.problems) == ({"a": ()}, [])
    (problem,) = result.warnings
    assert (
        "10.42.0.7 by 'd'; 10.42.0.9 by 'b', 'c'; so other hosts keep their state of this host; set mesh_addr"
        in problem.text
    )
    assert result.refused == {"a": problem.text}


def test_a_new_host_gets_no_address_of_another_host() -> None:
    (problem,) = allocate([one_claim("old", own=(ADDRESS,)), one_claim("new", explicit=(ADDRESS,))]).problems
    assert (problem.host, "10.42.0.9 is also old's" in problem.text) == ("new", True)


def test_a_new_host_gets_no_address_of_an_unreachable_host() -> None:
    claims = [one_claim("old", cached=(("b", ADDRESS),)), one_claim("new", explicit=(ADDRESS,))]
    (problem,) = allocate(claims).problems
    assert (problem.host, "10.42.0.9 is also old's" in problem.text) == ("new", True)


OWN_SLOT = allocate([one_claim("db")]).addresses["db"][0]


@pytest.mark.parametrize(
    ("copy", "original"),
    [
        ({"own": (ADDRESS,)}, {"own": (ADDRESS,), "cached": (("web", ADDRESS),)}),
        ({"own": (OWN_SLOT,)}, {"own": (OWN_SLOT,)}),
        (
            {"own": (ADDRESS,), "cached": (("db", ADDRESS), ("mail", ADDRESS))},
            {"own": (ADDRESS,), "cached": (("copy", ADDRESS), ("web", ADDRESS), ("www", ADDRESS))},
        ),
    ],
    ids=["neighbours", "its own slot", "most neighbours"],
)
def test_a_clone_or_false_report_takes_no_address_of_another_host(
    copy: dict[str, object], original: dict[str, object]
) -> None:
    """Whatever the names of the hosts."""
    result = allocate([one_claim("copy", **copy), one_claim("db", **original)])
    (expected,) = original.get("own") or (ADDRESS,)  # type: ignore[misc]
    assert result.addresses["db"] == (expected,)
    assert result.addresses["copy"] != (expected,)
    assert [problem.host for problem in result.warnings] == ["copy"]
    assert not result.problems


def test_a_report_that_others_contradict_is_refused_for_that_host_alone() -> None:
    """The host is perhaps a clone, or those lie who have stored its address for another host, which cannot be asked."""
    result = allocate(
        [one_claim("copy", own=(ADDRESS,)), one_claim("db", cached=(("web", ADDRESS),)), one_claim("new")]
    )
    assert result.refused.keys() == {"copy", "db"}
    assert (
        "10.42.0.9 is the address of 'db' according to 'web', and 'copy' reports it as its own"
        in result.refused["copy"]
    )
    assert (result.addresses["copy"], result.addresses["db"]) == ((), ())
    assert result.addresses["new"] not in ((), (ADDRESS,))


def test_a_disputed_address_is_given_to_none_of_those_that_report_it() -> None:
    """One of them lies about the absent host too."""
    copies = [one_claim(name, own=(ADDRESS,)) for name in ("liar", "true")]
    result = allocate([*copies, one_claim("db", cached=(("liar", ADDRESS),))])
    assert result.refused.keys() == {"liar", "true", "db"}
    assert "'liar' reports it as its own, and 'true' reports it as its own" in result.refused["true"]


def test_a_host_with_several_addresses_for_an_absent_one_disputes_no_others() -> None:
    seven = parse_address("10.42.0.7/24")
    result = allocate([one_claim("a", cached=(("x", ADDRESS), ("x", seven))), one_claim("b", own=(seven,))])
    assert result.refused.keys() == {"a"}
    assert result.addresses["b"] == (seven,)


def test_one_address_of_two_absent_hosts_is_that_of_neither() -> None:
    result = allocate([one_claim("a", cached=(("x", ADDRESS),)), one_claim("b", cached=(("y", ADDRESS),))])
    assert result.refused.keys() == {"a", "b"}


def test_without_cached_state_one_of_two_claimants_keeps_the_address() -> None:
    result = allocate([one_claim("copy", own=(ADDRESS,)), one_claim("db", own=(ADDRESS,))])
    assert result.addresses["copy"] == (ADDRESS,)
    assert result.addresses["db"] != (ADDRESS,)
    assert [problem.host for problem in result.warnings] == ["db"]


def test_prefixes_of_unmanaged_peers_are_not_allocated() -> None:
    taken = allocate([one_claim()]).addresses["a"][0]
    assert allocate([one_claim()], [taken.host]).addresses["a"] != (taken,)
    result = allocate([one_claim()], [NETWORK])
    assert "a static peer has 10.42.0.0/24" in result.problems[0].text


def test_one_address_in_each_network() -> None:
    result = allocate(claims({"a"}, "10.42.0.0/24", "fd42::/64"))
    assert [address.length for address in result.addresses["a"]] == [24, 64]


def test_addresses_of_the_first_release() -> None:
    """Another hash would change the addresses of every fleet without cached state."""
    result = allocate(claims({"h1", "h2"}, "10.42.0.0/24", "fd42::/64"))
    assert {name: [str(address) for address in addresses] for name, addresses in result.addresses.items()} == {
        "h1": ["10.42.0.43/24", "fd42::1279:b899:f680:f475/64"],
        "h2": ["10.42.0.75/24", "fd42::1ba9:7bf1:3d56:1c39/64"],
    }


def test_a_network_without_a_free_address_says_who_has_them() -> None:
    one = parse_prefix("10.9.9.9/32")
    (problem,) = allocate([Claim("h1", (one,)), Claim("h2", (one,))], prefix="mesh_").problems
    assert problem.text == (
        "10.9.9.9/32 has 1 address for hosts, and other hosts or static peers have all of them; write a larger network, such as "
        "10.9.9.0/24"
    )
    (problem,) = allocate([Claim("h1", (one,))], [parse_prefix("10.9.0.0/16")], "mesh_").problems
    assert problem.text == (
        "no address of 10.9.9.9/32 is left for this host: a static peer has 10.9.0.0/16 in its allowed_ips; list only the "
        "addresses of the peer in mesh_static_peers"
    )
