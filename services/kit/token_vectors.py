"""The matrix of a text's token vectors, as it travels and is kept: little-endian float32, or bytes with one scale."""

import numpy as np
from ledge.model.v1 import model_pb2
from numpy.typing import NDArray

from services.kit.errors import InvalidInput

FLOAT32 = model_pb2.TokenVectors.FLOAT32
INT8 = model_pb2.TokenVectors.INT8


def pack(
    rows: NDArray[np.float32], encoding: model_pb2.TokenVectors.Encoding = INT8
) -> model_pb2.TokenVectors:
    """Rows of shape (tokens, dimensions) as a message. INT8 is off by at most half a `scale` an element."""
    dimensions = rows.shape[1]
    if encoding == FLOAT32:
        return model_pb2.TokenVectors(
            data=rows.astype("<f4", copy=False).tobytes(), dimensions=dimensions, encoding=FLOAT32
        )
    scale = float(np.abs(rows).max(initial=0.0)) / 127 or 1.0
    quantised = np.rint(rows / np.float32(scale)).astype(np.int8)
    return model_pb2.TokenVectors(data=quantised.tobytes(), dimensions=dimensions, encoding=INT8, scale=scale)


def unpack(vectors: model_pb2.TokenVectors, dimensions: int, name: str) -> NDArray[np.float32]:
    """The rows, shape (tokens, dimensions).

    Raises:
        InvalidInput: not `dimensions` wide, not a whole number of rows, not finite, or no such encoding.
    """
    if vectors.dimensions != dimensions:
        raise InvalidInput(f"{name}: the vectors have {vectors.dimensions} dimensions, the model has {dimensions}")
    if vectors.encoding == FLOAT32:
        rows = np.frombuffer(vectors.data, "<f4") if len(vectors.data) % 4 == 0 else None
    elif vectors.encoding == INT8:
        rows = np.frombuffer(vectors.data, np.int8)
    else:
        raise InvalidInput(f"{name}: the vectors have no known encoding")
    if rows is None or len(rows) % dimensions:
        raise InvalidInput(f"{name}: {len(vectors.data)} bytes are no whole number of rows of {dimensions} elements")
    if vectors.encoding == INT8:
        if not np.isfinite(vectors.scale) or vectors.scale <= 0:
            raise InvalidInput(f"{name}: the scale of the vectors is not a positive number")
        rows = rows.astype(np.float32) * np.float32(vectors.scale)
    if not np.isfinite(rows).all():
        raise InvalidInput(f"{name}: the vectors hold a number that is not finite")
    return rows.reshape(-1, dimensions)
