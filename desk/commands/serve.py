"""`desk serve`."""

from typing import Annotated

import typer

LOOPBACK = "127.0.0.1"


def serve(
    host: Annotated[
        str, typer.Option(help="Address of this machine at which the desk listens.")
    ] = LOOPBACK,
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, help="Port at which the desk listens. With 0, it chooses a free port."
        ),
    ] = 8000,
    public: Annotated[
        bool,
        typer.Option(
            "--public",
            help="Serve only the public pages, without login. They show where statements and "
            "models come from.",
        ),
    ] = False,
) -> None:
    """Serve the desk until SIGTERM or Ctrl-C.

    Example: desk serve --port 8080
    """
    from desk.commands.serving import serve_desk  # else --help loads the web server

    serve_desk(host, port, is_public=public)
