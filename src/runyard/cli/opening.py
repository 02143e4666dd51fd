"""`open`: the page of a tracking service that shows a job's run."""

from __future__ import annotations

from collections.abc import Sequence

import click

from runyard.cli.context import App
from runyard.cli.options import SELECTORS, as_json, complete_jobs
from runyard.cli.render.text import harmless
from runyard.cli.selecting import YES, attempt_of, single
from runyard.errors import NotFound
from runyard.foreign import browser
from runyard.model.link import Link
from runyard.model.links import MLFLOW, TENSORBOARD, is_well_known

API = "api"
SHOWN_BY = {TENSORBOARD: "tensorboard --logdir {}", MLFLOW: "mlflow ui --backend-store-uri {}"}
"""What shows a directory as pages."""


@click.command("open", epilog=SELECTORS)
@click.argument("selector", default="@", metavar="[JOB]", shell_complete=complete_jobs)
@click.option("--project", is_flag=True, help="The page of its project, not of the run.")
@click.option("--print", "printed", is_flag=True, help="Print the address, open nothing.")
@as_json
@click.pass_obj
def open(app: App, selector: str, project: bool, printed: bool) -> int:
    """The W&B, Comet, MLflow or TensorBoard page of a job (default: your last one).

    It is what the job has printed, or left in its directory. Over SSH, without a display and in a pipe the address is
    printed. `ry open api` tells where the API of this yard listens and how it is described.

    \b
    Examples:
      ry open 12
      ry open 12 --project
      ry open api
    """
    if selector == API:
        return _api(app)
    row = single(app, attempt_of(selector)[0])
    links = app.service().job(row.id).links
    if app.output.as_json:
        app.output.json(links)
        return 0
    chosen = choose(links, project)
    if chosen is None:
        raise NotFound(_nothing(row.id, links, project))
    shows = app.output.terminal and not printed and browser.has_desktop(app.environ)
    if shows and not is_well_known(chosen.address):  # the job alone says what is there
        shows = app.output.asks and app.output.ask(f"open {harmless(chosen.address)}? [y/N]") in YES
    if shows and browser.show(chosen.address, app.environ):
        app.output.note(f"ry: opened {harmless(chosen.address)}")
    else:
        app.output.line(harmless(chosen.address))
    return 0


def choose(links: Sequence[Link], project: bool) -> Link | None:
    """The page that is meant: that of the run, else that of the project it is in."""
    about = ("project",) if project else ("run", "project")
    pages = [link for link in links if link.address]
    return next((link for word in about for link in pages if link.about == word), None)


def _nothing(job_id: int, links: Sequence[Link], project: bool) -> str:
    what = "page of a project" if project else "page"
    told = f"job {job_id} has named no {what} of a tracking service"
    for link in links:
        if link.kind in SHOWN_BY and link.path:
            return f"{told}; `{SHOWN_BY[link.kind].format(link.path)}` shows what it left"
        if link.run:
            return f"{told}; its {link.kind} run is {link.run}{link.path and f', in {link.path}'}"
    return told


def _api(app: App) -> int:
    socket = app.socket
    if app.output.as_json:
        app.output.json({"socket": socket, "document": "/openapi.json"})
        return 0
    app.service()
    app.output.facts(
        (
            ("socket", harmless(socket)),
            ("document", f"curl -s --unix-socket {harmless(socket)} http://yard/openapi.json"),
            ("try", f"curl -s --unix-socket {harmless(socket)} http://yard/status"),
        )
    )
    return 0
