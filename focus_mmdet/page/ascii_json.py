"""Answers in JSON, whatever names of files hold."""

import json
from typing import Any

from starlette.responses import JSONResponse


class AsciiJSON(JSONResponse):
    """JSON in ASCII: a file's name may hold bytes that are no text, and UTF-8 has no place for these."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False).encode('ascii')
