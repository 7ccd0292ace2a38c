"""``python build_args.py [MODEL]``: print the build arguments for this tree and its model.

One ``--build-arg NAME=value`` per line: the image's labels, and the time of the revision (SOURCE_DATE_EPOCH) for
builders that use it instead of the current time. Run it in the root of the repository.
"""

import json
import os
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path


def main(model: str) -> int:
    """Print the arguments; return the exit code."""
    try:
        manifest = json.loads((Path(model) / "manifest.json").read_text())
        labels = {"MODEL_NAME": manifest["name"], "MODEL_VERSION": manifest["version"]}
    except (OSError, ValueError, KeyError) as error:
        print(f"MODEL={model} is not an artifact: {error}; make export writes one", file=sys.stderr)  # noqa: T201 - for people
        return 1
    if Path("models").resolve() not in Path(model).resolve().parents:
        print(f"MODEL={model} is not below models/: the build sees nothing else; copy it there", file=sys.stderr)  # noqa: T201 - for people
        return 1
    changed = "-changed" if _git("status", "--porcelain", "--", "server", "requirements", "Dockerfile", model) else ""
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct") or 0)
    arguments = {
        "MODEL": model,
        "VERSION": tomllib.loads(Path("pyproject.toml").read_text())["project"]["version"],
        "REVISION": (_git("rev-parse", "HEAD") or "unknown") + changed,
        "CREATED": datetime.fromtimestamp(epoch, UTC).isoformat(),
        "SOURCE_DATE_EPOCH": str(epoch),
        **labels,
    }
    for name, value in arguments.items():
        print(f"--build-arg {name}={value}")  # noqa: T201 - make reads it
    return 0


def _git(*arguments: str) -> str:
    """Return the output of git, or an empty string outside a repository."""
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603, S607 - the developer's git
    except (OSError, subprocess.CalledProcessError):
        return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "models/default"))
