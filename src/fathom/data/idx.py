"""The idx format of MNIST: a magic number, the sizes of the axes, then the numbers, all big-endian.

Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits", section "File formats".
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from fathom.errors import DataError

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def parse(data: bytes, name: str = "idx data") -> np.ndarray:
    """The array that `data` holds, in native byte order.

    Args:
        data: a whole idx file, uncompressed.
        name: what to call it in an error.

    Raises:
        DataError: the header is not an idx header, or the length is not what the header says.
    """
    if len(data) < 4:
        raise DataError(f"{name}: expected an idx header of at least 4 bytes, got {len(data)}; fetch the file again")
    zeros, code, ndim = struct.unpack_from(">HBB", data)
    if zeros != 0 or code not in DTYPES:
        raise DataError(f"{name}: expected an idx magic number 0x0000..., got 0x{data[:4].hex()}; is it an idx file?")
    start = 4 + 4 * ndim
    if len(data) < start:
        raise DataError(f"{name}: expected a header of {start} bytes for {ndim} axes, got {len(data)}; it is truncated")
    shape = struct.unpack_from(f">{ndim}I", data, 4)
    dtype = np.dtype(DTYPES[code])
    expected = start + math.prod(shape) * dtype.itemsize
    if len(data) != expected:
        raise DataError(f"{name}: expected {expected} bytes for shape {shape}, got {len(data)}; fetch the file again")
    return np.frombuffer(data, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def dump(array: np.ndarray) -> bytes:
    """The idx file of `array`; `parse` gives it back.

    Raises:
        DataError: idx has no code for its dtype, or it has more than 255 axes.
    """
    big_endian = array.dtype.newbyteorder(">")
    codes = {np.dtype(text): code for code, text in DTYPES.items()}
    if big_endian not in codes:
        raise DataError(f"idx: expected one of {', '.join(text[1:] for text in DTYPES.values())}, got {array.dtype}")
    header = struct.pack(f">HBB{array.ndim}I", 0, codes[big_endian], array.ndim, *array.shape)
    return header + array.astype(big_endian).tobytes()


def read(path: Path) -> np.ndarray:
    """The array in the file `path`, compressed by gzip if its name ends in `.gz`.

    Raises:
        DataError: the file can't be read, unpacked or parsed.
    """
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: could not be unpacked ({error}); it is damaged, fetch it again") from error
    return parse(data, str(path))
