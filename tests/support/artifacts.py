"""Copies of the tiny artifact, whole or damaged in one place."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from artifact.manifest import MANIFEST, describe_file
from tests.support.tiny import TINY


def copy_tiny(directory: Path) -> Path:
    """Copy the tiny artifact and return its new directory."""
    return Path(shutil.copytree(TINY, directory, dirs_exist_ok=True))


def edit_manifest(directory: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    """Change the manifest in place, as JSON, and return the directory."""
    path = directory / MANIFEST
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))
    return directory


def replace_file(directory: Path, name: str, content: bytes) -> Path:
    """Replace a file and its manifest entry, so its checksum is right and only its content is wrong."""
    (directory / name).write_bytes(content)
    described = describe_file(directory / name).model_dump()

    def relist(document: dict[str, Any]) -> None:
        document["files"] = [described if file["path"] == name else file for file in document["files"]]

    return edit_manifest(directory, relist)
