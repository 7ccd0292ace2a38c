"""Rewrites: changes of a graph that leave its answers as they are.

One module per rewrite. ``FLOAT`` runs before quantization, ``QUANTIZED`` after it, both in order and through
``apply``, which drops a rewrite that does not find its pattern, breaks the graph or changes an answer.
"""

from typing import Final

from export.rewrites.apply import Rewrite
from export.rewrites.attention import open_attention
from export.rewrites.constants import fold_products, take_branches
from export.rewrites.embeddings import fix_token_types, slice_positions
from export.rewrites.first_token import read_first_token
from export.rewrites.flat_products import open_flat_products
from export.rewrites.fuse_attention import fuse_attention
from export.rewrites.mask import mask_keys
from export.rewrites.padding import skip_padding
from export.rewrites.rotate import fuse_rotations
from export.rewrites.split_products import split_products

FLOAT: Final[tuple[Rewrite, ...]] = (
    take_branches,
    fold_products,
    fix_token_types,
    slice_positions,
    open_attention,
    open_flat_products,
    split_products,
    fuse_rotations,
    fuse_attention,
    read_first_token,
    mask_keys,
)
QUANTIZED: Final[tuple[Rewrite, ...]] = (skip_padding,)
