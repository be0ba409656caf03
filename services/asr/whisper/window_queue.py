"""The windows that wait: which are decoded next, which together, and which not at all."""

from services.asr.engine import Samples
from services.asr.whisper.window import Kind, Window


class WindowQueue:
    """Finals before early ones before partials; of a kind the earliest deadline first. Used by one event loop.

    Partials come in the order in which they were first asked for. Past its deadline one is stale, and is dropped when
    its turn comes; `renew` gives one that waits newer audio instead of a second place.
    """

    def __init__(self) -> None:
        self._waiting: list[Window] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def count(self, kind: Kind) -> int:
        return sum(window.kind is kind for window in self._waiting)

    def wanted_s(self) -> int:
        """Length of the windows that are no partials, together."""
        return sum(window.window_s for window in self._waiting if window.kind is not Kind.PARTIAL)

    def add(self, window: Window) -> None:
        self._waiting.append(window)

    def remove(self, window: Window) -> bool:
        """False where it waits no more."""
        if window not in self._waiting:
            return False
        self._waiting.remove(window)
        return True

    def renew(self, window: Window, samples: Samples, window_s: int, deadline_s: float) -> bool:
        """A waiting window hears more, and keeps its place. False where it waits no more."""
        if window not in self._waiting:
            return False
        window.samples, window.window_s, window.deadline_s = samples, window_s, deadline_s
        return True

    def drop_stale(self, now_s: float) -> list[Window]:
        """Takes out the partials that come too late."""
        stale = [window for window in self._waiting if window.kind is Kind.PARTIAL and window.deadline_s < now_s]
        for window in stale:
            self._waiting.remove(window)
        return stale

    def take(self, most: int, *, shares: int = 1, partials: bool = True) -> list[Window]:
        """The most urgent window, and those of its bucket and kind that are next.

        On a CPU each window of a batch is encoded before any is written down: no final waits for what is less urgent,
        and batches of what is no final are half as large, so that a final that comes meanwhile waits less.

        Args:
            most: windows in a batch.
            shares: among so many workers what waits in the bucket is shared.
            partials: whether they may be taken.
        """
        ready = [window for window in self._waiting if partials or window.kind is not Kind.PARTIAL]
        if not ready:
            return []
        first = min(ready, key=_urgency)
        alike = [window for window in ready if window.bucket == first.bucket and window.kind is first.kind]
        most = most if first.kind is Kind.FINAL else max(1, most // 2)
        batch = sorted(alike, key=_urgency)[: min(most, -(-len(alike) // shares))]
        for window in batch:
            self._waiting.remove(window)
        return batch


def _urgency(window: Window) -> tuple[int, float]:
    return window.kind, window.since_s if window.kind is Kind.PARTIAL else window.deadline_s
