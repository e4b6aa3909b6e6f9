"""The forms in which REDIS_URL names a Redis, read without asking anybody.

    redis://[USER:PASSWORD@]HOST:PORT/DB                    one server; rediss:// with TLS, unix:///PATH
    redis+sentinel://[USER:PASSWORD@]HOST:PORT,.../SERVICE/DB   whichever server the Sentinels call the primary;
                                                            ?sentinel_password=... where they want one
    redis+cluster://[USER:PASSWORD@]HOST:PORT,...           a cluster, found by any of its nodes

What has a meaning of its own in a URL is percent-encoded in a password. No error quotes any of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

ONE_SERVER = ("redis", "rediss", "unix")
FORMS = {
    "redis": "redis://HOST:PORT/0",
    "rediss": "rediss://HOST:PORT/0",
    "unix": "unix:///PATH",
    "redis+sentinel": "redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/0",
    "redis+cluster": "redis+cluster://HOST:PORT,HOST:PORT",
}
_ENCODED = "with characters like @ / # ? : of a password percent-encoded"
_PORTS = {"redis+sentinel": 26379, "redis+cluster": 6379}


class Topology(StrEnum):
    SERVER = "server"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """`url` is what was read; `hosts` are of Sentinels or of a cluster's nodes, and one server has none."""

    url: str = field(repr=False)
    topology: Topology
    hosts: tuple[tuple[str, int], ...] = ()
    service: str = ""
    db: int = 0
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    sentinel_password: str | None = field(default=None, repr=False)


def parse(url: str) -> Address:
    """Raises `ValueError` with the form that the URL should have."""
    scheme = url.partition("://")[0]
    if scheme not in FORMS:
        raise ValueError(f"write it as {', '.join(FORMS.values())}")
    try:
        return _parsed(url, urlsplit(url))
    except ValueError:
        raise ValueError(f"write it as {FORMS[scheme]}, {_ENCODED}") from None


def _parsed(url: str, split: SplitResult) -> Address:
    if split.fragment:
        raise ValueError
    if split.scheme in ONE_SERVER:
        if split.scheme != "unix":
            _ = split.port  # raises where it is none
        return Address(url=url, topology=Topology.SERVER)
    user, _, hosts = split.netloc.rpartition("@")
    username, _, password = user.partition(":")
    path = [unquote(part) for part in split.path.split("/")[1:] if part]
    is_cluster = split.scheme == "redis+cluster"
    options = parse_qs(split.query, strict_parsing=bool(split.query))
    if set(options) - (set() if is_cluster else {"sentinel_password"}):
        raise ValueError
    if is_cluster:
        if path not in ([], ["0"]):
            raise ValueError
        service, db = "", 0
    else:
        service, *rest = path
        (db,) = map(int, rest or ["0"])
    return Address(
        url=url,
        topology=Topology.CLUSTER if is_cluster else Topology.SENTINEL,
        hosts=tuple(_host(one, _PORTS[split.scheme]) for one in hosts.split(",")),
        service=service,
        db=db,
        username=unquote(username) or None,
        password=unquote(password) or None,
        sentinel_password=options.get("sentinel_password", [None])[0],
    )


def _host(text: str, default_port: int) -> tuple[str, int]:
    split = urlsplit(f"//{text}")
    if not split.hostname or split.path or split.username is not None:
        raise ValueError
    return split.hostname, split.port or default_port
