"""`keys`: a new pair of keys to sign champions with."""

import argparse

from training.commands.context import Command, Context, print_json


def add_options(command: argparse.ArgumentParser) -> None:
    """None but --json."""


def work(asked: argparse.Namespace, context: Context) -> int:
    """Printed once and kept nowhere: the private one belongs where only training reads it."""
    from training.publishing.signing import new_key

    private, public = new_key()
    if asked.json:
        print_json({"CHAMPION_SIGNING_KEY": private, "CHAMPION_PUBLIC_KEYS": public})
        return 0
    context.out.print(f"CHAMPION_SIGNING_KEY={private}", highlight=False, soft_wrap=True)
    context.out.print(f"CHAMPION_PUBLIC_KEYS={public}", highlight=False, soft_wrap=True)
    return 0


COMMAND = Command("make a pair of keys: training signs with one, refresh asks for the other", work, add_options)
