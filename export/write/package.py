"""Package: replaces an artifact directory as a whole, or leaves it as it was.

The new artifact is written beside the target and renamed onto it. A directory that is not an artifact is never
overwritten.
"""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from artifact.digest import manifest_digest
from artifact.manifest import MANIFEST, ArtifactError, Manifest, load_artifact, write_manifest
from export.errors import ExportError

REPORT = "report"
_VERSION_CHARS: Final = 12


def check_replaceable(directory: Path) -> None:
    """Refuse a target that is neither empty nor an artifact.

    Raises:
        ExportError: if it exists, is not empty and has no manifest.
    """
    if not directory.exists():
        return
    if not directory.is_dir():
        raise ExportError(f"{directory} is a file; name a directory")
    if any(directory.iterdir()) and not (directory / MANIFEST).is_file():
        raise ExportError(f"{directory} is not empty and not an artifact; name another directory")


def versioned(manifest: Manifest) -> Manifest:
    """Return a manifest whose version is the beginning of its digest: another one whenever an answer may change."""
    return manifest.model_copy(update={"version": manifest_digest(manifest.model_dump(mode="json"))[:_VERSION_CHARS]})


def write_atomically(directory: Path, write: Callable[[Path], Manifest]) -> None:
    """Write an artifact beside ``directory``, check it as the server does, and rename it into place.

    Args:
        directory: of the new artifact; an artifact that is there is replaced.
        write: fills a directory with all files except the manifest, and returns the manifest.

    Raises:
        ExportError: if ``directory`` is not an artifact, or the new one does not pass the server's checks.
    """
    check_replaceable(directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        manifest = write(staging)
        write_manifest(staging, manifest)
        load_artifact(staging)
        staging.chmod(0o755)  # mkdtemp makes it private
        _swap(staging, directory)
    except ArtifactError as error:
        raise ExportError(f"the written directory is not an artifact: {error}. This is a bug.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _swap(new: Path, directory: Path) -> None:
    """Rename ``new`` onto ``directory``; the old one is renamed first, and restored if that fails."""
    aside = new.with_name(new.name + ".old")
    if directory.exists():
        directory.rename(aside)
    try:
        new.rename(directory)
    except OSError:
        if aside.exists():
            aside.rename(directory)
        raise
    shutil.rmtree(aside, ignore_errors=True)
