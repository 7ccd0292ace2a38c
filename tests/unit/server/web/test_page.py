"""The page's routes: who may load what, how it is kept, and how large it is."""

import re

import httpx
import pytest

from server.app import create_app
from server.web.page import STATIC, load_files
from tests.support.classifiers import FakeClassifier
from tests.support.serving import check_error, make_settings, serving

pytestmark = pytest.mark.anyio

FIRST_LOAD_BYTES = 80_000
IMPORTED = re.compile(r"""^(?:import|export)\b[^;]*?from "(\.[^"]+)";""", re.MULTILINE)


async def ask(path: str, method: str = "GET", headers: dict[str, str] | None = None, **settings: str) -> httpx.Response:
    """Send a request without a key."""
    async with serving(create_app(make_settings(**settings), FakeClassifier())) as client:
        return await client.request(method, path, headers=headers)


def links() -> list[str]:
    """Return the files that the page's HTML names."""
    return re.findall(r'(?:src|href)="static/([^"]*)"', (STATIC / "index.html").read_text())


def closure(names: list[str]) -> set[str]:
    """Return files and all modules that they import at once."""
    found: set[str] = set()
    while names:
        name = names.pop()
        if name not in found:
            found.add(name)
            names += [
                (STATIC / name).parent.joinpath(link).resolve().relative_to(STATIC).as_posix()
                for link in IMPORTED.findall(load_files()[name].content.decode())
            ]
    return found


async def test_the_page_and_its_files_need_no_key() -> None:
    """The page itself asks for the key of the data that it shows."""
    async with serving(create_app(make_settings(api_key="one"), FakeClassifier())) as client:
        answers = [await client.get(path) for path in ("/", *(f"/static/{link}" for link in links()))]
        check_error(await client.get("/info"), 401, "unauthorized")
    assert {200} == {answer.status_code for answer in answers}
    assert "text/html; charset=utf-8" == answers[0].headers["content-type"]
    assert {"text/css", "text/javascript", "image/svg+xml"} == {
        answer.headers["content-type"].partition(";")[0] for answer in answers[1:]
    }


async def test_the_policy_allows_nothing_of_another_origin_and_nothing_inline() -> None:
    """So a caller's text can not run as script, and the page can not be framed."""
    policy = (await ask("/")).headers["content-security-policy"]
    directives = dict(each.strip().split(" ", 1) for each in policy.split(";"))
    assert "'script'" == directives["require-trusted-types-for"]  # browsers then refuse HTML made of strings
    assert ("'none'", "'self'", "'self'", "'self'", "'none'") == tuple(
        directives[name] for name in ("default-src", "script-src", "style-src", "connect-src", "frame-ancestors")
    )
    assert not re.search(r"unsafe|http|\*", policy)
    assert not re.search(r"<script>|<style|style=|\son\w+=", (STATIC / "index.html").read_text())


@pytest.mark.parametrize("word", ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "://"])
def test_no_module_makes_html_of_strings_or_names_another_host(word: str) -> None:
    """Elements are built one by one; ``http://`` stands in the name space of SVG alone."""
    modules = {name: file.content.decode() for name, file in load_files().items() if not name.startswith("vendor/")}
    found = {name for name, text in modules.items() if word in text.replace("http://www.w3.org/2000/svg", "")}
    assert set() == found


async def test_a_file_is_not_sent_again_while_it_is_the_same() -> None:
    """The browser asks each time, and gets 304."""
    first = await ask("/static/js/main.js")
    again = await ask("/static/js/main.js", headers={"if-none-match": first.headers["etag"]})
    assert ("no-cache", 304, b"") == (first.headers["cache-control"], again.status_code, again.content)
    assert first.headers["etag"] != (await ask("/")).headers["etag"]


async def test_files_are_sent_in_gzip_to_those_who_take_it() -> None:
    """Others get them plain; the content is the same."""
    packed, plain = [
        await ask("/static/js/main.js", headers={"accept-encoding": coding}) for coding in ("gzip, br", "identity")
    ]
    assert ("gzip", None) == (packed.headers.get("content-encoding"), plain.headers.get("content-encoding"))
    assert (STATIC / "js/main.js").read_text() == packed.text == plain.text
    assert "accept-encoding" == packed.headers["vary"]


async def test_reading_the_page_leaves_posting_to_the_protocols() -> None:
    """``POST /`` is Hugging Face's; HEAD is answered like GET, without the body."""
    async with serving(create_app(make_settings(), FakeClassifier())) as client:
        assert 200 == (await client.post("/", json={"inputs": "good"})).status_code
        head = await client.head("/")
    assert (200, b"") == (head.status_code, head.content)
    check_error(await ask("/", "POST", protocols="none"), 404, "not_found")


@pytest.mark.parametrize("path", ["/", "/static/js/main.js"])
async def test_the_page_can_be_turned_off(path: str) -> None:
    """Then its routes are unknown."""
    check_error(await ask(path, page="off", protocols="none"), 404, "not_found")


@pytest.mark.parametrize("name", ["../page.py", "..%2fpage.py", "js/", "vendor/hyparquet/README.md", "none.js"])
async def test_no_other_file_is_served(name: str) -> None:
    """Only those of the page, by their names."""
    check_error(await ask(f"/static/{name}"), 404, "not_found")


def test_the_first_load_is_small() -> None:
    """Page, styles and the modules of the first view are under 80 KB in gzip; other views are loaded when opened."""
    names = closure(["index.html", *links(), "js/views/try.js"])
    assert {"js/dom.js", "js/answer.js"} < names
    assert FIRST_LOAD_BYTES > sum(len(load_files()[name].compressed) for name in names)


def test_all_files_take_less_than_a_megabyte() -> None:
    """They stay in memory, compressed, for as long as the server runs."""
    assert 1_000_000 > sum(len(file.compressed) for file in load_files().values())
