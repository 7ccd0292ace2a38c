"""Folders and files on this machine and in object stores, by URL.

Owns which URLs there are, and that a file appears whole or not at all: a local one is written elsewhere in its folder,
flushed to the disk and renamed; an object store shows an upload when it is complete. Credentials, regions and
endpoints come from each store's own environment variables (``AWS_…``, ``GOOGLE_APPLICATION_CREDENTIALS``,
``AZURE_STORAGE_ACCOUNT``, ``HF_TOKEN``).
"""

import functools
import io
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from pyarrow import fs

from bulk.errors import UsageError

SCHEMES: Final = ("s3://", "gs://", "az://", "abfs://", "hf://datasets/")
SCRATCH: Final = "_bulk"
"""Below this, a local folder holds files that are being written; one that a crash left there goes with the folder."""
_CHUNK_BYTES: Final = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in a listing: its path below the folder, its size in bytes, and a mark that changes with its content."""

    path: str
    size: int
    mark: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder by URL or local path; it need not exist.

    Args:
        url: without a slash at its end.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def child(self, name: str) -> str:
        """Return the URL of what is in it."""
        return f"{self.url}/{name}"

    def entries(self, below: str = "") -> list[Entry]:
        """Return the files in it, or below one of its folders, in order of their paths; none if it does not exist."""
        system, root = file_system(self.url)
        selector = fs.FileSelector(f"{root}/{below}".rstrip("/"), allow_not_found=True, recursive=True)
        try:
            found = system.get_file_info(selector)
        except FileNotFoundError:  # something was removed meanwhile
            return self.entries(below)
        files = (info for info in found if info.type == fs.FileType.File)
        return sorted(
            (Entry(info.path[len(root) + 1 :], info.size, str(info.mtime_ns)) for info in files),
            key=lambda entry: entry.path,
        )

    def read(self, name: str) -> bytes | None:
        """Return a file's content, None if there is no such file."""
        system, path = file_system(self.child(name))
        if system.get_file_info(path).type != fs.FileType.File:
            return None
        with system.open_input_stream(path) as stream:
            return bytes(stream.read())

    def write(self, name: str, content: bytes) -> None:
        """Write or replace a file; it appears whole."""
        self._put(name, io.BytesIO(content))

    def upload(self, name: str, source: Path) -> None:
        """Write or replace a file with the content of a local one; it appears whole."""
        with source.open("rb") as stream:
            self._put(name, stream)

    def remove(self, name: str) -> None:
        """Remove a file in it, or a folder and all that is below; none is fine."""
        system, path = file_system(self.child(name))
        kind = system.get_file_info(path).type
        if kind == fs.FileType.Directory:
            system.delete_dir(path)
        elif kind == fs.FileType.File:
            system.delete_file(path)

    def _put(self, name: str, content: IO[bytes]) -> None:
        system, path = file_system(self.child(name))
        if not isinstance(system, fs.LocalFileSystem):
            with system.open_output_stream(path) as stream:
                for chunk in _chunks(content):
                    stream.write(chunk)
            return
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(file_system(self.child(SCRATCH))[1])
        scratch.mkdir(parents=True, exist_ok=True)
        beside = scratch / uuid.uuid4().hex
        with beside.open("wb") as stream:
            shutil.copyfileobj(content, stream, _CHUNK_BYTES)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(target)


def file_system(url: str) -> tuple[fs.FileSystem, str]:
    """Return the file system of a URL or local path, and the path in it.

    Raises:
        UsageError: if there is none for the URL.
    """
    scheme, separator, path = url.partition("://")
    if not separator:
        return _local(), os.path.abspath(os.path.expanduser(url))  # noqa: PTH100, PTH111 - keeps ** of a pattern as it is
    if scheme == "file":
        return _local(), path
    try:
        return _remote(scheme, path.partition("/")[0]), path.rstrip("/")
    except KeyError as error:
        raise UsageError(f"{url}: set {error.args[0]} to the account that holds the container") from None


@functools.cache
def _local() -> fs.LocalFileSystem:
    return fs.LocalFileSystem()


@functools.cache
def _remote(scheme: str, first: str) -> fs.FileSystem:
    if scheme in {"s3", "s3a"}:
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        return fs.S3FileSystem(endpoint_override=endpoint)  # arrow reads all others of the AWS variables itself
    if scheme in {"gs", "gcs"}:
        return fs.GcsFileSystem()
    if scheme in {"abfs", "abfss"} and "@" in first:
        return fs.FileSystem.from_uri(f"{scheme}://{first}/")[0]
    if scheme in {"az", "abfs", "abfss"}:
        return fs.AzureFileSystem(account_name=os.environ["AZURE_STORAGE_ACCOUNT"])
    if scheme == "hf":
        return fs.FileSystem.from_uri("hf://datasets/")[0]
    raise UsageError(f"{scheme}:// is none of {', '.join(SCHEMES)}; copy the data to one of them or to a local folder")


def _chunks(content: IO[bytes]) -> Iterator[bytes]:
    while chunk := content.read(_CHUNK_BYTES):
        yield chunk
