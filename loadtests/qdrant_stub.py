"""Qdrant's wire for what Askwell asks of it, over the client's own memory: a vector store that a drill can stop."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import uvicorn
from qdrant_client import AsyncQdrantClient, models
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from loadtests.provider_stub.server import KEPT_ALIVE_S
from serve_app.ports import free_port

_DONE = {"operation_id": 1, "status": "completed"}


class VectorServer:
    """One server on one port; what it holds survives that it is stopped."""

    def __init__(self) -> None:
        self._client = AsyncQdrantClient(":memory:")
        self._port = free_port()
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._keywords: dict[str, set[str]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        app = Starlette(
            routes=[
                Route("/collections", self._all),
                Route("/collections/{name}/exists", self._exists),
                Route("/collections/{name}", self._info, methods=["GET"]),
                Route("/collections/{name}", self._create, methods=["PUT"]),
                Route("/collections/{name}/index", self._index, methods=["PUT"]),
                Route("/collections/{name}/points", self._upsert, methods=["PUT"]),
                Route("/collections/{name}/points/query/batch", self._search, methods=["POST"]),
                Route("/collections/{name}/points/count", self._count, methods=["POST"]),
                Route("/collections/{name}/points/delete", self._delete, methods=["POST"]),
            ]
        )
        self._server = uvicorn.Server(
            uvicorn.Config(app, port=self._port, log_level="critical", lifespan="off", timeout_keep_alive=KEPT_ALIVE_S)
        )
        self._serving = asyncio.create_task(self._server.serve())
        while not self._server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        if self._server is not None and self._serving is not None:
            self._server.should_exit = self._server.force_exit = True
            await self._serving
            self._server = self._serving = None

    async def _all(self, _: Request) -> JSONResponse:
        return _told(await self._client.get_collections())

    async def _exists(self, request: Request) -> JSONResponse:
        return _told({"exists": await self._client.collection_exists(request.path_params["name"])})

    async def _info(self, request: Request) -> JSONResponse:
        name = request.path_params["name"]
        info = json.loads((await self._client.get_collection(name)).model_dump_json())
        schema = {"data_type": "keyword", "points": 0}
        return _told({**info, "payload_schema": dict.fromkeys(self._keywords.get(name, ()), schema)})

    async def _create(self, request: Request) -> JSONResponse:
        asked = models.CreateCollection(**await request.json())
        await self._client.create_collection(request.path_params["name"], asked.vectors)
        return _told(True)

    async def _index(self, request: Request) -> JSONResponse:
        asked = await request.json()
        self._keywords.setdefault(request.path_params["name"], set()).add(asked["field_name"])
        return _told(_DONE)

    async def _upsert(self, request: Request) -> JSONResponse:
        points = [models.PointStruct(**point) for point in (await request.json())["points"]]
        await self._client.upsert(request.path_params["name"], points)
        return _told(_DONE)

    async def _search(self, request: Request) -> JSONResponse:
        asked = [models.QueryRequest(**search) for search in (await request.json())["searches"]]
        return _told(await self._client.query_batch_points(request.path_params["name"], asked))

    async def _count(self, request: Request) -> JSONResponse:
        asked = models.CountRequest(**await request.json())
        return _told(await self._client.count(request.path_params["name"], asked.filter, exact=True))

    async def _delete(self, request: Request) -> JSONResponse:
        selector = models.FilterSelector(**await request.json())
        await self._client.delete(request.path_params["name"], selector)
        return _told(_DONE)


def _told(result: Any) -> JSONResponse:
    if isinstance(result, list):
        plain: Any = [json.loads(part.model_dump_json()) for part in result]
    else:
        plain = json.loads(result.model_dump_json()) if hasattr(result, "model_dump_json") else result
    return JSONResponse({"result": plain, "status": "ok", "time": 0.0})
