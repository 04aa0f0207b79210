"""The commands of the service: `serve`, `refresh`, `ingest` and `record`. They work without the training packages."""

from importlib import import_module

import click


def _service_command(name: str, module: str, summary: str) -> click.Command:
    """Return a command that passes its arguments on to the command line of a module of serving.

    Args:
        name: The name of the command.
        module: The module whose `main` parses the arguments and returns the exit code; imported when it runs.
        summary: The line of the command in the help.
    """

    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED, help="see --help of the command")
    def run(arguments: tuple[str, ...]) -> int:
        try:
            return int(import_module(module).main(arguments))
        except SystemExit as end:  # --help and usage errors of argparse
            return int(end.code or 0)

    passes_all = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
    return click.command(name, help=summary, short_help=summary, add_help_option=False, context_settings=passes_all)(
        run
    )


serve = _service_command("serve", "lambda_fn.server.__main__", "serve the API and the page over HTTP")
refresh = _service_command("refresh", "lambda_fn.refresh", "check and activate the published champion, or roll back")
ingest = _service_command("ingest", "lambda_fn.ingest", "add the ECB's new rates to the store and forecast")
record = _service_command("record", "lambda_fn.record.__main__", "rebuild the track record from the ledger")
