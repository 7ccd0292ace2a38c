"""The interactive page of the API, ``GET /docs``: Swagger UI over ``/openapi.json``.

It works offline: its script and its style come from the package fastapi-swagger, which holds a release of Swagger UI.
The page may load nothing else and run no script of another origin or in its HTML.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

_PACKAGE: Final = "fastapi_swagger"
_MEDIA_TYPES: Final = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Verdict API</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START: Final = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null
});
"""

router = APIRouter(prefix="/docs", include_in_schema=False)


@router.get("")
async def page() -> Response:
    """Return the page."""
    return Response(_PAGE, media_type="text/html", headers={"content-security-policy": _POLICY})


@router.get("/start.js")
async def start() -> Response:
    """Return the script that starts Swagger UI."""
    return Response(_START, media_type="text/javascript")


@router.get("/{name}")
async def asset(name: str) -> Response:
    """Return a file of Swagger UI."""
    if name not in _MEDIA_TYPES:
        raise HTTPException(404, "Not Found")
    return Response(_read(name), headers={"content-type": _MEDIA_TYPES[name]})


@cache
def _read(name: str) -> bytes:
    """Return a file of the package, which is not imported for it."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"{_PACKAGE} is not installed; run make install-server")
    return (Path(spec.origin).parent / "resources" / name).read_bytes()
