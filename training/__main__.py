"""The command line, `eurusd` or `python -m training`. Tables go to standard output, progress to standard error."""

import sys
from collections.abc import Sequence

import click
from click.shell_completion import get_completion_class

from lambda_fn import __version__
from training.commands import demo, frozen_run, publish, service, show, train
from training.commands.command import EXIT_CODES, HELP_OPTIONS, STOPPED, command
from training.commands.context import Context

PROGRAM = "eurusd"  # what `pip install .` installs
ALIASES = {"train": "run"}
COMPLETE = "_EURUSD_COMPLETE"  # the variable in which the completion script asks for words
EXAMPLES = """\
examples:
  eurusd run                          train, select and publish on the embedded ECB rates; `train` is the same
  eurusd run --csv eurusd.csv         the same with your own prices
  eurusd run --workers 4 --seeds 5    use four processes; average five seeds of each stochastic model
  eurusd run --pairs EURUSD,GBPUSD    train and publish a champion for each pair
  eurusd serve --port 8080            serve the forecasts of the store on 127.0.0.1
  eurusd publish models:/EURUSD_ARIMA@challenger
  eurusd status                       show what is served and any mismatch with the registry
"""


class CommandLine(click.Group):
    """All commands; the help lists them in their order."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, ALIASES.get(cmd_name, cmd_name))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write(f"\n{EXAMPLES}\n{EXIT_CODES}")


@command("completion", "print the completion script of the command eurusd for bash, zsh or fish")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), help="the shell that runs the script")
def print_completion(context: Context, shell: str) -> None:
    """Print a shell script that completes the command `eurusd`."""
    completion = get_completion_class(shell)
    assert completion is not None
    sys.stdout.write(completion(command_line, {}, PROGRAM, COMPLETE).source() + "\n")


command_line = CommandLine(
    commands=[
        train.run,
        service.serve,
        demo.demo,
        train.evaluate,
        frozen_run.list_tasks,
        frozen_run.run_task,
        frozen_run.select_champions,
        frozen_run.submit_run,
        train.describe_prices,
        publish.publish_version,
        publish.roll_back,
        publish.generate_keys,
        show.show_status,
        show.show_history,
        show.list_events,
        publish.clean,
        show.show_forecast,
        service.refresh,
        service.ingest,
        service.record,
        train.report,
        print_completion,
    ],
    help="Forecast EUR/USD and other pairs: train models, publish the best one and serve its forecasts.",
    context_settings=HELP_OPTIONS,
)

click.version_option(__version__, message="%(version)s")(command_line)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code, one of EXIT_CODES. A job that ends with 75 may be retried."""
    if arguments is None:
        arguments = sys.argv[1:]
    try:
        return int(command_line.main(list(arguments), PROGRAM, COMPLETE, standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:  # Ctrl-C before the command began
        return STOPPED


if __name__ == "__main__":
    sys.exit(main())
