"""``bench ui``: turns the store into MLflow's pages."""

from __future__ import annotations

import signal

import click

from benchmark.commands.ports import HOST, listen, port_option


@click.command()
@port_option(5000)
def ui(port: int) -> None:
    """Open MLflow's user interface on this machine, until Ctrl-C.

    Its first link shows the newest study's runs, in the order of bench leaderboard.
    """
    from benchmark.tracking.store import Store

    store = Store()
    if store.uri.startswith("http"):  # its server has pages already
        from benchmark.pages.server import save_views

        # Its start page is not ours: without this, it may open in its mode for language models.
        _show(str(store).rstrip("/"), save_views(store), "&workflowType=machine_learning")
        return
    listen(port, "ui").close()  # MLflow's server takes it
    click.echo("MLflow is starting, which takes up to half a minute")
    from benchmark.processes.signals import Interrupted

    try:
        from benchmark.pages.server import save_views, serving

        views = save_views(store)
        with serving(store, HOST, port) as server:
            _show(f"http://{HOST}:{port}", views)
            click.echo("Stop with Ctrl-C")
            server.wait()
    except Interrupted as stop:
        if stop.number != signal.SIGINT:  # Ctrl-C is how it is meant to end
            raise


def _show(server: str, addresses: dict[str, str], more: str = "") -> None:
    for title, address in addresses.items():
        click.echo(f"{title}:\n  {server}{address}{more}")
