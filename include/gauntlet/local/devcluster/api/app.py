"""The web application: routes, authentication, and the shape of every refusal.

Every path but the health checks and /version needs a token. Tokens are compared in constant time and never logged.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from gauntlet.local.devcluster.api import errors
from gauntlet.local.devcluster.api.handlers import USER, Handlers, answer
from gauntlet.local.devcluster.api.registry import Registry
from gauntlet.local.devcluster.api.streams import NodeStreams

OPEN_PATHS = frozenset({"/readyz", "/livez", "/healthz", "/version"})
BODY_LIMIT_BYTES = 3 * 1024 * 1024
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_log = logging.getLogger(__name__)


def create_app(registry: Registry, streams: NodeStreams, tokens: Mapping[str, str]) -> web.Application:
    """Return the application.

    Args:
        registry: the verbs.
        streams: the node's logs and exec.
        tokens: user name by token.
    """
    handlers = Handlers(registry, streams)
    app = web.Application(middlewares=[_refusals, _authentication(tokens)], client_max_size=BODY_LIMIT_BYTES)
    for path in sorted(OPEN_PATHS - {"/version"}):
        app.router.add_get(path, _healthy)
    app.router.add_get("/version", handlers.version)
    for path in ("/api", "/api/", "/apis", "/apis/"):
        app.router.add_get(path, handlers.discover)
    app.router.add_get("/openapi/v2", handlers.openapi)
    app.router.add_get("/openapi/v3", handlers.openapi)
    app.router.add_get("/openapi/v3/{path:.*}", handlers.openapi)
    app.router.add_get("/api/{version}", handlers.group)
    app.router.add_get("/apis/{group}", handlers.group)
    app.router.add_get("/apis/{group}/{version}", handlers.group)
    app.router.add_route("*", "/api/{version}/{rest:.+}", handlers.resource)
    app.router.add_route("*", "/apis/{group}/{version}/{rest:.+}", handlers.resource)
    return app


async def _healthy(request: web.Request) -> web.Response:
    return web.Response(text="ok")


def _authentication(tokens: Mapping[str, str]) -> Callable[..., Awaitable[web.StreamResponse]]:
    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        user = _user(request.headers.get("Authorization", ""), tokens)
        if user is None and request.path not in OPEN_PATHS:
            raise errors.ApiError(401, "Unauthorized", "Unauthorized")
        request[USER] = user or "system:anonymous"
        return await handler(request)

    return check


def _user(header: str, tokens: Mapping[str, str]) -> str | None:
    scheme, _, given = header.partition(" ")
    if scheme.lower() != "bearer":
        return None
    found = None
    for token, user in tokens.items():
        if hmac.compare_digest(token.encode(), given.strip().encode()):
            found = user
    return found


@web.middleware
async def _refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every refusal, also the framework's own, into a Status."""
    try:
        return await handler(request)
    except errors.ApiError as refusal:
        return answer(refusal.status(), refusal.code)
    except web.HTTPException as refusal:
        reasons = {404: "NotFound", 405: "MethodNotAllowed", 413: "RequestEntityTooLarge"}
        message = "the server could not find the requested resource" if refusal.status == 404 else refusal.reason
        problem = errors.ApiError(refusal.status, reasons.get(refusal.status, ""), message)
        return answer(problem.status(), refusal.status)
    except (ConnectionError, TimeoutError):
        raise
    except Exception as problem:
        _log.exception("%s %s failed", request.method, request.path)
        failure = errors.ApiError(500, "InternalError", f"Internal error occurred: {type(problem).__name__}")
        return answer(failure.status(), 500)
