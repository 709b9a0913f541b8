"""`python -m deploy.sandbox`: the sandbox as a server to work with."""

import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from common.errors import UsageError
from deploy.sandbox.annotations.tokens import ApiClient, read_client
from deploy.sandbox.api.keys import Quota
from deploy.sandbox.catalogue import read_catalogue
from deploy.sandbox.collection import draw_collection
from deploy.sandbox.faults import Faults, read_faults, with_latency
from deploy.sandbox.server import PUBLISHER, Sandbox

STOPPING = {signal.SIGINT, signal.SIGTERM}


def serve(
    port: Annotated[int, typer.Option(help="Port on every address; 0 means a free one.")] = 8700,
    catalog: Annotated[
        Path | None,
        typer.Option(help="Folder with catalog.jsonl and pictures. Default: drawn ones."),
    ] = None,
    items: Annotated[int, typer.Option(min=1, help="Size of the drawn catalogue.")] = 900,
    key: Annotated[list[str] | None, typer.Option(help="A valid key; may be repeated.")] = None,
    quota: Annotated[int, typer.Option(min=1, help="Requests per key and hour.")] = 10_000,
    client: Annotated[
        list[str] | None,
        typer.Option(
            help="A client that writes annotations, as ID:SECRET[:ROLE]; may be repeated."
        ),
    ] = None,
    hosts: Annotated[int, typer.Option(min=1, max=250, help="Number of image hosts.")] = 8,
    faults: Annotated[
        Path | None,
        typer.Option(help="JSON file; see python -m pydoc deploy.sandbox.faults."),
    ] = None,
    latency: Annotated[float, typer.Option(min=0, help="Seconds of delay for every answer.")] = 0,
) -> None:
    """Serve a stand-in for Europeana's APIs and for image hosts.

    The APIs and their Auth Service are on 127.0.0.1, the image hosts on 127.0.1.1 and the following
    addresses. No request leaves this machine. /sandbox/requests has the counts of requests, and
    /sandbox/annotations the annotations. To end it, press Ctrl-C.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # before threads start
    chosen = read_faults(faults) if faults else Faults()
    if latency:
        chosen = with_latency(chosen, latency)
    catalogue = read_catalogue(catalog) if catalog else draw_collection(items=items)
    sandbox = Sandbox(
        catalogue,
        faults=chosen,
        keys=key or ["sandbox"],
        quota=Quota(quota),
        clients=_read_clients(client or []) or [PUBLISHER],
        image_hosts=hosts,
        port=port,
    )
    with sandbox:
        typer.echo(_greeting(sandbox))
        signal.sigwait(STOPPING)


def _read_clients(texts: Iterable[str]) -> list[ApiClient]:
    try:
        return [read_client(text) for text in texts]
    except ValueError as error:
        raise UsageError(f"--client {error}.") from error


def _greeting(sandbox: Sandbox) -> str:
    catalogue = sandbox.catalogue
    lines = [
        f"{len(catalogue.items)} records at {sandbox.url}; to use it:",
        f"  export EUROPEANA_API_URL={sandbox.url} EUROPEANA_API_KEY={sandbox.key}"
        " FETCH_ALLOW_ADDRESSES=127.0.0.0/8",
        f"  export EUROPEANA_AUTH_URL={sandbox.auth_url} EUROPEANA_CLIENT_ID={sandbox.client.id}"
        f" EUROPEANA_CLIENT_SECRET={sandbox.client.secret}",
    ]
    lines += [
        f"{address}:{sandbox.addresses.port} stands for {host}"
        for host, address in sandbox.addresses.of_host.items()
    ]
    lines += [f"moved: {old} is now {new}" for old, new in list(catalogue.moved.items())[:1]]
    lines += [f"deleted: {record_id}" for record_id in sorted(catalogue.deleted)[:1]]
    return "\n".join(lines)


def main() -> None:
    """Runs the command; wrong usage ends with one line and exit code 2."""
    try:
        typer.run(serve)
    except UsageError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
