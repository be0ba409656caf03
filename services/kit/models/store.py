"""The model store: a catalogue entry becomes a verified local directory, once for all processes of the machine."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from services.kit.deploy import deploy_directory
from services.kit.errors import EngineFailed, NotFound
from services.kit.models.catalog import Catalog, CatalogEntry, ModelFile
from services.kit.models.config import ModelStoreConfig
from services.kit.models.directory import ModelDirectory
from services.kit.models.disk import writing_to
from services.kit.models.fetch import Network, fetch_missing
from services.kit.models.pinning import PINNED, pin
from services.kit.models.progress import Progress, Watch, nobody
from services.kit.models.source import SourceFailed

log = logging.getLogger("ledge.models")

State = Literal["ready", "incomplete", "absent"]


@dataclass(frozen=True)
class ModelStatus:
    """How far a model of the catalogue is in the store, by sizes and records; only `verify` reads the content."""

    entry: CatalogEntry
    state: State


class ModelStore:
    """Any number of stores, in threads and processes, may share one directory. Calls block: async callers use a thread.

    Errors are NotFound (no such model, or not here) and EngineFailed (no source could give it, the disk refused it).
    """

    def __init__(self, directory: Path, catalog: Catalog, network: Network | None = None) -> None:
        self.directory = directory.expanduser().absolute()
        self.catalog = catalog
        self._network = network or Network()

    @classmethod
    def from_environment(cls) -> Self:
        """With the shipped catalogue and LEDGE_MODELS_CATALOG on top. Raises InvalidInput, pydantic.ValidationError."""
        config = ModelStoreConfig()
        pinned = config.models_dir.expanduser() / PINNED
        additions = [pinned] if pinned.exists() else []
        additions += [config.models_catalog.expanduser()] if config.models_catalog else []
        catalog = Catalog.load(deploy_directory() / "models.yaml", *additions)
        return cls(config.models_dir, catalog, Network(config.offline, config.hub_endpoint, config.hub_token))

    def directory_of(self, entry: CatalogEntry) -> ModelDirectory:
        return ModelDirectory(self.directory, entry)

    def state(self, model_id: str) -> State:
        directory = self.directory_of(self.catalog.entry(model_id))
        if directory.entry.unpinned:
            return "absent"
        if not directory.missing():
            return "ready"
        return "incomplete" if directory.has_anything else "absent"

    def path(self, model_id: str) -> Path:
        """The directory of a model whose files are all in place; looks at sizes and records, so it is cheap."""
        state = self.state(model_id)
        if state == "ready":
            return self.directory / model_id
        self._require_pinned(model_id)
        message = f"model {model_id!r} is {state} in {self.directory}"
        if self._network.offline:
            raise NotFound(
                f"{message} and LEDGE_OFFLINE is set: fetch it while connected with `ledge models pull {model_id}`, "
                "or bring it as a file with `ledge models import FILE`"
            )
        raise NotFound(f"{message}: fetch it with `ledge models pull {model_id}`")

    def require(self, model_id: str, watch: Watch = nobody) -> Path:
        """What a service calls as it starts: the directory, fetched first unless LEDGE_OFFLINE forbids it."""
        if self._network.offline or self.state(model_id) == "ready":
            return self.path(model_id)
        log.info("fetching the model", extra={"model": model_id, "directory": str(self.directory)})
        folder = self.pull(model_id, watch)
        log.info("the model is here", extra={"model": model_id, "directory": str(self.directory)})
        return folder

    def pull(self, model_id: str, watch: Watch = nobody) -> Path:
        """Completes the model: takes over what lies there and is right, resumes partial files, replaces wrong ones."""
        if self.state(model_id) == "ready":
            return self.directory / model_id
        self._require_pinned(model_id)
        directory = self.directory_of(self.catalog.entry(model_id))
        with writing_to(self.directory), directory.locked(lambda: watch(_waiting(model_id))):
            directory.tidy()
            if directory.missing() and self._adopt(directory, watch):
                self._fetch(directory, watch)
        return directory.path

    def verify(self, model_id: str, watch: Watch = nobody) -> tuple[str, ...]:
        """Reads every byte; returns a phrase for each wrong file; from then on only what is right is offered."""
        self._require_pinned(model_id)
        directory = self.directory_of(self.catalog.entry(model_id))
        if not directory.has_anything:
            self.path(model_id)
        if not os.access(directory.path, os.W_OK):
            # A store in a read-only image can be read, and nobody changes it meanwhile.
            return tuple(directory.fault(file) for file in self._wrong(directory, watch))
        with writing_to(self.directory), directory.locked(lambda: watch(_waiting(model_id))):
            return tuple(directory.fault(file) for file in self._adopt(directory, watch))

    def pin(self, model_id: str) -> CatalogEntry:
        """Fixes an unpinned model; the next store knows it. Raises as `pinning.pin`."""
        with writing_to(self.directory):
            return pin(self.catalog.entry(model_id), self.directory, self._network)

    def _require_pinned(self, model_id: str) -> None:
        if self.catalog.entry(model_id).unpinned:
            raise NotFound(
                f"model {model_id!r} ships without the sums of its files, so nothing says which bytes would be right: "
                f"`ledge models pin {model_id}` fixes its revision and sums as the hub tells them now"
            )

    def remove(self, model_id: str) -> None:
        """Takes the model's directory away; one that is not there is no error."""
        directory = self.directory_of(self.catalog.entry(model_id))
        with writing_to(self.directory), directory.locked(lambda: None):
            directory.remove()

    def list(self) -> tuple[ModelStatus, ...]:
        return tuple(ModelStatus(entry, self.state(entry.id)) for entry in self.catalog)

    def _wrong(self, directory: ModelDirectory, watch: Watch) -> Sequence[ModelFile]:
        """The files that are not whole, by their content."""
        entry = directory.entry

        def is_wrong(file: ModelFile) -> bool:
            return not directory.is_whole(
                file, lambda done: watch(Progress("verifying", entry.id, file.path, done, file.size_bytes))
            )

        return [file for file in entry.files if is_wrong(file)]

    def _adopt(self, directory: ModelDirectory, watch: Watch) -> Sequence[ModelFile]:
        """Records which files are right by their content; returns the others."""
        wrong = self._wrong(directory, watch)
        if directory.has_anything:
            directory.record({file.path: file.sha256 for file in directory.entry.files if file not in wrong})
        return wrong

    def _fetch(self, directory: ModelDirectory, watch: Watch) -> None:
        entry = directory.entry
        sources = [text for text in entry.sources if text.startswith("file://") or not self._network.offline]
        if not sources:
            self.path(entry.id)
        failures = []
        for source in sources:
            try:
                fetch_missing(source, directory, self._network, watch)
                return
            except SourceFailed as failure:
                log.warning("model %s: %s failed: %s", entry.id, source, failure)
                failures.append(f"{source}: {failure}")
        raise EngineFailed(
            f"model {entry.id!r} could not be fetched: {'; '.join(failures)}. Where there is no connection, "
            f"bring it as a file: `ledge models bundle {entry.id} --output models.tar` on a machine that has one, "
            "`ledge models import models.tar` here"
        )


def _waiting(model_id: str) -> Progress:
    return Progress("waiting", model_id, "", 0, None)
