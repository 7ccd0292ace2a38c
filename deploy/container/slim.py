"""``python slim.py VENV``: remove files from an installed environment that the server never imports or loads.

Licences and metadata stay, so that a bill of materials still lists every package. Libraries keep all instructions and
constants: only bytes behind the last one that the dynamic loader maps are cut.
"""

import shutil
import struct
import sys
from pathlib import Path

_UNUSED = (
    "onnxruntime/capi/libonnxruntime.so.*",  # the C library, which is already linked into the Python binding
    "onnxruntime/backend",  # tools that create models; the server only runs models
    "onnxruntime/datasets",
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/transformers",
    "numpy/_core/_simd.*",  # numpy's own tests
    "numpy/_core/*_tests.*",
    "numpy/distutils",
    "numpy/f2py",
    "numpy/fft",  # numpy imports these on first use, and the server never uses them
    "numpy/ma",
    "numpy/polynomial",
    "numpy/random",
    "numpy/testing",
    "**/tests",
    "**/include",  # read only by compilers and type checkers
    "**/*.a",
    "**/*.c",
    "**/*.h",
    "**/*.pxd",
    "**/*.pyi",
    "**/*.pyx",
)


def main(venv: Path) -> None:
    """Slim the environment and print its size before and after."""
    packages = next(venv.glob("lib/python*/site-packages"))
    before = _size(venv)
    for pattern in _UNUSED:
        for path in list(packages.glob(pattern)):
            _remove(path)
    for command in (venv / "bin").iterdir():
        if not command.is_symlink():  # the server is started as a module
            _remove(command)
    for library in packages.rglob("*.so*"):
        library.write_bytes(mapped(library.read_bytes()))
    print(f"{venv}: {before / 1e6:.0f} MB, now {_size(venv) / 1e6:.0f} MB")  # noqa: T201 - read in the build's log


def mapped(library: bytes) -> bytes:
    """Return a shared library without its symbol tables for linkers and debuggers, which no process maps.

    Works on 64-bit little-endian ELF (x86-64, AArch64); other files are returned unchanged. Layout as in elf(5).
    """
    if library[:6] != b"\x7fELF\x02\x01":
        return library
    (segments_at,) = struct.unpack_from("<Q", library, 32)
    size, count = struct.unpack_from("<HH", library, 54)
    end = 64
    for index in range(count):
        offset, _, _, length = struct.unpack_from("<QQQQ", library, segments_at + index * size + 8)
        end = max(end, offset + length)
    kept = bytearray(library[:end])
    struct.pack_into("<Q", kept, 40, 0)  # offset, entries and names of the section table
    struct.pack_into("<HH", kept, 60, 0, 0)
    return bytes(kept)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
