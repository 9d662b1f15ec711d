"""Cross-origin requests, with a refused preflight told as every other refusal is."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from hub.errors import Forbidden
from hub.web.problems import problem


class Cors(CORSMiddleware):
    """Starlette's, but for the plain text of its refusals."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """What the browser may do; a problem where it asks for more."""
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        refusal = Forbidden("This origin, method or header is not allowed here; origins are HUB_ALLOWED_ORIGINS.")
        return problem(refusal, "", {"vary": "Origin"})
