"""Pipecat's services for NVIDIA's speech, each in a pipeline: one speaks, one hears the stream, one hears segments."""

import asyncio
import json
import os
import sys

from loguru import logger
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InputAudioRawFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStoppedFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.nvidia.stt import NvidiaSegmentedSTTService, NvidiaSTTService
from pipecat.services.nvidia.tts import NvidiaTTSService
from pipecat.workers.runner import WorkerRunner

SAID = "The meeting begins at nine in the morning."
RATE_HZ = 16_000
PIECE_BYTES = 640
SERVER = {"server": os.environ["ADDRESS"], "use_ssl": False}
PARAMS = PipelineParams(audio_in_sample_rate=RATE_HZ, audio_out_sample_rate=RATE_HZ)


def audio_frames(audio: bytes) -> list[InputAudioRawFrame]:
    pieces = [audio[start : start + PIECE_BYTES] for start in range(0, len(audio), PIECE_BYTES)]
    return [InputAudioRawFrame(audio=piece, sample_rate=RATE_HZ, num_channels=1) for piece in pieces]


class Sink(FrameProcessor):
    """Keeps what comes out of a service, and says when the frame has come that ends it."""

    def __init__(self, last: type[Frame]) -> None:
        super().__init__()
        self.frames: list[Frame] = []
        self.ended = asyncio.Event()
        self._last = last

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.frames.append(frame)
        if isinstance(frame, self._last):
            self.ended.set()
        await self.push_frame(frame, direction)


async def run(service: FrameProcessor, frames: list[Frame], last: type[Frame]) -> list[Frame]:
    sink = Sink(last)
    worker = PipelineWorker(Pipeline([service, sink]), params=PARAMS)
    started = asyncio.Event()

    @worker.event_handler("on_pipeline_started")
    async def on_started(*_: object) -> None:
        started.set()

    async def feed() -> None:
        await started.wait()
        for frame in frames:
            await worker.queue_frame(frame)
        await sink.ended.wait()
        await worker.queue_frame(EndFrame())

    runner = WorkerRunner()
    await runner.add_workers(worker)
    await asyncio.gather(runner.run(), feed())
    return sink.frames


def texts(frames: list[object]) -> list[str]:
    return [frame.text for frame in frames if isinstance(frame, TranscriptionFrame)]


async def main() -> dict[str, object]:
    spoken = await run(NvidiaTTSService(**SERVER), [TTSSpeakFrame(SAID)], TTSStoppedFrame)
    audio = b"".join(frame.audio for frame in spoken if isinstance(frame, TTSAudioRawFrame))
    frames = audio_frames(audio + bytes(RATE_HZ * 2))
    streamed = await run(NvidiaSTTService(**SERVER), [*frames], TranscriptionFrame)
    speech = [VADUserStartedSpeakingFrame(), *frames, VADUserStoppedSpeakingFrame()]
    segmented = await run(NvidiaSegmentedSTTService(**SERVER), speech, TranscriptionFrame)
    return {"seconds": len(audio) / RATE_HZ / 2, "streamed": texts(streamed), "segmented": texts(segmented)}


logger.remove()
logger.add(sys.stderr, level="WARNING")
json.dump(asyncio.run(main()), sys.stdout)
