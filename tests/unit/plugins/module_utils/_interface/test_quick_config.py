# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of wg-quick, as written by hand and by other roles, and odd ones."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._interface import quick_config
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.configured import ConfiguredInterface
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_address, parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint
from hypothesis import given
from hypothesis import strategies as st

from ..samples import key, key_text

PATH = "/etc/wireguard/wg0.conf"
PRIVATE, SHARED = key_text(1000), key_text(2000)
BY_HAND = f"""# my tunnel
[Interface]
Address = 10.0.0.1/24, fd00::1/64
Address = 10.9.0.1   # a second one
PrivateKey = {PRIVATE}
ListenPort = 51820
FwMark = 0xca6c
MTU = 1380

[Peer]
PublicKey = {key_text(1)}
PresharedKey = {SHARED}
AllowedIPs = 10.0.0.2/32, 10.77.3.1/16
AllowedIPs = fd00::2
Endpoint = [2001:db8::2]:51820
PersistentKeepalive = 25

# alice
[Peer]
PublicKey = {key_text(2)}
Endpoint = VPN.example.org:51821
PersistentKeepalive = off
"""


def parse(text: str) -> ConfiguredInterface:
    return quick_config.parse("wg0", PATH, text)


def texts(found: ConfiguredInterface) -> list[str]:
    return [str(finding) for finding in found.findings]


def test_a_file_written_by_hand() -> None:
    found = parse(BY_HAND)
    assert found.private_key == key(1000) and found.findings == ()
    assert (found.listen_port, found.fwmark, found.mtu, found.routes) == (51820, 0xCA6C, 1380, True)
    assert found.addresses == tuple(map(parse_address, ("10.0.0.1/24", "fd00::1/64", "10.9.0.1/32")))
    first, second = found.peers
    assert first.public_key == key(1) and first.preshared_key == key(2000) and first.name == ""
    assert first.allowed_ips == tuple(map(parse_prefix, ("10.0.0.2/32", "10.77.0.0/16", "fd00::2/128")))
    assert first.endpoint == Endpoint("2001:db8::2", 51820) and first.persistent_keepalive == 25
    assert (second.name, second.endpoint, second.persistent_keepalive) == (
        "alice",
        Endpoint("vpn.example.org", 51821),
        0,
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        str.lower,
        str.upper,
        lambda text: text.replace(" = ", "="),
        lambda text: text.replace(" = ", "\t=   "),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("[Peer]", "  [ Peer ] # here"),
    ],
    ids=["CRLF", "CR", "lower", "upper", "no spaces", "tabs", "byte order mark", "spaces in sections"],
)
def test_the_form_of_a_file_does_not_matter(change) -> None:  # type: ignore[no-untyped-def]
    plain, keys = BY_HAND, (PRIVATE, SHARED, key_text(1), key_text(2))
    for position, text in enumerate(keys):
        plain = plain.replace(text, f"<{position}>")
    changed = change(plain)
    for position, text in enumerate(keys):
        changed = changed.replace(f"<{position}>", text)
    found = parse(changed)
    assert (found.findings, found.listen_port, len(found.peers)) == ((), 51820, 2), texts(found)
    assert [peer.allowed_ips for peer in found.peers] == [peer.allowed_ips for peer in parse(BY_HAND).peers]


def test_the_private_key_from_a_file_of_its_own() -> None:
    found = parse("[Interface]\nPostUp = wg set %i private-key /etc/wireguard/%i.private\n")
    assert (found.private_key_file, found.findings) == ("/etc/wireguard/wg0.private", ())


# What is left out of the new file: the line, and a part of what is said of it.
UNSUPPORTED = [
    ("DNS = 1.1.1.1", "line 2: DNS sets name servers"),
    ("PostUp = iptables -t nat -A POSTROUTING -j MASQUERADE", "line 2: PostUp runs iptables"),
    ("PostUp = iptables -t nat -A POSTROUTING -j MASQUERADE", "masquerade of hub_spoke"),
    ("PreDown = sysctl -w net.ipv4.ip_forward=0", "mesh_forward or hub_spoke_forward: set it, and delete this line"),
    (
        "PostUp = iptables -A FORWARD -i %i -j ACCEPT",
        "mesh_forward or hub_spoke_forward, and at a hub by default: set it",
    ),
    (
        "PostUp = iptables -A FORWARD -i %i -j ACCEPT; iptables -t nat -A POSTROUTING -j MASQUERADE",
        "masquerade of hub_spoke",
    ),
    ("PostUp = wg set wg1 private-key '/a b'", "to /etc/wireguard/wg0.key with mode 0600, then delete this line"),
    (
        "PostUp = wg addconf %i /etc/wireguard/peers.conf",
        "describe them in mesh_static_peers or hub_spoke_static_peers",
    ),
    ("PreUp = /usr/local/bin/x $(cat /y)", "runs /usr/local/bin/x"),
    ("PostUp = wg set %i private-key <(pass vpn)", "PostUp runs wg"),
    ("PostDown = wg set %i private-key /etc/wireguard/%i.key", "PostDown runs wg"),
    ("PostUp = $(echo hidden)", "PostUp runs a command"),
    ("Table = 200", "line 2: Table puts the routes"),
    ("Colour = blue", "Colour is not a key of [Interface]"),
    ("ListenPort = 99999", "ListenPort has a value that cannot be read"),
    ("ListenPort = 51820x", "ListenPort has a value"),
    ("PrivateKey = nonsense", "PrivateKey has a value"),
    ("Address = 10.0.0.300/24", "Address has a value"),
    ("no assignment", "cannot be read: it is no assignment"),
    ("[Server]", "neither [Interface] nor [Peer]"),
    ("[Peer]", "a peer without a public key"),
    (f"[Peer]\nPublicKey = {key_text(1)}\nAllowedIPs = 10.0.0.0/33", "line 4: AllowedIPs has a value"),
    (f"[Peer]\nPublicKey = {key_text(1)}\nEndpoint = nowhere", "line 4: Endpoint has a value"),
    (f"[Peer]\nPublicKey = {key_text(1)}\nRoute = none", "line 4: Route is not a key of [Peer]"),
]


