"""Reads forms with files in them: within bounds, and with little of each file in memory."""

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from services.gateway.origins import NOT_LET_IN, let_in
from services.kit.errors import InvalidInput


class _SmallSpools(MultiPartParser):
    """Keeps little of each file in memory, however many there are."""

    spool_max_size = 16 * 1024


def check_origin(request: Request) -> None:
    """Refuses pages of other origins: a browser sends a form without asking first. Raises HTTPException."""
    if not let_in(request, request.app.state.origins, own=True):
        raise HTTPException(403, NOT_LET_IN)


async def read_form(request: Request, *, max_files: int, max_fields: int, max_field_bytes: int) -> FormData:
    """The caller closes it. Raises InvalidInput."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise InvalidInput("send the files as `multipart/form-data`")
    parser = _SmallSpools(
        request.headers, request.stream(), max_files=max_files, max_fields=max_fields, max_part_size=max_field_bytes
    )
    try:
        return await parser.parse()
    except MultiPartException as error:
        raise InvalidInput(f"the form cannot be read: {error.message}") from error
