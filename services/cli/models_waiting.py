"""Waits until models are in the store, whoever brings them, and tells how far they are."""

import time
from collections.abc import Callable, Sequence

from services.kit.errors import NotFound
from services.kit.models import ModelStore
from services.kit.models.disk import readable

LOOK_EVERY_S = 1.0
TELL_EVERY_S = 10.0


def wait_for_models(
    ids: Sequence[str],
    patience_s: float | None,
    tell: Callable[[str], None],
    open_store: Callable[[], ModelStore] = ModelStore.from_environment,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Returns when all are there.

    Args:
        patience_s: how long to wait; 0 only looks, None waits for ever.
        tell: takes a line about each that is not there yet, at once and then every ten seconds.
        open_store: makes a store with the catalogue of now: a model may be pinned meanwhile.

    Raises:
        NotFound: a model is not in the catalogue, or lacks still; names its missing files.
    """
    began_s = clock()
    told_s: float | None = None
    while True:
        store = open_store()
        absent = [id for id in ids if store.state(id) != "ready"]
        if not absent:
            return
        now_s = clock()
        if patience_s is not None and now_s - began_s >= patience_s:
            raise NotFound("; ".join(_lacking(store, id) for id in absent))
        if told_s is None or now_s - told_s >= TELL_EVERY_S:
            told_s = now_s
            for id in absent:
                tell(f"waiting for {id}: {readable(_bytes_here(store, id))} of {_size(store, id)}")
        pause(LOOK_EVERY_S)


def _bytes_here(store: ModelStore, id: str) -> int:
    directory = store.directory_of(store.catalog.entry(id))
    missing = directory.missing()
    here = sum(file.size_bytes for file in directory.entry.files if file not in missing)
    return here + sum(directory.partial_bytes(file) for file in missing)


def _size(store: ModelStore, id: str) -> str:
    entry = store.catalog.entry(id)
    return "an unknown size" if entry.unpinned else readable(entry.size_bytes)


def _lacking(store: ModelStore, id: str) -> str:
    entry = store.catalog.entry(id)
    if entry.unpinned:
        return f"model {id!r} is not in {store.directory}, and nothing says which bytes would be right (pinned.yaml)"
    faults = ", ".join(store.directory_of(entry).fault(file) for file in store.directory_of(entry).missing())
    return f"model {id!r} is not whole in {store.directory}: {faults}"
