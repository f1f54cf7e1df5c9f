"""Who may ask the page, and for which files."""

import ipaddress
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from focus_mmdet.errors import InputError

LOOPBACK = frozenset({'localhost', '127.0.0.1', '::1'})
_HEADERS = {
    'Content-Security-Policy': (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cache-Control': 'no-store',
}


def allowed_hosts(host: str, named: Collection[str] = ()) -> frozenset[str]:
    """Names by which browsers may call a server that listens on ``host``.

    Args:
        host: An address, or a name.
        named: Further names that the user allows.
    """
    return LOOPBACK | {name.lower().strip('[]') for name in (host, *named)}


class Guard:
    """Turn away what other web pages make a browser ask.

    A page elsewhere can point its own name at this machine (DNS rebinding): the ``Host`` header
    then is that name. It can send requests here without reading the answer (CSRF): the ``Origin``
    then is its own, or ``Sec-Fetch-Site`` says so. Programs send neither, and may ask.

    Args:
        app: What answers the rest.
        hosts: Of :func:`allowed_hosts`. With an address for "all" among them (``0.0.0.0``,
            ``::``) every address is allowed, which no name can be pointed at.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self.app = app
        self.hosts = hosts
        self.any_address = bool({'0.0.0.0', '::'} & set(hosts))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope['type'] != 'http':
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message['type'] == 'http.response.start':
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        refusal = self._refusal(scope)
        answer = self.app if refusal is None else PlainTextResponse(refusal, 403)
        await answer(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        host = headers.get('host', '')
        if len(headers.getlist('host')) != 1 or not self._is_ours(host):
            return f'The page is not served under the name {host!r}: see --allow-host of focus page'
        origins = headers.getlist('origin')
        if origins and [urlsplit(origin).netloc for origin in origins] != [host]:
            return 'Another web page may not ask this one'
        opened = scope['method'] == 'GET' and headers.get('sec-fetch-mode') == 'navigate'
        if headers.get('sec-fetch-site', 'none') not in ('none', 'same-origin') and not opened:
            return 'Another web page may not ask this one'
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            parts = urlsplit(f'//{host}')
            name, _ = parts.hostname, parts.port
        except ValueError:
            return False
        if name is None or parts.netloc != host or '@' in host:
            return False
        return name in self.hosts or (self.any_address and _address(name))


def _address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def inside(root: Path, relative: str) -> Path:
    """The file or folder ``relative`` below ``root``, links followed.

    Raises:
        InputError: There is none, it is hidden, or it lies elsewhere: by ``..``, from ``/``, through a link.
    """
    with suppress(OSError, ValueError, RuntimeError):  # elsewhere, a NUL, a loop of links, a name too long
        root, path = root.resolve(), (root / relative).resolve(strict=True)
        if not any(part.startswith('.') for part in path.relative_to(root).parts):
            return path
    raise InputError(f'{relative!r}: there is no such file or folder in the served one')
