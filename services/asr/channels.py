"""Makes one channel of several."""

import numpy as np
from numpy.typing import NDArray

CANCELLED = 0.01
"""A mean with less than this share of the loudest channel's power has cancelled out: recordings of one microphone with
one channel the other way round do, and their mean is silence."""


def mixed(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of the channels, or the loudest of them where they cancel each other out.

    Args:
        samples: (samples, channels).
    """
    if samples.shape[1] == 1 or not len(samples):
        return samples[:, 0]
    mean: NDArray[np.float32] = samples.mean(axis=1, dtype=np.float32)
    powers = np.einsum("ij,ij->j", samples, samples)
    loudest = int(powers.argmax())
    return samples[:, loudest] if float(mean @ mean) < CANCELLED * float(powers[loudest]) else mean
