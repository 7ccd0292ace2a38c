"""The page's modules in a real browser, without a server of ours: each test imports the module that it is about."""

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

STATIC = Path(__file__).parents[4] / "server" / "web" / "static"
_ANY_DOCUMENT = "vendor/hyparquet/LICENSE.txt"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Write nothing."""


@pytest.fixture(scope="package")
def modules(browser: "Browser") -> Iterator["Page"]:
    """A document of the folder of static files, in which ``import("/js/…")`` works."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(STATIC)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.server_port}/{_ANY_DOCUMENT}")
    yield page
    page.close()
    server.shutdown()
    server.server_close()
