"""The page, ``GET /``, and its files under ``/static/``. They need no key: all that they show comes from other routes.

Each file is read and compressed once, at start. Browsers ask again each time with the ETag that they have, so that no
page mixes files of two versions of the server.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

STATIC: Final = Path(__file__).with_name("static")
"""The folder of the files."""
_INDEX: Final = "index.html"
_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Files of other types are not served."""
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Nothing of another origin, and no script or style in the HTML: a caller's text can not become either."""
_HEADERS: Final = {
    "content-security-policy": _POLICY,
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
    "vary": "accept-encoding",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file of the page, as it is sent.

    Attributes:
        compressed: its bytes in gzip, which every browser takes.
        media_type: its ``Content-Type``.
        etag: changes with the content.
    """

    compressed: bytes
    media_type: str
    etag: str

    @property
    def content(self) -> bytes:
        """Its bytes."""
        return gzip.decompress(self.compressed)


@cache
def load_files() -> Mapping[str, StaticFile]:
    """Return the page's files by their paths below the folder; they are read once in the life of the process."""
    files = {}
    for path in sorted(STATIC.rglob("*")):
        if media_type := _MEDIA_TYPES.get(path.suffix):
            content = path.read_bytes()
            etag = f'W/"{hashlib.sha256(content).hexdigest()[:16]}"'
            name = path.relative_to(STATIC).as_posix()
            files[name] = StaticFile(gzip.compress(content, mtime=0), media_type, etag)
    return MappingProxyType(files)


class _ReadRoute(APIRoute):
    """A route for reading alone; other methods go to the protocol that has them on the same path, or are unknown."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child_scope = super().matches(scope)
        return (Match.NONE if match is Match.PARTIAL else match), child_scope


def make_router() -> APIRouter:
    """Return the routes of the page, with its files in memory."""
    files = load_files()
    router = APIRouter(include_in_schema=False, route_class=_ReadRoute)

    @router.get("/")
    async def page(request: Request) -> Response:
        """Return the page."""
        return _respond(files[_INDEX], request)

    @router.get("/static/{name:path}")
    async def static(name: str, request: Request) -> Response:
        """Return a file of the page."""
        if name not in files:
            raise HTTPException(404, "Not Found")
        return _respond(files[name], request)

    return router


def _respond(file: StaticFile, request: Request) -> Response:
    headers = {**_HEADERS, "etag": file.etag}
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(None, 304, headers)
    headers["content-type"] = file.media_type
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.compressed, headers={**headers, "content-encoding": "gzip"})
    return Response(file.content, headers=headers)
