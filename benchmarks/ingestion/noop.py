"""The limit that is measured against: a bare Starlette route with its `Request`, which does nothing with what it reads.

python -m benchmarks.ingestion.noop PORT
"""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def get(request: Request) -> Response:
    """The specification's GET."""
    request.query_params.get("selector")
    return Response(status_code=200)


async def post(request: Request) -> Response:
    """The specification's JSON POST."""
    (await request.json()).get("selector")
    return Response(status_code=200)


def serve(app: Starlette, port: int) -> None:
    """uvicorn as fast as it comes, one worker, until SIGTERM."""
    uvicorn.run(app, host="127.0.0.1", port=port, loop="uvloop", http="httptools", access_log=False, log_level="error")


def main(port: int) -> None:
    """Serve until SIGTERM."""
    serve(Starlette(routes=[Route("/token/", get), Route("/token/{username}/", post, methods=["POST"])]), port)


if __name__ == "__main__":
    main(int(sys.argv[1]))
