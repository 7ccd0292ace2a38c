r"""Give a checkpoint tokens of its own for emoji and emoticons.

    python -m training.emoji checkpoints/small --output checkpoints/readable

A BERT vocabulary has none: 👍 and 👎 are both the unknown token, and newer emoji are dropped without a trace. Each sign
of ``emoji.toml`` becomes a token. Its embedding starts as the mean of its name's word pieces, so a run needs few
examples of it. The normalizer removes skin tones, and BERT's own removes variation selectors and joiners. The tokens
are part of ``tokenizer.json``, so training, export, bulk scoring and server read alike. Run it before training.
"""

import argparse
import shutil
import sys
import tomllib
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import torch
import transformers
from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.normalizers import Normalizer, Replace
from tokenizers.normalizers import Sequence as Normalizers

from training.checkpoint.record import RECIPE
from training.learning.model import ModelError, load_tokenizer

_LIST: Final = Path(__file__).with_name("emoji.toml")
_SKIN_TONES: Final = "[\U0001f3fb-\U0001f3ff]"


class Sign(NamedTuple):
    """An emoji or emoticon.

    Attributes:
        text: its characters.
        name: what it shows, in lower-case words.
        share: of people who would call a text positive that has nothing else.
    """

    text: str
    name: str
    share: float


def signs() -> list[Sign]:
    """Return the signs of ``emoji.toml``, emoji first; each once."""
    lists = tomllib.loads(_LIST.read_text(encoding="utf-8"))
    emoji = [(sign, group["share"]) for group in lists["groups"] for sign in group["emoji"].split()]
    found = [Sign(sign, unicodedata.name(sign).lower(), share) for sign, share in dict(emoji).items()]
    return found + [Sign(sign, name, share) for sign, (name, share) in lists["emoticons"].items()]


def extend_tokenizer(tokenizer: Tokenizer) -> dict[int, str]:
    """Add the signs as tokens, and remove skin tones; return each new token's id with the name of the sign.

    ``:/`` and the like count only where no letter or digit touches them, so ``http://`` holds none.
    """
    known = tokenizer.get_vocab()
    new = [sign for sign in signs() if sign.text not in known]
    tokens = [AddedToken(sign.text, normalized=False, single_word=_touches_words(sign.text)) for sign in new]
    tokenizer.add_tokens(tokens)
    skin_tones: list[Normalizer] = [Replace(Regex(_SKIN_TONES), "")]
    tokenizer.normalizer = Normalizers(skin_tones + ([tokenizer.normalizer] if tokenizer.normalizer else []))
    return {tokenizer.token_to_id(sign.text): sign.name for sign in new}


def _touches_words(sign: str) -> bool:
    """Return whether a sign of ASCII characters may be part of ordinary text, such as ``:/`` in an address."""
    return sign.isascii() and not set(sign) <= set(":;-()'>")


def extend(location: str, output: Path) -> int:
    """Write the model with tokens for the signs of ``emoji.toml``; return how many are new.

    Args:
        location: a checkpoint or base model: directory, or name on the hub.
        output: directory to write.

    Raises:
        ModelError: if the model cannot be loaded.
    """
    tokenizer = load_tokenizer(location)
    try:
        model = transformers.AutoModelForSequenceClassification.from_pretrained(location, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise ModelError(f"{location} cannot be loaded as a classifier: {error}") from error
    before = tokenizer.backend_tokenizer
    pieces = {sign.name: before.encode(sign.name, add_special_tokens=False).ids for sign in signs()}
    names = extend_tokenizer(before)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    embeddings = model.get_input_embeddings().weight
    with torch.no_grad():
        for token, name in names.items():
            embeddings[token] = embeddings[pieces[name]].mean(dim=0)
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)
    recipe = Path(location) / RECIPE
    if recipe.is_file():  # of a checkpoint that training wrote or restored
        shutil.copyfile(recipe, output / RECIPE)
    return len(names)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 1 with one line if the model cannot be loaded."""
    parser = argparse.ArgumentParser(
        prog="python -m training.emoji", description="Give a checkpoint tokens of its own for emoji and emoticons."
    )
    parser.add_argument("checkpoint", help="directory of a classifier, or name on the hub")
    parser.add_argument("--output", type=Path, required=True, help="directory to write; train from it")
    options = parser.parse_args(arguments)
    try:
        new = extend(options.checkpoint, options.output)
    except ModelError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"{new} new tokens: {options.output}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
