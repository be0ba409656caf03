"""Plays samples while they come, by whichever player this machine has."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable

from services.kit.errors import EngineFailed, NotReady

PLAYERS: dict[str, Callable[[int], list[str]]] = {
    "paplay": lambda rate_hz: ["--raw", f"--rate={rate_hz}", "--format=s16le", "--channels=1"],
    "aplay": lambda rate_hz: ["-q", "-t", "raw", "-f", "S16_LE", "-r", str(rate_hz), "-c", "1", "-"],
    "ffplay": lambda rate_hz: [*"-nodisp -autoexit -loglevel error -f s16le -ar".split(), str(rate_hz), "-i", "-"],
}
"""The command line of each for 16-bit mono samples on its standard input; in the order they are looked for."""


def find_player() -> str:
    """Raises NotReady where there is none."""
    for name in PLAYERS:
        if shutil.which(name):
            return name
    raise NotReady(
        f"this machine has no player ({', '.join(PLAYERS)}): install one (`apt-get install alsa-utils`), or name a "
        "file with -o"
    )


async def play(player: str, rate_hz: int, pieces: AsyncIterator[bytes]) -> None:
    """Waits until all was heard. Raises EngineFailed where the player fails."""
    process = await asyncio.create_subprocess_exec(
        player, *PLAYERS[player](rate_hz), stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    if process.stdin is None or process.stderr is None:
        raise EngineFailed(f"{player} has no pipes")
    complaints = asyncio.create_task(process.stderr.read())
    try:
        async for piece in pieces:
            process.stdin.write(piece)
            # As fast as it plays: what is not heard yet need not be spoken.
            await process.stdin.drain()
        process.stdin.close()
        await process.wait()
    except ConnectionError:
        await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        told = (await complaints).decode(errors="replace").strip().splitlines()
        raise EngineFailed(f"{player} failed: {told[-1] if told else f'exit {process.returncode}'}")
