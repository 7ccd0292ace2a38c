"""The undocumented names of uvicorn: they exist, and the table of them is complete."""

import ast
import asyncio
import inspect
import logging
from pathlib import Path
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from server.http import connection
from server.http.connection import UVICORN
from server.http.connection.protocol import BoundedProtocol
from server.http.connection.reading import LockedFlow

pytestmark = pytest.mark.anyio

MODULES = sorted(Path(connection.__path__[0]).glob("*.py"))


def _cycle() -> RequestResponseCycle:
    return RequestResponseCycle(
        scope={"type": "http", "method": "POST"},  # type: ignore[typeddict-item]  # as much as is needed
        transport=asyncio.Transport(),
        flow=FlowControl(asyncio.Transport()),
        logger=logging.getLogger(),
        access_logger=logging.getLogger(),
        access_log=False,
        default_headers=[],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=True,
        on_response=lambda: None,
    )


def _instances() -> dict[type, object]:
    """Return an instance of each class of uvicorn's, as on a connection that has begun a request."""
    protocol = HttpToolsProtocol(Config(lambda: None), ServerState(), {}, asyncio.get_running_loop())
    protocol.on_message_begin()
    return {
        HttpToolsProtocol: protocol,
        RequestResponseCycle: _cycle(),
        FlowControl: FlowControl(asyncio.Transport()),
    }


def _parameters(of: Any) -> str:
    return ", ".join(name for name in inspect.signature(of).parameters if name != "self")


async def test_uvicorn_has_all_that_the_server_uses_of_it() -> None:
    """The undocumented names exist, and their methods have the parameters that this server relies on."""
    instances = _instances()
    assert set(UVICORN) == set(instances)
    for owner, names in UVICORN.items():
        methods = [name for name in names if "(" in name]
        known = [
            f"{name}({_parameters(getattr(owner, name))})" for name in (each.partition("(")[0] for each in methods)
        ]
        assert methods == known
        for name in set(names) - set(methods):
            assert hasattr(instances[owner], name), f"{owner.__name__} of this uvicorn has no {name}"


SUBCLASSES = {"BoundedProtocol": (BoundedProtocol, HttpToolsProtocol), "LockedFlow": (LockedFlow, FlowControl)}


async def test_the_table_of_uvicorns_names_is_complete() -> None:
    """Every uvicorn name that the package uses is listed, and every listed name is used."""
    trees = [ast.parse(module.read_text()) for module in MODULES]
    used: dict[type, set[str]] = {owner: set() for owner in UVICORN}
    for path in (_path(node) for tree in trees for node in ast.walk(tree)):
        match path:
            case ["self", "cycle", name] | ["cycle", name]:
                used[RequestResponseCycle].add(name)
            case ["cycle" | "connection" | "self", "flow", name]:
                used[FlowControl].add(name)
            case ["connection", name]:
                used[HttpToolsProtocol].add(name)
    for node in (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        if node.name in SUBCLASSES:
            _, owner = SUBCLASSES[node.name]
            paths = [_path(part) for part in ast.walk(node)]
            used[owner] |= {path[1] for path in paths if len(path) == 2 and path[0] in {"self", "super"}}
    used[RequestResponseCycle] |= {"receive", "send"}  # its ``__self__`` is read
    for ours, owner in SUBCLASSES.values():
        own = set(vars(ours)) - set(vars(owner))
        methods = {name for name, value in vars(ours).items() if inspect.isfunction(value)}
        used[owner] = (used[owner] - own) | (methods - own)  # those that it overrides
    used = {owner: names & set(dir(_instances()[owner])) - {"__init__"} for owner, names in used.items()}
    assert {owner: {name.partition("(")[0] for name in names} for owner, names in UVICORN.items()} == used


def _path(node: ast.AST) -> list[str]:
    """Return the names of an expression such as ``self.cycle.keep_alive``, calls left out."""
    match node:
        case ast.Attribute(value, name):
            return [*_path(value), name]
        case ast.Call(function):
            return _path(function)
        case ast.Name(name):
            return [name]
    return []