@pytest.mark.parametrize(("line", "said"), UNSUPPORTED)
def test_what_is_not_taken_over_is_named(line: str, said: str) -> None:
    (text,) = texts(parse(f"[Interface]\n{line}\n"))
    assert text.startswith(PATH) and said in text


def test_no_finding_quotes_what_can_be_secret() -> None:
    word = "hunter2hunter2"
    broken = PRIVATE[:-2] + "*="
    lines = [f"PostUp = curl -u a:{word} x", f"PrivateKey = {broken}", PRIVATE, f"{PRIVATE} = x", f"Psk = {word}"]
    peer = f"[Peer]\nPublicKey = {key_text(1)}\nPresharedKey = {broken}\n{SHARED}"
    said = " ".join(texts(parse("\n".join(["[Interface]", *lines, peer]))))
    for part in (word, broken[:20], PRIVATE[:20], SHARED[:20]):
        assert part not in said
    assert repr(key(1000)) not in repr(parse(BY_HAND)) and PRIVATE not in repr(parse(BY_HAND))


@pytest.mark.parametrize(
    ("comment", "name"),
    [
        ("# Name = h2.example.org", "h2.example.org"),
        ("# friendly_name=laptop", "laptop"),
        ("#h2", "h2"),
        ("### begin tablet ###", "tablet"),
        ("# BEGIN_PEER x", "x"),
        ("### Client my-phone", "my-phone"),
        ("# Client: x (3f2a)", "x"),
        ("# friendly_name=x", "x"),
        ("### end tablet ###", ""),
        ("# END_PEER", ""),
        ("# END_PEER x", ""),
        ("# begin", ""),
        (f"# Client {PRIVATE}", ""),
        ("# two words", ""),
        ("# PersistentKeepalive = 25", ""),
        (f"# {PRIVATE}", ""),
        (f"# PrivateKey = {PRIVATE}", ""),
    ],
)
def test_names_of_peers_are_in_comments(comment: str, name: str) -> None:
    for text in (f"{comment}\n[Peer]\nPublicKey={key_text(1)}", f"[Peer]\n{comment}\nPublicKey={key_text(1)}"):
        (peer,) = parse(text).peers
        assert peer.name == name


def test_a_comment_between_two_peers_is_that_of_the_next_one() -> None:
    def names(*parts: str) -> list[str]:
        return [peer.name for peer in parse("\n".join(["[Interface]", *parts])).peers]

    one, two = (f"[Peer]\nPublicKey={key_text(n)}" for n in (1, 2))
    assert names("### begin a ###", one, "### end a ###", "### begin b ###", two, "### end b ###") == ["a", "b"]
    assert names(one, "# friendly_name = b", two) == ["", "b"]
    assert names(one, "# friendly_name = a", "", two) == ["a", ""]
    assert names("# BEGIN_PEER a", "# made in 2024", one, "# END_PEER a", "# BEGIN_PEER b", two) == ["a", "b"]
    assert names(one.replace("]", "] # a", 1), two.replace("]", "] ### Client b", 1)) == ["a", "b"]
    assert names("# a", "", one, "# END_PEER", two) == ["", ""]


def test_a_malformed_address_is_a_finding_and_no_other_address() -> None:
    found = parse("[Interface]\nAddress = 10.19.49.2/32/DNS = 172.16.0.1\nAddress = 10.0.0.1/24\n")
    assert found.addresses == (parse_address("10.0.0.1/24"),)
    (text,) = texts(found)
    assert "line 2: Address has a value that cannot be read" in text


def test_a_file_of_peers_only_has_no_interface() -> None:
    assert quick_config.has_interface(BY_HAND) and quick_config.has_interface("[ interface ] # x")
    assert not quick_config.has_interface(BY_HAND.partition("[Peer]")[2].join(["[Peer]", ""]))
    assert not quick_config.has_interface("# [Interface]\n")


def test_the_last_of_two_sections_of_a_peer_counts() -> None:
    text = "".join(f"[Peer]\nPublicKey={key_text(1)}\nAllowedIPs=10.0.0.{n}\n" for n in (2, 3))
    (peer,) = parse(text).peers
    assert peer.allowed_ips == (parse_prefix("10.0.0.3/32"),)


PLAIN = "[Interface] [peer] PublicKey PrivateKey AllowedIPs Endpoint PostUp Table 10.0.0.1/24 ::/0 = # , %i é \\"
WORDS = st.sampled_from([*PLAIN.split(), "\n", "\r\n", " ", "\x00", "[::1]:5", "9" * 5000, PRIVATE])


@given(st.one_of(st.text(), st.lists(WORDS).map("".join), st.lists(WORDS).map(" ".join)))
def test_any_text_is_read_without_an_error_and_without_quoting_a_key(text: str) -> None:
    assert PRIVATE[:12] not in " ".join(texts(parse(text)))
