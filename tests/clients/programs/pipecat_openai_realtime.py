"""Pipecat's service for OpenAI's Realtime, in a pipeline: a question is spoken into it, and its answer kept."""

import asyncio
import json
import os
import sys
import wave

from loguru import logger
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InputAudioRawFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.openai.realtime.events import (
    AudioConfiguration,
    AudioInput,
    AudioOutput,
    InputAudioTranscription,
    SessionProperties,
    TurnDetection,
)
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.workers.runner import WorkerRunner

RATE_HZ = 24_000
PIECE_BYTES = 960
PARAMS = PipelineParams(audio_in_sample_rate=RATE_HZ, audio_out_sample_rate=RATE_HZ)


def question() -> list[InputAudioRawFrame]:
    """The question, and the silence that ends it."""
    with wave.open(f"{os.environ['SPEECH']}/pump_house.wav") as file:
        audio = file.readframes(file.getnframes()) + bytes(RATE_HZ * 4)
    pieces = [audio[start : start + PIECE_BYTES] for start in range(0, len(audio), PIECE_BYTES)]
    return [InputAudioRawFrame(audio=piece, sample_rate=RATE_HZ, num_channels=1) for piece in pieces]


class Witness(FrameProcessor):
    """Keeps what passes, both ways."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Frame] = []
        self.ended = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.frames.append(frame)
        if isinstance(frame, TTSStoppedFrame):
            self.ended.set()
        await self.push_frame(frame, direction)


async def main() -> dict[str, object]:
    properties = SessionProperties(
        audio=AudioConfiguration(
            input=AudioInput(
                transcription=InputAudioTranscription(), turn_detection=TurnDetection(silence_duration_ms=300)
            ),
            output=AudioOutput(voice="alloy"),
        ),
        instructions="Be brief.",
    )
    service = OpenAIRealtimeLLMService(
        api_key=os.environ["KEY"],
        base_url=f"{os.environ['URL'].replace('http', 'ws', 1)}/v1/realtime",
        settings=OpenAIRealtimeLLMService.Settings(session_properties=properties),
    )
    before, after = Witness(), Witness()
    worker = PipelineWorker(Pipeline([before, service, after]), params=PARAMS)
    started = asyncio.Event()

    @worker.event_handler("on_pipeline_started")
    async def on_started(*_: object) -> None:
        started.set()

    async def feed() -> None:
        await started.wait()
        for frame in question():
            await worker.queue_frame(frame)
        await after.ended.wait()
        await worker.queue_frame(EndFrame())

    runner = WorkerRunner()
    await runner.add_workers(worker)
    await asyncio.gather(runner.run(), asyncio.wait_for(feed(), 60))
    audio = b"".join(frame.audio for frame in after.frames if isinstance(frame, TTSAudioRawFrame))
    return {
        "heard": [frame.text for frame in before.frames if isinstance(frame, TranscriptionFrame)],
        "said": "".join(frame.text for frame in after.frames if isinstance(frame, TTSTextFrame)),
        "seconds": len(audio) / RATE_HZ / 2,
    }


logger.remove()
logger.add(sys.stderr, level="WARNING")
json.dump(asyncio.run(main()), sys.stdout)
