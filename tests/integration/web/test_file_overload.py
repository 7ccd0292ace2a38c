"""File, at a server that really has no room: a small queue, and a model that answers nothing for a while."""

import asyncio
import csv
import io
import itertools
import string
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from server.app import create_app
from server.inference.queue import BatchLimits
from tests.integration.web.conftest import OpenPage
from tests.integration.web.test_file import DONE, choose, download, expect
from tests.support.classifiers import THREE, CountingEngine, classifying, make_manifest
from tests.support.engines import PATIENCE_S, GatedEngine
from tests.support.figures import read_figures
from tests.support.serving import listening, make_settings

if TYPE_CHECKING:
    from playwright.sync_api import Page

LIMITS = BatchLimits(max_batch_items=8, max_batch_tokens=64, max_queue_tokens=256)
ROWS = [" ".join(letters) for letters in itertools.islice(itertools.product(string.ascii_lowercase, repeat=3), 1_200)]


@contextmanager
def small_server(engine: GatedEngine, figures: dict[str, float]) -> Iterator[str]:
    """Serve a model with a small queue, in which a text waits for a tenth of a second, and yield its URL.

    The server has a thread of its own, because the browser's driver keeps the test's.

    Args:
        engine: of the model; its gate is opened at the end.
        figures: gets those of the queue at the end.
    """
    urls: list[str] = []
    started = threading.Event()

    async def serve() -> None:
        async with classifying(engine, make_manifest(THREE), LIMITS) as (classifier, metrics):
            app = create_app(make_settings(request_timeout_s=0.1), classifier)
            async with listening(app) as (host, port):
                urls.append(f"http://{host}:{port}")
                started.set()
                await asyncio.to_thread(ended.wait)
            figures.update(read_figures(metrics.render()))

    ended = threading.Event()
    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert started.wait(PATIENCE_S)
        yield urls[0]
    finally:
        engine.open()
        ended.set()
        thread.join()


def watch_parts(page: "Page") -> list[int]:
    """Return the rows of each part that the page sends from now on."""
    sizes: list[int] = []

    def record(request: object) -> None:
        if request.url.endswith("/predict/stream"):  # type: ignore[attr-defined]  # playwright's own
            sizes.append(len((request.post_data or "").splitlines()))  # type: ignore[attr-defined]  # as above

    page.on("request", record)
    return sizes


def test_a_server_without_room_slows_the_page_down_and_loses_no_row(open_page: OpenPage) -> None:
    """While the model answers nothing, the server sheds and the page says so; then every row has its own answer."""
    engine, figures = GatedEngine(CountingEngine()), dict[str, float]()
    with small_server(engine, figures) as url:
        page = open_page(f"{url}/#/file")
        sizes = watch_parts(page)
        choose(page, "letters.csv", "\n".join(["text", *ROWS]).encode())
        page.get_by_role("button", name="Score all rows").click()
        expect(page.locator(".state.warn")).to_contain_text("The server is busy")
        engine.open()
        expect(page.locator(DONE)).to_be_visible(timeout=1000 * PATIENCE_S)
        assert ["1,200", "0"] == page.locator(".file-figures dd").all_text_contents()[:2]
        rows = list(csv.DictReader(io.StringIO(download(page, "Download CSV"), newline="")))
    assert (500, True) == (sizes[0], min(sizes) < 500)
    assert figures["verdict_shed_total{reason=timed_out}"] > 0
    assert ROWS == [row["text"] for row in rows]
    labels = [max(zip(map(text.split().count, "abc"), (3, 2, 1), THREE, strict=True))[2] for text in ROWS]
    assert labels == [row["label"] for row in rows]
