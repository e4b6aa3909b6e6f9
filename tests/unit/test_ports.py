"""Ports for servers that listen seconds after theirs was chosen."""

from __future__ import annotations

import socket

from serve_app.ports import FREE_FROM, FREE_TO, free_port, refusal


def test_a_free_port_can_be_listened_on_and_is_not_free_from_then_on() -> None:
    port = free_port()
    assert port in range(FREE_FROM, FREE_TO)
    with socket.create_server(("127.0.0.1", port)):
        assert refusal("127.0.0.1", port) is not None
