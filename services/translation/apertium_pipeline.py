"""apertium's programs for one direction, chained by pipes, each translating until its input ends.

The chain (a dozen programs, 200 MB) is started once. Sentences go in one after the other, each ended by a zero byte,
upon which every program passes on what it has (`-z`); several batches may be under way, as in a factory. Nothing
here goes through a shell. A chain that dies or falls silent fails what it held, is killed, and is not used again.

When one program dies those behind it end what they have, and pass on sentences that lack words. So each sentence ends
in a number of its own, which must come back, and an answer counts only while all programs live.
"""

import asyncio
import contextlib
import itertools
import shlex
import shutil
import socket
import subprocess
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from services.kit.errors import EngineFailed, NotFound

END = b"\0"
SENTENCE_END = b".[%d]"
"""Without an end of sentence the tagger waits for more; what stands in brackets is passed on as it is."""
MAX_ANSWER_BYTES = 2**20
"""Of a sentence."""


def read_stages(mode: Path) -> list[list[str]]:
    """The command lines of a `.mode` file, which is written as a pipeline of the shell with two parameters.

    Raises:
        NotFound: a program is not installed.
    """
    stages = []
    for line in mode.read_text().split("|"):
        # "$1" chooses how unknown words are marked: not at all. "$2" is for debugging.
        program, *arguments = (word for word in shlex.split(line.replace("$1", "-n").replace("$2", "")) if word)
        if shutil.which(program) is None:
            raise NotFound(f"{program} is not installed: run `apt-get install apertium apertium-lex-tools` (as root)")
        stages.append([program, "-z", *arguments])
    return stages


class Pipeline:
    """One chain of running programs; ended by `close`."""

    def __init__(self, stages: Sequence[Sequence[str]], timeout_s: float) -> None:
        self._stages = stages
        self._timeout_s = timeout_s
        self._programs: list[subprocess.Popen[bytes]] = []
        self._expected: deque[tuple[Sequence[int], asyncio.Future[list[bytes]]]] = deque()
        self._writers: list[asyncio.StreamWriter] = []
        self._reading: asyncio.Task[None] | None = None
        self._dead = False
        self._count = itertools.count()

    @property
    def alive(self) -> bool:
        return not self._dead

    async def start(self) -> None:
        # Sockets, of which asyncio makes streams; between the programs there are pipes.
        input_here, input_there = socket.socketpair()
        output_here, output_there = socket.socketpair()
        try:
            await asyncio.to_thread(self._spawn, input_there, output_there)
        except OSError as error:
            self._kill()
            raise EngineFailed(f"apertium cannot be started: {error.strerror}") from None
        finally:
            input_there.close()
            output_there.close()
        _, writer = await asyncio.open_unix_connection(sock=input_here)
        answers, other = await asyncio.open_unix_connection(sock=output_here, limit=MAX_ANSWER_BYTES)
        self._writers = [writer, other]
        self._reading = asyncio.create_task(self._read(answers))

    def _spawn(self, source: socket.socket, sink: socket.socket) -> None:
        feed: int = source.fileno()
        for number, stage in enumerate(self._stages):
            last = number == len(self._stages) - 1
            program = subprocess.Popen(  # noqa: S603 - what the package's own file says, word by word
                stage,
                stdin=feed,
                stdout=sink.fileno() if last else subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # An interrupt at the terminal is for the service, which then ends its programs.
                process_group=0,
            )
            if self._programs and self._programs[-1].stdout is not None:
                self._programs[-1].stdout.close()
            self._programs.append(program)
            if program.stdout is not None:
                feed = program.stdout.fileno()

    async def translate(self, texts: Sequence[bytes]) -> list[bytes]:
        """What comes out for each, in order. None may hold a zero byte.

        Raises:
            EngineFailed: a program died, or nothing came in time; the chain is dead.
        """
        if self._dead:
            raise EngineFailed("apertium's programs ended")
        answer: asyncio.Future[list[bytes]] = asyncio.get_running_loop().create_future()
        # In one go, so that what is written and what is expected are in the same order.
        numbers = [next(self._count) for _ in texts]
        self._expected.append((numbers, answer))
        pairs = zip(texts, numbers, strict=True)
        self._writers[0].write(b"".join(text + SENTENCE_END % number + END for text, number in pairs))
        try:
            async with asyncio.timeout(self._timeout_s):
                with contextlib.suppress(ConnectionError):
                    await self._writers[0].drain()
                return await answer
        except TimeoutError:
            self._die()
            raise EngineFailed(f"apertium did not answer within {self._timeout_s:g} s") from None

    async def _read(self, answers: asyncio.StreamReader) -> None:
        texts: list[bytes] = []
        try:
            while True:
                text = await answers.readuntil(END)
                numbers, answer = self._expected[0]
                texts.append(_without_end(text, numbers[len(texts)]))
                if len(texts) == len(numbers):
                    if any(program.poll() is not None for program in self._programs):
                        break
                    self._expected.popleft()
                    if not answer.done():
                        answer.set_result(texts)
                    texts = []
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, IndexError, ValueError):
            # Also for an answer to nothing, and for one without its end.
            pass
        self._die()

    def _die(self) -> None:
        self._dead = True
        self._kill()
        while self._expected:
            _, answer = self._expected.popleft()
            if not answer.done():
                answer.set_exception(EngineFailed("apertium's programs ended"))
                # Looked at, whether or not anybody still waits.
                answer.exception()

    def _kill(self) -> None:
        for program in self._programs:
            program.kill()

    async def close(self) -> None:
        """Ends the programs, and what still waits for them."""
        self._die()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        for writer in self._writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        await asyncio.to_thread(lambda: [program.wait() for program in self._programs])


def _without_end(answer: bytes, number: int) -> bytes:
    """Raises ValueError where the end that the sentence was given is not there."""
    end = b"[%d]" % number + END
    if not answer.endswith(end):
        raise ValueError("an answer lacks its end")
    # The generator may have put a full stop of the sentence's own in the place of ours.
    return answer.removesuffix(end).removesuffix(b".")
