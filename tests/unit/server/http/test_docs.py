"""The interactive page of the API: offline, and with a strict policy."""

import re

import pytest

from server.app import create_app
from tests.support.classifiers import FakeClassifier
from tests.support.serving import check_error, make_settings, serving

pytestmark = pytest.mark.anyio


async def test_the_page_loads_everything_from_this_server() -> None:
    """Its scripts and its style are there, none stands in the page itself, and the document is found."""
    async with serving(create_app(make_settings(), FakeClassifier())) as client:
        page = await client.get("/docs")
        links = re.findall(r'(?:src|href)="([^"]*)"', page.text)
        files = {link: await client.get(f"/{link}") for link in links}
        document = re.search(r'url: "([^"]*)"', files["docs/start.js"].text)
        assert document
        assert "openapi" in (await client.get(f"/{document[1]}")).json()
    assert (200, "text/html; charset=utf-8") == (page.status_code, page.headers["content-type"])
    assert {200} == {file.status_code for file in files.values()}
    assert {"text/javascript", "text/css", "image/png"} == {
        file.headers["content-type"].partition(";")[0] for file in files.values()
    }
    assert "SwaggerUIBundle" in files["docs/swagger-ui-bundle.js"].text
    assert "//" not in page.text.replace("<!doctype html>", "")
    assert not re.search(r"<script>|<style|style=|onload", page.text)


async def test_the_policy_allows_no_other_origin_and_no_script_in_the_page() -> None:
    """Neither can the page be framed."""
    async with serving(create_app(make_settings(), FakeClassifier())) as client:
        policy = (await client.get("/docs")).headers["content-security-policy"]
    directives = dict(each.strip().split(" ", 1) for each in policy.split(";"))
    assert ("'none'", "'self'", "'self'", "'none'") == tuple(
        directives[name] for name in ("default-src", "script-src", "connect-src", "frame-ancestors")
    )
    assert not re.search(r"unsafe|http|\*", policy)


@pytest.mark.parametrize("name", ["main.py", "__init__.py", "..%2fmain.py"])
async def test_no_other_file_is_served(name: str) -> None:
    """Only those that the page needs."""
    async with serving(create_app(make_settings(), FakeClassifier())) as client:
        check_error(await client.get(f"/docs/{name}"), 404, "not_found")
