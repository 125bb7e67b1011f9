"""`alambique tasks` and `alambique data`: what jobs can name."""

import typer

from alambique.cli.environment import registry_of
from alambique.cli.options import Json


def tasks(context: typer.Context, json: Json = False) -> None:
    """List the tasks that jobs can name."""
    from alambique.cli.tables import show, show_json, table

    page = registry_of(context).tasks()
    if json:
        return show_json(page.model_dump(mode="json"))
    rows = ((task.name, task.output, task.primary) for task in page.items)
    show(table(("task", "output", "metric"), rows))


def data(context: typer.Context, json: Json = False) -> None:
    """List the data sets that jobs can name."""
    from alambique.cli.tables import show, show_json, table

    page = registry_of(context).data()
    if json:
        return show_json(page.model_dump(mode="json"))
    columns = ("data set", "task", "train", "dev", "test", "at hand")
    rows = (
        (
            dataset.name,
            dataset.task,
            *(dataset.sizes.get(split) for split in ("train", "dev", "test")),
            "yes" if dataset.at_hand else "no",
        )
        for dataset in page.items
    )
    show(table(columns, rows))
