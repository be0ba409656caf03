"""`/`, `/plan` and `/page/…`: the page to talk with the suite in a browser, from files that need no build."""

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

router = APIRouter(include_in_schema=False)
FILES = Path(str(files("services.gateway"))) / "page"
_static = StaticFiles(directory=FILES)
HEADERS = {
    # Only what this gateway serves, and connections to nowhere else: the page works without a network, and a document
    # that smuggled a script into an answer would find nothing that runs it and nowhere to send what it saw.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    # Asked for anew each time, and sent anew only where it changed: an upgrade is seen at the next load.
    "cache-control": "no-cache",
}


@router.head("/")
@router.get("/")
async def index(request: Request) -> Response:
    """The page itself. It asks for a key, where there are keys, once it runs."""
    return await file("index.html", request)


@router.head("/plan")
@router.get("/plan")
async def plan(request: Request) -> Response:
    """How many users a machine serves, drawn; its figures are those of `/v1/plan`."""
    return await file("plan.html", request)


@router.head("/page/{name}")
@router.get("/page/{name}")
async def file(name: str, request: Request) -> Response:
    """A file of the page."""
    response = await _static.get_response(name, request.scope)
    response.headers.update(HEADERS)
    return response


def is_open(path: str) -> bool:
    """Whether a path is the page's, which holds no secret and is served without a key."""
    return path in ("/", "/plan") or path.startswith("/page/")
