"""Tells speech from everything else, 32 ms at a time: Silero's detector, version 6, by ONNX Runtime.

Its file comes with the faster-whisper wheel, which is not imported.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from services.asr.engine import SAMPLE_RATE_HZ, Samples
from services.kit.errors import NotFound

FRAME_SAMPLES = 512
FRAME_S = FRAME_SAMPLES / SAMPLE_RATE_HZ
CONTEXT_SAMPLES, STATE_SHAPE = 64, (1, 1, 128)
BATCH_FRAMES = 512


class VoiceDetector:
    """The model, shared by all streams of an event loop; each has a `VoiceStream`.

    Raises NotFound where the model's file is missing.
    """

    def __init__(self, threads: int) -> None:
        package = find_spec("faster_whisper")
        if package is None or not package.submodule_search_locations:
            raise NotFound("the voice activity detector is not installed: run `pip install 'ledge[asr]'`")
        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = options.intra_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        self._session = onnxruntime.InferenceSession(
            Path(package.submodule_search_locations[0]) / "assets" / "silero_vad_v6.onnx",
            sess_options=options,
            providers=["CPUExecutionProvider"],
        )
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="vad")

    def stream(self) -> "VoiceStream":
        return VoiceStream(self._session, self._executor)

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)


class VoiceStream:
    """What the detector remembers of one stream; used by one task."""

    def __init__(self, session: onnxruntime.InferenceSession, executor: ThreadPoolExecutor) -> None:
        self._session = session
        self._executor = executor
        self._context = np.zeros(CONTEXT_SAMPLES, np.float32)
        self._hidden, self._cell = np.zeros(STATE_SHAPE, np.float32), np.zeros(STATE_SHAPE, np.float32)

    async def probabilities(self, samples: Samples) -> NDArray[np.float32]:
        """How likely each frame is speech; `samples` are whole frames of `FRAME_SAMPLES`."""
        loop = asyncio.get_running_loop()
        found = [np.zeros(0, np.float32)]
        for start in range(0, len(samples), BATCH_FRAMES * FRAME_SAMPLES):
            part = samples[start : start + BATCH_FRAMES * FRAME_SAMPLES]
            found.append(await loop.run_in_executor(self._executor, self._run, part))
        return np.concatenate(found)

    def _run(self, samples: Samples) -> NDArray[np.float32]:
        frames = samples.reshape(-1, FRAME_SAMPLES)
        before = np.concatenate([self._context[None], frames[:-1, -CONTEXT_SAMPLES:]])
        inputs = {"input": np.concatenate([before, frames], axis=1), "h": self._hidden, "c": self._cell}
        found, self._hidden, self._cell = self._session.run(None, inputs)
        self._context = frames[-1, -CONTEXT_SAMPLES:].copy()
        likely: NDArray[np.float32] = np.asarray(found, np.float32).reshape(-1)
        return likely
