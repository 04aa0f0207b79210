"""`publish`: publish a version of the registry that was chosen by hand."""

import argparse

from training.commands import options
from training.commands.context import Command, Context
from training.commands.output import print_published


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_pair(parser)
    parser.add_argument("model", help="models:/EURUSD_ARIMA@challenger or models:/EURUSD_ARIMA/3")


def work(args: argparse.Namespace, context: Context) -> int:
    context.check_store()
    tracking = context.tracking

    from training.publishing.publish import publish_version

    published = publish_version(tracking, context.store, context.settings, args.model, context.now)
    return print_published(published, context, as_json=args.json)


COMMAND = Command("publish a given version of the registry and move the champion alias to it", work, add_options)
