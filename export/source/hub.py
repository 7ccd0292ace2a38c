"""Hub: downloads a model from the Hugging Face hub: configuration, tokenizer and one form of the weights."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from export.errors import ExportError

_SETTINGS: Final = (
    "config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.txt", "vocab.json", "merges.txt", "bpe.codes", "spm.model", "spiece.model", "sentencepiece.bpe.model",
    "tokenizer.model", "adapter_config.json", "recipe.json",
)  # fmt: skip
_WEIGHTS: Final = (
    re.compile(r"(adapter_)?model(-\d+-of-\d+)?\.safetensors(\.index\.json)?"),
    re.compile(r"(pytorch|adapter)_model(-\d+-of-\d+)?\.bin(\.index\.json)?"),
)
"""Forms of the weights, the preferred one first."""
_OFFLINE: Final = "cannot be downloaded, because the hub was not reached, and no earlier download is cached"


def download(name: str, revision: str | None = None, *, endpoint: str | None = None) -> tuple[Path, str, str]:
    """Return the directory of a downloaded model, its commit, and a line that says what was downloaded.

    Without a network an earlier download is used.

    Args:
        name: of the model.
        revision: branch, tag or commit; the main branch where None.
        endpoint: of the hub; the public one where None.

    Raises:
        ExportError: if the hub has no such model or revision, or cannot be reached.
    """
    try:
        info = HfApi(endpoint=endpoint).model_info(name, revision=revision, files_metadata=True)
    except GatedRepoError as error:
        raise ExportError(f"{name} is gated: accept its terms on the hub and log in with `hf auth login`") from error
    except RevisionNotFoundError as error:
        raise ExportError(f"{name} has no revision {revision} on the hub") from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise ExportError(f"{name} is neither a directory here nor a model on the hub that you may read") from error
    except (HfHubHTTPError, OSError, ValueError):  # no network; requests' errors are OSErrors
        return _cached(name, revision)
    sizes = {item.rfilename: item.size or 0 for item in info.siblings or ()}
    wanted = wanted_files(sizes)
    size = sum(sizes[file] for file in wanted)
    directory = _fetch(
        name, lambda: snapshot_download(name, revision=revision, allow_patterns=wanted, endpoint=endpoint)
    )
    note = f"{name} at {directory.name[:12]}: {len(wanted)} of its {len(sizes)} files, {size / 1e6:.1f} MB"
    return directory, directory.name, note


def wanted_files(names: Iterable[str]) -> list[str]:
    """Return the files to download: settings and tokenizer, and the weights in the best form that there is."""
    names = sorted(names)
    for form in _WEIGHTS:
        weights = [name for name in names if form.fullmatch(name)]
        if weights:
            break
    return [*(name for name in names if name in _SETTINGS), *weights]


def _cached(name: str, revision: str | None) -> tuple[Path, str, str]:
    directory = _fetch(name, lambda: snapshot_download(name, revision=revision, local_files_only=True))
    return directory, directory.name, f"{name}: the hub was not reached; the cached {directory.name[:12]} is used"


def _fetch(name: str, work: Callable[[], str]) -> Path:
    try:
        return Path(work())
    except (LocalEntryNotFoundError, HFValidationError) as error:
        raise ExportError(f"{name} is no directory here and {_OFFLINE}") from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise ExportError(f"the download of {name} failed: {str(error).splitlines()[0][:200]}") from error
