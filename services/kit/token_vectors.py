"""The matrix of a text's token vectors, as it travels and is kept: little-endian float32, or bytes with one scale."""

import math
from dataclasses import dataclass

import numpy as np
from ledge.model.v1 import model_pb2
from numpy.typing import NDArray

from services.kit.errors import InvalidInput

FLOAT32 = model_pb2.TokenVectors.FLOAT32
INT8 = model_pb2.TokenVectors.INT8


@dataclass(frozen=True, slots=True)
class TokenMatrix:
    """Token vectors in the form they came in; what they mean is `rows` times `scale`."""

    rows: NDArray[np.float32] | NDArray[np.int8]
    """Shape (tokens, dimensions)."""
    scale: float = 1.0
    """Positive."""

    def to_float32(self) -> NDArray[np.float32]:
        return self.rows.astype(np.float32) * np.float32(self.scale)


def quantised(rows: NDArray[np.float32]) -> TokenMatrix:
    """Rows as bytes: off by at most half a scale an element, where the scale is a 127th of the largest element."""
    scale = float(np.float32(np.abs(rows).max(initial=0.0) / 127)) or 1.0
    return TokenMatrix(np.rint(rows / np.float32(scale)).astype(np.int8), scale)


def pack(rows: NDArray[np.float32], encoding: model_pb2.TokenVectors.Encoding = INT8) -> model_pb2.TokenVectors:
    """Rows of shape (tokens, dimensions) as a message."""
    dimensions = rows.shape[1]
    if encoding == FLOAT32:
        data = rows.astype("<f4", copy=False).tobytes()
        return model_pb2.TokenVectors(data=data, dimensions=dimensions, encoding=FLOAT32)
    matrix = quantised(rows)
    return model_pb2.TokenVectors(data=matrix.rows.tobytes(), dimensions=dimensions, encoding=INT8, scale=matrix.scale)


def unpack(vectors: model_pb2.TokenVectors, dimensions: int, name: str) -> TokenMatrix:
    """The matrix of a message, without a copy. Whether float32 elements are finite is for the reader to see.

    Raises:
        InvalidInput: not `dimensions` wide, not a whole number of rows, a bad scale, or no such encoding.
    """
    if vectors.dimensions != dimensions:
        raise InvalidInput(f"{name}: the vectors have {vectors.dimensions} dimensions, the model has {dimensions}")
    data = vectors.data
    match vectors.encoding:
        case model_pb2.TokenVectors.INT8:
            element_bytes, kind, scale = 1, "i1", vectors.scale
        case model_pb2.TokenVectors.FLOAT32:
            element_bytes, kind, scale = 4, "<f4", 1.0
        case _:
            raise InvalidInput(f"{name}: the vectors have no known encoding")
    if len(data) % (dimensions * element_bytes):
        raise InvalidInput(f"{name}: {len(data)} bytes are no whole number of rows of {dimensions} elements")
    if not 0 < scale < math.inf:
        raise InvalidInput(f"{name}: the scale of the vectors is not a positive number")
    return TokenMatrix(np.frombuffer(data, kind).reshape(-1, dimensions), scale)
