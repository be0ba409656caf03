"""Which pages of a browser may do what no preflight guards.

A page of any site may send a form to any address, also to a gateway on its reader's own machine, and the browser asks
nobody before. It does say where the page comes from.
"""

from collections.abc import Collection

from starlette.requests import Request

NOT_LET_IN = "pages of this origin are not let in: see LEDGE_CORS_ALLOW_ORIGINS"


def let_in(request: Request, origins: Collection[str], *, own: bool) -> bool:
    """Whether a request comes from no page, or from one of these origins.

    Args:
        own: also from pages that this gateway served, by the name it was called by; the scheme is left out, since a
            page behind an ingress that speaks TLS has another than the gateway. A page that reaches it by a name of its
            own (DNS rebinding) passes for such.
    """
    origin = request.headers.get("origin", "")
    return not origin or origin in origins or (own and origin.partition("://")[2] == request.url.netloc)
