"""`keys`: generate a pair of keys for signed champions."""

import argparse

from training.commands.context import Command, Context, print_json


def work(args: argparse.Namespace, context: Context) -> int:
    """Print a new key pair once, and store it nowhere: only training may read the private key."""
    from training.publishing.signing import make_key

    private, public = make_key()
    if args.json:
        print_json({"CHAMPION_SIGNING_KEY": private, "CHAMPION_PUBLIC_KEYS": public})
        return 0
    context.out.print(f"CHAMPION_SIGNING_KEY={private}", highlight=False, soft_wrap=True)
    context.out.print(f"CHAMPION_PUBLIC_KEYS={public}", highlight=False, soft_wrap=True)
    return 0


COMMAND = Command("generate a key pair: training signs with one key, refresh verifies with the other", work)
