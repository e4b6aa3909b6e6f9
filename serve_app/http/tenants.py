"""Who asks: the tenant an API key names, or the one local tenant where there are no keys."""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.security import HTTPBearer

from serve_app.http.service import Service
from serve_app.settings import LOCAL_TENANT
from state.errors import InvalidField, Unauthorized
from state.outcomes import OWN_KEY

MAX_KEY_CHARS = 200

bearer = HTTPBearer(auto_error=False, description="An API key from ASKWELL_API_KEYS; not needed on loopback.")


def service(request: Request) -> Service:
    """The service this application was created with."""
    found: Service = request.app.state.service
    return found


def tenant(request: Request, askwell: Annotated[Service, Depends(service)]) -> str:
    """Compares with every key in constant time. Raises `Unauthorized`."""
    keys = askwell.settings.api_keys
    if not keys:
        return LOCAL_TENANT
    scheme, _, sent = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorized
    digest = hashlib.sha256(sent.strip().encode()).digest()
    found = None
    for name, key in keys.items():
        if hmac.compare_digest(digest, hashlib.sha256(key.get_secret_value().encode()).digest()):
            found = name
    if found is None:
        raise Unauthorized
    return found


def idempotency_key(
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
