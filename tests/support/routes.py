"""Requests of a page that the browser does not let through as they are."""

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route


def hold_texts(page: "Page", pattern: str, word: str) -> "list[Route]":
    """Hold back the requests to a route whose text has a word; return them, as they come."""
    held: list[Route] = []

    def hold(route: "Route") -> None:
        if word in json.loads(route.request.post_data or "{}")["text"]:
            held.append(route)
        else:
            route.continue_()

    page.route(pattern, hold)
    return held


def refuse_once(page: "Page", pattern: str, message: str) -> None:
    """Answer the first request to a route with 429 and a second to wait."""
    refused: list[int] = []

    def refuse(route: "Route") -> None:
        if refused:
            route.continue_()
            return
        refused.append(429)
        error = {"kind": "overloaded", "message": message, "request_id": "1"}
        route.fulfill(status=429, json={"error": error}, headers={"retry-after": "1"})

    page.route(pattern, refuse)
