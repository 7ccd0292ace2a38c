"""What the command names -> input files, and the names of their outputs.

Owns which files belong to a folder or pattern, and that no two of them share an output. Reads no row.
"""

import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Final, Literal

from pyarrow import NativeFile, fs, input_stream

from bulk.errors import UsageError
from bulk.files.storage import Entry, Folder, file_system

SUFFIXES: Final = (".parquet", ".csv", ".tsv", ".jsonl", ".ndjson", ".txt")
COMPRESSIONS: Final = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}
_WILDCARD: Final = re.compile(r"[*?\[]")
_BUFFER_BYTES: Final = 2**20


@dataclass(frozen=True)
class InputFile:
    """A file of rows, local or in an object store; ``training.reading`` reads it as a ``DataFile``.

    Attributes:
        url: where it is.
        name: its path below what the command names; unique in a run.
        size: bytes, compressed as it is.
        mark: changes with its content.
    """

    url: str
    name: str
    size: int
    mark: str

    def __str__(self) -> str:
        return self.url

    @cached_property
    def suffix(self) -> str:
        """Its format, such as ``.csv``, in small letters and without a compression."""
        return _suffix(self.name)

    @property
    def compression(self) -> str | None:
        """What it is compressed with; None if it is not."""
        return COMPRESSIONS.get(PurePosixPath(self.name).suffix.lower())

    @property
    def stem(self) -> str:
        """Its name without format and compression."""
        name = self.name[: -len(PurePosixPath(self.name).suffix)] if self.compression else self.name
        return name[: -len(PurePosixPath(name).suffix)]

    def open(self, mode: Literal["rb"] = "rb", /) -> io.BufferedReader:
        """Open its content at the start, without its compression."""
        system, path = file_system(self.url)
        stream = system.open_input_stream(path, compression=None, buffer_size=_BUFFER_BYTES)
        if self.compression:
            stream = input_stream(stream, compression=self.compression)
        return io.BufferedReader(stream, _BUFFER_BYTES)

    def open_anywhere(self) -> NativeFile:
        """Open it for reading in any order; for Parquet."""
        system, path = file_system(self.url)
        return system.open_input_file(path)


@dataclass(frozen=True, slots=True)
class Inputs:
    """The files of a run.

    Attributes:
        files: in order of their names.
        left_alone: names of files in a folder or pattern that hold no rows.
    """

    files: tuple[InputFile, ...]
    left_alone: tuple[str, ...]

    def outputs(self, format_: str) -> dict[str, str]:
        """Return the name of each file's output by its own name; files that would share one keep their suffixes."""
        wanted = Counter(file.stem for file in self.files)
        return {file.name: f"{file.stem if wanted[file.stem] == 1 else file.name}.{format_}" for file in self.files}


def find(named: Sequence[str]) -> Inputs:
    """Return the files that paths, folders, patterns or URLs name.

    Raises:
        UsageError: if one of them names no file of rows, or two files the same output.
    """
    files: dict[str, InputFile] = {}
    left_alone: list[str] = []
    for name in named:
        for file in _named(name):
            if not _suffix(file.name):
                left_alone.append(file.name)
            elif file.name in files and files[file.name].url != file.url:
                raise UsageError(
                    f"{files[file.name].url} and {file.url} are both {file.name} below what you named; "
                    "name a folder above both, or score them in two runs"
                )
            else:
                files[file.name] = file
    if not files:
        also = f"; it holds {', '.join(left_alone[:3])}, which are none of these" if left_alone else ""
        raise UsageError(f"{' '.join(named)} names no {', '.join(SUFFIXES)} file, compressed or not{also}")
    return Inputs(tuple(files[name] for name in sorted(files)), tuple(left_alone))


def _named(name: str) -> Iterable[InputFile]:
    if wildcard := _WILDCARD.search(name):
        folder, slash, _ = name[: wildcard.start()].rpartition("/")
        return _below(folder or slash or ".", _regular(name[len(folder + slash) :]))
    system, path = file_system(name)
    try:
        info = system.get_file_info(path)
    except OSError as error:
        raise UsageError(f"{name} cannot be looked up: {error}") from error
    if info.type == fs.FileType.Directory:
        return _below(name.rstrip("/"), None)
    if info.type == fs.FileType.NotFound:
        raise UsageError(f"{name} does not exist")
    own = path.rpartition("/")[2]
    if not _suffix(own):
        raise UsageError(
            f"{name} is none of {', '.join(SUFFIXES)}, compressed ({', '.join(COMPRESSIONS)}) or not; convert it"
        )
    return [InputFile(name, own, info.size, str(info.mtime_ns))]


def _below(folder: str, pattern: re.Pattern[str] | None) -> list[InputFile]:
    try:
        entries = Folder(folder).entries()
    except OSError as error:
        raise UsageError(f"{folder} cannot be listed: {error}") from error
    return [
        InputFile(f"{folder}/{entry.path}", entry.path, entry.size, entry.mark)
        for entry in entries
        if not _is_hidden(entry) and (pattern is None or pattern.fullmatch(entry.path))
    ]


def _is_hidden(entry: Entry) -> bool:
    return any(part.startswith((".", "_")) for part in entry.path.split("/"))


def _regular(pattern: str) -> re.Pattern[str]:
    """Return a pattern of a shell as a regular expression: ``*`` stays in a folder, ``**`` does not."""
    parts = []
    for part in re.findall(r"\*\*/?|\*|\?|\[[^]]+\]|.", pattern):
        known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(part)
        parts.append(known or (part.replace("[!", "[^", 1) if part.startswith("[") and part[1:] else re.escape(part)))
    return re.compile("".join(parts))


def _suffix(name: str) -> str:
    path = PurePosixPath(name.lower())
    if path.suffix in COMPRESSIONS:
        path = path.with_suffix("")
    compressed_parquet = path.suffix == ".parquet" and path.name != PurePosixPath(name.lower()).name
    return path.suffix if path.suffix in SUFFIXES and not compressed_parquet else ""
