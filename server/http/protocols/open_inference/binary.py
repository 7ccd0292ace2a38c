"""The binary form of BYTES tensors: each element is its length, four bytes little-endian, and then its bytes.

Source: Triton's "Binary Tensor Data Extension", which KServe has too. Both functions are pure.
"""

import struct
from collections.abc import Iterable
from typing import Final

from server.errors import InvalidRequestError

_LENGTH: Final = struct.Struct("<I")


def read_elements(data: bytes, count: int) -> list[bytes]:
    """Return the elements of a BYTES tensor.

    Args:
        data: all bytes of the tensor.
        count: elements that its shape promises.

    Raises:
        InvalidRequestError: if the bytes are not exactly so many elements.
    """
    elements = []
    start, size = 0, len(data)
    for index in range(count):
        begin = start + _LENGTH.size
        if begin > size:
            raise InvalidRequestError(f"the tensor's {size} bytes end after {index} of {count} elements")
        end = begin + int.from_bytes(data[start:begin], "little")
        if end > size:
            raise InvalidRequestError(
                f"element {index} is announced with {end - begin} bytes, and {size - begin} are left of the tensor"
            )
        elements.append(data[begin:end])
        start = end
    if start != size:
        raise InvalidRequestError(f"the tensor has {size - start} bytes behind its {count} elements")
    return elements


def write_elements(elements: Iterable[bytes]) -> bytes:
    """Return elements as the bytes of a BYTES tensor."""
    return b"".join(part for element in elements for part in (_LENGTH.pack(len(element)), element))
