"""The client that asks a server about many texts."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from export.errors import ExportError
from export.evaluate.served import Client

pytestmark = pytest.mark.development


@contextmanager
def _server(status: int = 200, refusals: int = 0, says: bytes | None = None) -> Iterator[str]:
    """Run a server that answers a text with its number of characters, after some refusals with 429."""

    class Handler(BaseHTTPRequestHandler):
        left = refusals

        def do_POST(self) -> None:
            texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["texts"]
            refused = Handler.left > 0
            Handler.left -= 1
            answers = [{"sentiment": 1, "probabilities": [0.25, 0.75], "tokens": len(text)} for text in texts]
            body = says or json.dumps({"predictions": answers}).encode()
            self.send_response(429 if refused else status)
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_predictions_come_in_the_order_of_the_texts() -> None:
    """Texts are sent by length and refused ones again; the caller does not notice."""
    texts = ["a" * length for length in (3, 50, 1, 20, 7) for _ in range(8)]
    ticks = []
    with _server(refusals=2) as url:
        found = asyncio.run(Client(url).classify(texts, lambda: ticks.append(1)))
    assert [len(text) for text in texts] == [prediction.tokens for prediction in found]
    assert len(texts) == len(ticks)


def test_a_server_that_fails_is_one_clear_line() -> None:
    """The status is in the message."""
    with _server(status=500) as url, pytest.raises(ExportError, match="answered 500"):
        asyncio.run(Client(url).classify(["a"] * 80, lambda: None))


def test_a_text_that_the_server_refuses_is_named() -> None:
    """The server names a place in its request; the user needs the text."""
    says = b'{"error": {"message": "text 1 is empty for this model"}}'
    with (
        _server(status=422, says=says) as url,
        pytest.raises(ExportError, match="The text is 'odd'; correct or remove"),
    ):
        asyncio.run(Client(url).classify(["longer", "odd", "a"], lambda: None))


def test_a_server_that_has_gone_is_one_clear_line() -> None:
    """A refused connection ends the evaluation."""
    with _server() as url:
        pass
    with pytest.raises(ExportError, match="did not answer"):
        asyncio.run(Client(url).classify(["a"], lambda: None))
