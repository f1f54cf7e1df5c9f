"""The page as an application, and its server."""

import socket
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from focus_mmdet.errors import InputError
from focus_mmdet.page.ascii_json import AsciiJSON
from focus_mmdet.page.finder import Finder, ModelThread
from focus_mmdet.page.limits import Limits
from focus_mmdet.page.pictures import Uploads
from focus_mmdet.page.references import References
from focus_mmdet.page.searches import Searches
from focus_mmdet.page.security import LOOPBACK, Guard

_STATIC = Path(__file__).with_name('static')


def create_app(
    finder: Finder,
    root: Path | None = None,
    limits: Limits | None = None,
    hosts: Collection[str] = LOOPBACK,
) -> Starlette:
    """The page and what it asks for.

    Args:
        finder: What remembers and finds.
        root: A folder whose pictures may be searched; None for uploads alone.
        limits: What is too large to take in.
        hosts: Names and addresses that browsers may call it by.
    """
    limits, model = limits or Limits(), ModelThread()
    uploads = Uploads(limits)
    references = References(finder, model, uploads)
    searches = Searches(finder, model, uploads, references, root, limits)

    async def index(request: Request) -> Response:
        return FileResponse(_STATIC / 'index.html')

    async def settings(request: Request) -> Response:
        return AsciiJSON({'root': None if root is None else root.resolve().name})

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        searches.stop_all()
        model.end()
        uploads.end()

    return Starlette(
        routes=[
            Route('/', index),
            Route('/api/settings', settings),
            *uploads.routes,
            *references.routes,
            *searches.routes,
            Mount('/static', StaticFiles(directory=_STATIC)),
        ],
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={
            InputError: _bad_input,
            HTTPException: _refused,
            ClientDisconnect: _gone,
            Exception: _failed,
        },
        lifespan=lifespan,
    )


async def _bad_input(request: Request, error: Exception) -> Response:
    return AsciiJSON({'error': str(error)}, 422)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return AsciiJSON({'error': error.detail}, error.status_code)


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=400)


async def _failed(request: Request, error: Exception) -> Response:
    return AsciiJSON({'error': 'this failed: the terminal of focus page says why'}, 500)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one.

    Raises:
        InputError: The address is not this machine's, or the port is taken.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, OverflowError) as error:
        raise InputError(f'--host {host} --port {port}: cannot be listened on ({error})') from None


def address(listening: socket.socket) -> str:
    """Where a browser finds it."""
    host, port = listening.getsockname()[:2]
    return f'http://[{host}]:{port}/' if ':' in host else f'http://{host}:{port}/'


def server(app: Starlette) -> uvicorn.Server:
    """What serves the page; its ``run`` takes the sockets."""
    # A search that is still told to someone does not hold up Ctrl-C.
    return uvicorn.Server(
        uvicorn.Config(app, log_level='warning', server_header=False, timeout_graceful_shutdown=2)
    )
