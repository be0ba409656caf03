"""Token vectors survive the journey: exactly as float32, within half a scale as bytes; anything else is refused."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from ledge.model.v1 import model_pb2

from services.kit.errors import InvalidInput
from services.kit.token_vectors import FLOAT32, INT8, pack, unpack

MATRICES = arrays.arrays(
    np.float32,
    st.tuples(st.integers(0, 20), st.integers(1, 16)),
    elements=st.floats(-1, 1, width=32, allow_nan=False),
)


@given(MATRICES)
def test_float32_arrives_as_it_was_sent(rows: np.ndarray) -> None:
    arrived = unpack(pack(rows, FLOAT32), rows.shape[1], "x")
    np.testing.assert_array_equal(arrived.to_float32(), rows)


@given(MATRICES)
def test_bytes_are_off_by_half_a_scale_at_most(rows: np.ndarray) -> None:
    message = pack(rows, INT8)
    arrived = unpack(message, rows.shape[1], "x").to_float32()
    assert arrived.shape == rows.shape
    assert len(message.data) == rows.size
    np.testing.assert_array_less(np.abs(arrived - rows), message.scale * 0.5001 + 1e-30)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dimensions": 3}, "3 dimensions"),
        ({"dimensions": 0}, "0 dimensions"),
        ({"data": b"12345"}, "whole number of rows"),
        ({"encoding": 0}, "encoding"),
        ({"encoding": 77}, "encoding"),
        ({"encoding": FLOAT32}, "whole number of rows"),
        ({"scale": 0.0}, "scale"),
        ({"scale": -1.0}, "scale"),
        ({"scale": math.nan}, "scale"),
        ({"scale": math.inf}, "scale"),
    ],
)
def test_a_matrix_that_makes_no_sense_is_the_callers_fault(change: dict[str, object], reason: str) -> None:
    fields = {"data": b"12345678", "dimensions": 4, "encoding": INT8, "scale": 0.5} | change
    with pytest.raises(InvalidInput, match=f"passage 2.*{reason}"):
        unpack(model_pb2.TokenVectors(**fields), 4, "passage 2")
