"""`rollback`: an earlier champion, published again."""

import argparse

from training.commands import options
from training.commands.context import Command, Context
from training.commands.output import announce


def add_options(command: argparse.ArgumentParser) -> None:
    options.pair(command)
    command.add_argument("--to", type=int, metavar="GENERATION", help="which; the one before the active unless told")


def work(asked: argparse.Namespace, context: Context) -> int:
    """Publish it as a new generation. It must work while MLflow is down: the alias can wait."""
    context.check_store()

    from training.publishing.tracking_uri import RegistryError

    try:
        tracking = context.tracking
    except RegistryError as error:
        context.note([f"the champion alias stays where it is: {error}"])
        tracking = None

    from training.publishing.publish import rollback

    back = rollback(context.store, context.settings, asked.to, context.now, tracking)
    return announce(back, context, as_json=asked.json)


COMMAND = Command("publish an earlier champion again, as a new generation", work, add_options)
