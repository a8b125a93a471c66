# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one codec between the values of a plan and plain data, as JSON holds it.

Dataclasses become dictionaries by field, named and other tuples lists, sets sorted lists, enumerations their values, and
prefixes, addresses and endpoints text. The type hints of the fields say how, in both directions.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from ....module_utils._ip.prefix import Address, Prefix, parse_address, parse_prefix
from ....module_utils._wireguard.endpoint import Endpoint

T = TypeVar("T")
Convert = Callable[[Any], Any]


class _Codec(NamedTuple):
    """How values of a type become plain data, and how they are read back."""

    encode: Convert
    decode: Convert


def to_plain_data(value: Any) -> Any:
    """Return a dataclass as plain data: dictionaries, lists, text, numbers, booleans and None."""
    kind: Any = type(value)
    return _codec(kind).encode(value)


def from_plain_data(kind: type[T], data: Any) -> T:
    """Return the dataclass that `to_plain_data` described.

    Raises KeyError, TypeError, AttributeError or ValueError for data that does not describe one.
    """
    wanted: Any = kind
    found: T = _codec(wanted).decode(data)
    return found


def _unchanged(value: Any) -> Any:
    return value


_AS_IT_IS = _Codec(_unchanged, _unchanged)


def _endpoint(text: str) -> Endpoint:
    """Return the endpoint of a canonical text, as a plan has it; only the host checks more, when it reads its document."""
    host, _colon, port = text.rpartition(":")
    return Endpoint(host.strip("[]"), int(port))


_TEXTS = {Prefix: parse_prefix, Address: parse_address, Endpoint: _endpoint}


@cache
def _codec(kind: Any) -> _Codec:
    """Return the codec of a type, built once: a plan holds many values of few types."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in _TEXTS:
        return _Codec(str, _TEXTS[kind])
    if origin in (Union, UnionType):
        return _optional(*(_codec(one) for one in arguments if one is not type(None)))
    if origin is tuple:
        return _list_of(_codec(arguments[0])) if arguments[1:] == (Ellipsis,) else _row(tuple, arguments)
    if origin is frozenset:
        return _Codec(sorted, frozenset)
    if origin is not None and issubclass(origin, Mapping):
        return _by_key(_codec(arguments[1]))
    if not isinstance(kind, type):
        return _AS_IT_IS
    if is_dataclass(kind):
        return _record(kind)
    if issubclass(kind, Enum):
        return _Codec(lambda value: value.value, kind)
    if issubclass(kind, tuple):
        hints = get_type_hints(kind)
        return _row(kind._make, [hints[name] for name in kind._fields])  # type: ignore[attr-defined]
    return _AS_IT_IS


def _optional(one: _Codec, *others: _Codec) -> _Codec:
    """Return the codec of a value that may be None; of several types, those that need no conversion."""
    encode, decode = one
    if others or one == _AS_IT_IS:
        return _AS_IT_IS
    return _Codec(
        lambda value: None if value is None else encode(value), lambda data: None if data is None else decode(data)
    )


def _list_of(entry: _Codec) -> _Codec:
    encode, decode = entry
    if entry == _AS_IT_IS:
        return _Codec(list, tuple)
    return _Codec(
        lambda value: list(map(encode, value)), lambda data: tuple([decode(one) for one in data]) if data else ()
    )


def _row(make: Convert, kinds: Any) -> _Codec:
    codecs = [_codec(kind) for kind in kinds]
    return _Codec(
        lambda value: [codec.encode(entry) for codec, entry in zip(codecs, value)],
        lambda data: make([codec.decode(entry) for codec, entry in zip(codecs, data)]),
    )


def _by_key(entry: _Codec) -> _Codec:
    encode, decode = entry
    if entry == _AS_IT_IS:
        return _Codec(dict, _unchanged)
    return _Codec(
        lambda value: {key: encode(one) for key, one in value.items()},
        lambda data: {key: decode(one) for key, one in data.items()},
    )


def _record(kind: Any) -> _Codec:
    hints = get_type_hints(kind)
    names = frozenset(field.name for field in fields(kind))
    codecs = {name: _codec(_without_none(hints[name])) for name in hints if name in names}
    encoders = [(name, one.encode) for name, one in codecs.items() if one.encode is not _unchanged]
    decoders = [(name, one.decode) for name, one in codecs.items() if one.decode is not _unchanged]

    def encode(value: Any) -> dict[str, Any]:
        data = {**vars(value)}
        for name, convert in encoders:
            if data[name] is not None:
                data[name] = convert(data[name])
        return data

    def decode(data: Mapping[str, Any]) -> Any:
        values = {**data}
        if values.keys() != names:
            raise KeyError(*sorted(names ^ values.keys()))
        for name, convert in decoders:
            value = values[name]
            if value is not None:
                values[name] = convert(value)
        # The constructor of a frozen dataclass takes several times as long: it sets each field by a call.
        found = kind.__new__(kind)
        object.__setattr__(found, "__dict__", values)
        return found

    return _Codec(encode, decode)


def _without_none(kind: Any) -> Any:
    """Return the type of a field whose values are not None: a record decodes no field that is."""
    kinds = [one for one in get_args(kind) if one is not type(None)]
    return kinds[0] if get_origin(kind) in (Union, UnionType) and len(kinds) == 1 else kind
