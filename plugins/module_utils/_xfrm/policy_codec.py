# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Policies between bytes and values (linux/xfrm.h: struct xfrm_userpolicy_info, struct xfrm_user_tmpl). Pure.

This module is private to the collection.
"""

from __future__ import annotations

import socket
import struct

from .._netlink import messages as nl
from . import codec as xfrm
from .codec import ADDRESS_BYTES
from .model import DIR_FWD, Policy, PolicyKey, Template

# struct xfrm_userpolicy_info: sel, lft, curlft, priority, index, dir, action, flags, share
_INFO = struct.Struct("=56s64s32sIIBBBB4x")
_ID = struct.Struct("=56sIB3x")  # struct xfrm_userpolicy_id: sel, index, dir
# struct xfrm_user_tmpl: id, family, saddr, reqid, mode, share, optional, aalgos, ealgos, calgos
_TEMPLATE = struct.Struct("=24sHxx16sIBBBxIII")
_TYPE = struct.Struct("=BxHBx")  # struct xfrm_userpolicy_type: type, reserved1, reserved2

MAX_TEMPLATES = 6  # XFRM_MAX_DEPTH
_ANY_ALGORITHM = 0xFFFFFFFF
_TYPE_MAIN = 0


def encode_policy(policy: Policy) -> bytes:
    """Return the payload that creates a policy (NEWPOLICY), or creates or replaces it (UPDPOLICY)."""
    info = _INFO.pack(
        xfrm.encode_selector(policy.selector),
        xfrm.encode_limits(policy.limits),
        bytes(32),
        policy.priority,
        0,
        policy.direction,
        policy.action,
        policy.flags,
        0,
    )
    templates = b"".join(_encode_template(template) for template in policy.templates)
    return (
        info
        + (nl.attribute(xfrm.XFRMA_TMPL, templates) if templates else b"")
        + xfrm.encode_mark(policy.mark)
        + xfrm.encode_number(xfrm.XFRMA_IF_ID, policy.if_id)
    )


def _encode_template(template: Template) -> bytes:
    return _TEMPLATE.pack(
        xfrm.ID.pack(
            xfrm.encode_address(template.destination.packed), template.spi.to_bytes(4, "big"), template.protocol
        ),
        template.destination.family,
        xfrm.encode_address(template.source.packed),
        template.reqid,
        template.mode,
        0,
        template.optional,
        _ANY_ALGORITHM,
        _ANY_ALGORITHM,
        _ANY_ALGORITHM,
    )


def encode_id(key: PolicyKey) -> bytes:
    """Return the payload that requests (GETPOLICY) or deletes (DELPOLICY) a policy, by its selector."""
    direction, if_id, mark, selector = key
    return (
        _ID.pack(xfrm.encode_selector(selector), 0, direction)
        + xfrm.encode_mark(mark)
        + xfrm.encode_number(xfrm.XFRMA_IF_ID, if_id)
    )


def decode_policy(payload: bytes) -> Policy | None:
    """Return the policy in a message. Raises MalformedMessage.

    None for a socket's own policy (its direction is above fwd) and for a sub policy.
    """
    try:
        return _decode(payload)
    except (struct.error, KeyError) as exc:
        raise nl.MalformedMessage(f"not a description of an XFRM policy ({type(exc).__name__})") from None


def _decode(payload: bytes) -> Policy | None:
    if len(payload) < _INFO.size:
        raise nl.MalformedMessage(f"an XFRM policy of {len(payload)} bytes")
    selector_raw, limits_raw, lifetime_raw, priority, index, direction, action, flags, _share = _INFO.unpack_from(
        payload
    )
    found = dict(nl.attributes(payload, _INFO.size))
    kind = _TYPE.unpack(found[xfrm.XFRMA_POLICY_TYPE])[0] if xfrm.XFRMA_POLICY_TYPE in found else _TYPE_MAIN
    if direction > DIR_FWD or kind != _TYPE_MAIN:
        return None
    selector = xfrm.decode_selector(selector_raw, socket.AF_INET)
    _bytes, _packets, added, used = xfrm.LIFETIME.unpack(lifetime_raw)
    return Policy(
        direction=direction,
        selector=selector,
        mark=xfrm.decode_mark(found),
        if_id=xfrm.decode_number(found, xfrm.XFRMA_IF_ID),
        priority=priority,
        action=action,
        flags=flags,
        limits=xfrm.decode_limits(limits_raw),
        templates=_decode_templates(found.get(xfrm.XFRMA_TMPL, b""), selector.source.family),
        index=index,
        added=added,
        used=used,
    )


def _decode_templates(raw: bytes, fallback: int) -> tuple[Template, ...]:
    if len(raw) % _TEMPLATE.size:
        raise nl.MalformedMessage(f"{len(raw)} bytes of XFRM templates of {_TEMPLATE.size} each")
    templates = []
    for fields in _TEMPLATE.iter_unpack(raw):
        id_raw, family, source, reqid, mode, _share, optional = fields[:7]
        destination, spi, protocol = xfrm.ID.unpack(id_raw)
        # A template without a family has the policy's.
        family = family if family in ADDRESS_BYTES else fallback
        templates.append(
            Template(
                xfrm.decode_address(family, source),
                xfrm.decode_address(family, destination),
                protocol,
                mode,
                reqid,
                int.from_bytes(spi, "big"),
                optional,
            )
        )
    return tuple(templates)
