"""`rollback`: publish an earlier champion again."""

import argparse

from training.commands import options
from training.commands.context import Command, Context
from training.commands.output import print_published


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_pair(parser)
    parser.add_argument(
        "--to",
        type=int,
        metavar="GENERATION",
        help="generation to go back to (default: the last one before the active generation with another model)",
    )


def work(args: argparse.Namespace, context: Context) -> int:
    """Publish an earlier champion as a new generation.

    It works while MLflow is down, because a rollback is urgent and the alias is not.
    """
    context.check_store()

    from training.publishing.mlflow_access import RegistryError

    try:
        tracking = context.tracking
    except RegistryError as error:
        context.note([f"the alias champion was not moved: {error}"])
        tracking = None

    from training.publishing.publish import rollback

    published = rollback(context.store, context.settings, args.to, context.now, tracking)
    return print_published(published, context, as_json=args.json)


COMMAND = Command("publish an earlier champion again, as a new generation", work, add_options)
