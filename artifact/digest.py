"""The digest: one hash of a manifest and, through their hashes in it, of all files that it lists.

It covers all that changes an answer: graph, tokenizer, labels and their order, temperature, truncation, session. A new
artifact's version is its beginning. It does not cover the version itself, nor evaluations, which are added later.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Final

_LEFT_OUT: Final = {"digest", "version", "evaluations"}


def manifest_digest(document: Mapping[str, object]) -> str:
    """Return the sha256, in hexadecimal, of a manifest as JSON with sorted keys and without spaces.

    Args:
        document: the manifest as it stands in its file, or as it will.
    """
    covered = {name: value for name, value in document.items() if name not in _LEFT_OUT}
    return hashlib.sha256(json.dumps(covered, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
