"""Who asks: the tenant an API key names, or the one local tenant where there are no keys."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.security import HTTPBearer
from pydantic import SecretStr

from serve_app.http.service import Service
from serve_app.settings import LOCAL_TENANT
from state.errors import InvalidField
from state.outcomes import OWN_KEY

MAX_KEY_CHARS = 200

bearer = HTTPBearer(auto_error=False, description="An API key from ASKWELL_API_KEYS; not needed on loopback.")


async def service(request: Request) -> Service:
    """The service this application was created with. Asynchronous as all dependencies are: others cost a thread."""
    found: Service = request.app.state.service
    return found


class Tenants:
    """Who asks, by API key. Without keys everybody is the one local tenant."""

    def __init__(self, keys: Mapping[str, SecretStr]) -> None:
        self._digests = {name: _digest(key.get_secret_value()) for name, key in keys.items()}

    def of(self, authorization: str) -> str | None:
        """The tenant of an `Authorization` header; compares with every key in constant time."""
        if not self._digests:
            return LOCAL_TENANT
        scheme, _, sent = authorization.partition(" ")
        digest = _digest(sent.strip())
        matches = [name for name, known in self._digests.items() if hmac.compare_digest(digest, known)]
        return matches[0] if matches and scheme.lower() == "bearer" else None


async def tenant(request: Request) -> str:
    """As the guard has found it out."""
    found: str = request.state.tenant
    return found


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


async def idempotency_key(
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="Any text of up to 200 characters; the same key and body give the same outcome.",
            examples=["0b1f8f0e-5f0a-4f63-9a53-3d2c6f1f4a11"],
        ),
    ] = None,
) -> str | None:
    if key is None:
        return None
    if not (0 < len(key) <= MAX_KEY_CHARS and key.isprintable()) or key.startswith(OWN_KEY):
        raise InvalidField(field="Idempotency-Key", fix=f"must be 1 to {MAX_KEY_CHARS} printable characters")
    return key


Askwell = Annotated[Service, Depends(service)]
Tenant = Annotated[str, Depends(tenant)]
Key = Annotated[str | None, Depends(idempotency_key)]
