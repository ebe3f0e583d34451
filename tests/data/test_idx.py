import contextlib
import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from fathom.data import idx
from fathom.errors import DataError

DTYPES = ["u1", "i1", "i2", "i4", "f4", "f8"]


@given(
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: npst.arrays(
            dtype,
            npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
            elements=None if dtype[0] != "f" else st.floats(width=int(dtype[1]) * 8, allow_nan=False),
        )
    )
)
def test_what_is_dumped_comes_back(array):
    back = idx.parse(idx.dump(array))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_bytes_are_big_endian_as_the_format_says():
    data = struct.pack(">HBBIIhhhhhh", 0, 0x0B, 2, 2, 3, *range(1, 7))
    np.testing.assert_array_equal(idx.parse(data), [[1, 2, 3], [4, 5, 6]])


GOOD = idx.dump(np.zeros((2, 3), np.uint8))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "at least 4 bytes, got 0"),
        (b"\0\0\x08", "at least 4 bytes, got 3"),
        (b"\1\0\x08\1" + GOOD[4:], "magic number"),
        (b"\0\0\x07\1" + GOOD[4:], "magic number"),
        (GOOD[:7], "header of 12 bytes for 2 axes, got 7"),
        (GOOD[:-1], r"expected 18 bytes for shape \(2, 3\), got 17"),
        (GOOD + b"\0", r"expected 18 bytes for shape \(2, 3\), got 19"),
        (b"\0\0\x08\3" + b"\xff" * 12, "got 16"),
    ],
)
def test_malformed_bytes_are_refused_in_one_line(data, message):
    with pytest.raises(DataError, match=message) as caught:
        idx.parse(data)
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=40))
def test_any_bytes_are_parsed_or_refused(data):
    with contextlib.suppress(DataError):
        idx.parse(data)


def test_a_dtype_without_code_is_refused():
    with pytest.raises(DataError, match="got int64"):
        idx.dump(np.zeros(3, np.int64))


def test_truncated_gzip_is_refused_by_name(tmp_path):
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(GOOD)[:-9])
    with pytest.raises(DataError, match=r"x\.gz: could not be unpacked"):
        idx.read(path)


def test_a_plain_file_is_read_too(tmp_path):
    (tmp_path / "x").write_bytes(GOOD)
    assert idx.read(tmp_path / "x").shape == (2, 3)
