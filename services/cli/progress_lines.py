"""Progress for a log: a line when a file begins, when it ends, and every few seconds between."""

import time
from collections.abc import Callable

from services.kit.models import Progress, Watch
from services.kit.models.disk import readable

TELL_EVERY_S = 5.0


def progress_lines(tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> Watch:
    """A watch that tells lines of text.

    Args:
        tell: takes a line.
        clock: seconds.
    """
    told_s: dict[tuple[str, str, str], float] = {}

    def watch(progress: Progress) -> None:
        key = (progress.model, progress.stage, progress.file)
        ended = progress.total_bytes is not None and progress.done_bytes >= progress.total_bytes
        if key in told_s and not ended and clock() - told_s[key] < TELL_EVERY_S:
            return
        told_s[key] = clock()
        if progress.stage == "waiting":
            tell(f"{progress.model}: waiting for another process that brings it")
            return
        total = f" of {readable(progress.total_bytes)}" if progress.total_bytes is not None else ""
        tell(f"{progress.model}: {progress.stage} {progress.file}, {readable(progress.done_bytes)}{total}")

    return watch
