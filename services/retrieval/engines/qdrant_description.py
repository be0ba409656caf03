"""What a collection on disk says of itself, in `collection.json`.

The file is what makes a directory a collection: it is written last when one is
made and removed first when one is deleted. It also names the shard in force, so
that replacing the file is what puts another shard in its place.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from services.kit.errors import InvalidInput
from services.retrieval.term_counts import sync_directory

FILE = "collection.json"
FORMAT = 2


@dataclass(frozen=True)
class Description:
    """Holds for the life of a collection, but for `shard`."""

    dimensions: int
    language: str
    average_terms: float
    """By which its texts were weighed."""
    shard: str
    """Name of the directory."""

    def write(self, directory: Path) -> None:
        """Atomic and durable."""
        incoming = directory / f"{FILE}.part"
        with incoming.open("w") as file:
            json.dump({"format": FORMAT, **asdict(self)}, file)
            file.flush()
            os.fsync(file.fileno())
        incoming.replace(directory / FILE)
        sync_directory(directory)

    @classmethod
    def read(cls, directory: Path) -> "Description":
        """Raises InvalidInput where another release wrote it, or nobody did."""
        try:
            fields = json.loads((directory / FILE).read_text())
            if fields.pop("format") != FORMAT:
                raise InvalidInput("another release wrote it: delete it, or serve it with that release")
            return cls(**fields)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInput(f"{directory / FILE} cannot be read: {error}") from None

    @staticmethod
    def remove(directory: Path) -> None:
        """Makes the directory no collection any more."""
        (directory / FILE).unlink()
        sync_directory(directory)

    @staticmethod
    def is_in(directory: Path) -> bool:
        return (directory / FILE).is_file()
