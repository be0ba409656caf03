"""wyoming-faster-whisper, which the asr bench compares with: its environment, its process, its protocol."""

import contextlib
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from wyoming.asr import Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient

from services.cli.bench.asr_speech import RATE_HZ
from services.kit.errors import EngineFailed

NAME = "wyoming-faster-whisper 3.8.1"
ENVIRONMENT = Path(".venv-baselines")
REQUIREMENTS = Path(__file__).parent / "asr_baseline.txt"
READY_S = 60.0
STOP_S = 15.0
CHUNK_BYTES = 4096


def python() -> Path:
    """The environment's interpreter; makes the environment where there is none. Raises EngineFailed."""
    interpreter = ENVIRONMENT / "bin" / "python"
    made = ENVIRONMENT / ".made"
    if not made.exists():
        print(f"installing {NAME} into {ENVIRONMENT} …", file=sys.stderr)
        for command in (
            [sys.executable, "-m", "venv", str(ENVIRONMENT)],
            [str(interpreter), "-m", "pip", "install", "--quiet", "--no-input", "-r", str(REQUIREMENTS)],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise EngineFailed(f"{NAME} cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
        made.touch()
    return interpreter


@contextlib.contextmanager
def serving(model: Path, threads: int) -> Iterator[int]:
    """Its port; it has the model loaded. Raises EngineFailed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with TemporaryDirectory() as empty:
        options = {
            "--uri": f"tcp://127.0.0.1:{port}",
            "--model": str(model.absolute()),
            "--data-dir": empty,
            "--stt-library": "faster-whisper",
            "--language": "en",
            "--compute-type": "int8",
            "--cpu-threads": str(threads),
            "--beam-size": "1",
        }
        command = [str(python()), "-m", "wyoming_faster_whisper", "--local-files-only"]
        process = subprocess.Popen(
            command + [part for option in options.items() for part in option],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        last: deque[str] = deque(maxlen=3)
        ready = threading.Event()
        reader = threading.Thread(target=_read, args=(process, last, ready), daemon=True)
        reader.start()
        try:
            if not ready.wait(READY_S) or process.poll() is not None:
                raise EngineFailed(f"{NAME} does not start; its last words: {' | '.join(last) or '(none)'}")
            yield port
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            reader.join()
            if process.stderr is not None:
                process.stderr.close()


def _read(process: "subprocess.Popen[str]", last: deque[str], ready: threading.Event) -> None:
    for line in process.stderr or ():
        last.append(line.rstrip())
        if line.rstrip().endswith("Ready"):
            ready.set()
    ready.set()


async def transcribe(port: int, audio: bytes) -> str:
    """What it hears in samples of 16 bits at 16 kHz; a connection takes one utterance."""
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(AudioStart(RATE_HZ, 2, 1).event())
        for start in range(0, len(audio), CHUNK_BYTES):
            await client.write_event(AudioChunk(RATE_HZ, 2, 1, audio[start : start + CHUNK_BYTES]).event())
        await client.write_event(AudioStop().event())
        while (event := await client.read_event()) is not None:
            if Transcript.is_type(event.type):
                return Transcript.from_event(event).text
    raise EngineFailed(f"{NAME} closed the connection without a transcript")
