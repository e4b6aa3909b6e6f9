"""What makes two requests the same one."""

from __future__ import annotations

import hashlib
import json

from fastapi import Request
from pydantic import BaseModel

from state.outcomes import OWN_KEY, Caller


def fingerprint(request: Request, body: BaseModel) -> str:
    """A hash of method, path and what was understood of the body: spacing and key order do not count."""
    canonical = json.dumps(body.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(f"{request.method} {request.url.path}\n{canonical}".encode()).hexdigest()


def caller(request: Request, tenant: str, key: str | None, body: BaseModel) -> Caller:
    """Without a key of the client's, one of our own: a request delivered twice still counts once."""
    return Caller(
        tenant=tenant,
        key=key if key is not None else OWN_KEY + request.state.request_id,
        fingerprint=fingerprint(request, body),
        request_id=request.state.request_id,
    )
