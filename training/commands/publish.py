"""`publish`: a version of the registry that a person chose."""

import argparse

from training.commands import options
from training.commands.context import Command, Context
from training.commands.output import announce


def add_options(command: argparse.ArgumentParser) -> None:
    options.pair(command)
    command.add_argument("model", help="models:/EURUSD_ARIMA@challenger or models:/EURUSD_ARIMA/3")


def work(asked: argparse.Namespace, context: Context) -> int:
    context.check_store()
    tracking = context.tracking

    from training.publishing.publish import publish_version

    chosen = publish_version(tracking, context.store, context.settings, asked.model, context.now)
    return announce(chosen, context, as_json=asked.json)


COMMAND = Command(
    "publish a version of the registry that you chose, and move the champion alias to it", work, add_options
)
