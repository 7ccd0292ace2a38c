"""A real container registry on this machine, if Debian's docker-registry and a container engine are installed."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def why_no_registry() -> str:
    """Return why no image can be pushed to a real registry, or an empty string if it can."""
    if not shutil.which("docker-registry"):
        return "docker-registry, of Debian's package of that name, is not installed"
    if not shutil.which("docker") or subprocess.run(["docker", "version"], capture_output=True, check=False).returncode:  # noqa: S607 - wherever it is installed
        return "no container engine answers to docker"
    return ""


@contextmanager
def local_registry(folder: Path) -> Iterator[str]:
    """Run a registry on a free port for the duration of the block and yield HOST:PORT."""
    config = folder / "registry.yml"
    config.write_text(
        "version: 0.1\nlog: {level: info, formatter: text}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder / 'images'}}}}}\nhttp: {{addr: '127.0.0.1:0'}}\n"
    )
    command = ["docker-registry", "serve", str(config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if match := re.search(r"listening on (127\.0\.0\.1:\d+)", line):
                    yield match[1]
                    return
            raise AssertionError("the registry ended before it listened")
        finally:
            process.terminate()
