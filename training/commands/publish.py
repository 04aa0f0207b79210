"""The commands that change what is published, without training: `publish`, `rollback`, `clean` and `keys`."""

import sys
from dataclasses import asdict

import click

from training.commands.command import command
from training.commands.context import Context, UsageError, print_json
from training.commands.options import pair_option


@command("publish", "publish a given version of the registry and move the champion alias to it")
@pair_option
@click.argument("model", help="models:/EURUSD_ARIMA@challenger or models:/EURUSD_ARIMA/3")
def publish_version(context: Context, model: str) -> int:
    """Publish a version of the registry that was chosen by hand."""
    context.check_store()
    tracking = context.tracking

    from training.commands.scores import print_published
    from training.publishing import publish

    published = publish.publish_version(tracking, context.store, context.settings, model, context.now)
    return print_published(published, context, with_json=True)


@command("rollback", "publish an earlier champion again, as a new generation")
@pair_option
@click.option(
    "--to",
    "generation",
    type=int,
    metavar="GENERATION",
    help="generation to go back to (default: the last one before the active generation with another model)",
)
def roll_back(context: Context, generation: int | None) -> int:
    """Publish an earlier champion as a new generation.

    It works while MLflow is down, because a rollback is urgent and the alias is not.
    """
    context.check_store()

    from training.publishing.mlflow_access import RegistryError, sqlite_file

    database, tracking = sqlite_file(context.tracking_uri), None
    try:
        if database is None or database.exists():  # connecting would create it, without a version to move an alias to
            tracking = context.tracking
    except RegistryError as error:
        context.note(f"the alias champion was not moved: {error}")

    from training.commands.scores import print_published
    from training.publishing import publish

    published = publish.rollback(context.store, context.settings, generation, context.now, tracking)
    return print_published(published, context, with_json=True)


@command("clean", "delete all runs and models of a pair (asks first)")
@pair_option
@click.option("--yes", is_flag=True, help="do not ask for confirmation")
@click.option("--store", is_flag=True, help="also delete what the store has of this pair, except its track record")
@click.option("--experiment", is_flag=True, help="also delete the experiment itself")
@click.option(
    "--unserved",
    is_flag=True,
    help="instead, delete champion files that are not served and that no rollback needs",
)
def clean(context: Context, yes: bool, store: bool, experiment: bool, unserved: bool) -> int:
    """List what would be deleted and delete it after confirmation; return 1 when the user declines.

    Args:
        context: Store, registry, settings and output.
        yes: Do not ask for confirmation.
        store: Delete the pair's objects of the store, too.
        experiment: Delete the experiment, too.
        unserved: Delete nothing but champion files that are not needed any more.
    """
    if unserved and (store or experiment):
        raise UsageError("clean: --unserved cannot be combined with other options; leave out --store and --experiment")
    if unserved or store:
        context.check_store()
    if unserved:
        from training.publishing.cleanup import list_unserved

        keys = list_unserved(context.store, context.settings.pair, context.settings.model_info_key)
        facts, lines = {"keys": keys}, [f"{key} in {context.store.describe()}" for key in keys]
    else:
        tracking = context.tracking

        from training.publishing import cleanup

        cleaned_store = context.store if store else None
        plan = cleanup.make_plan(tracking, context.settings.pair, cleaned_store, keep_experiment=not experiment)
        facts = asdict(plan)
        lines = [
            *(f"run {run_id} {name}" for run_id, name in plan.runs),
            *(f"registered model {name}, {count} versions" for name, count in plan.models),
            *(f"logged model {model_id}" for model_id in plan.logged_models),
            *([f"experiment {plan.experiment[1]}"] if plan.experiment else []),
            *(f"{key} in {context.store.describe()}" for key in plan.keys),
        ]
    if context.as_json:
        print_json(facts)
    else:
        context.print(*([f"delete {line}" for line in lines] or ["nothing to delete"]))
    if not lines:
        return 0
    if not (yes or _is_confirmed(context)):
        return 1
    if unserved:
        for key in keys:
            context.store.delete(key)
    else:
        cleanup.execute(tracking, plan, cleaned_store)
        context.progress.print("deleted; to start again run `eurusd run`")
    return 0


def _is_confirmed(context: Context) -> bool:
    """Return True when the user confirms. Raises UsageError when there is no terminal to ask at."""
    if not sys.stdin.isatty():
        raise UsageError("clean: no terminal to ask for confirmation; say --yes to delete what is listed")

    from rich.prompt import Confirm

    is_confirmed = Confirm.ask("Delete all of this?", console=context.progress, default=False)
    if not is_confirmed:
        context.progress.print("nothing was deleted")
    return is_confirmed


@command("keys", "generate a key pair: training signs with one key, refresh verifies with the other")
def generate_keys(context: Context) -> None:
    """Print a new key pair once, and store it nowhere: only training may read the private key."""
    from training.publishing.signing import make_key

    private, public = make_key()
    names = {"CHAMPION_SIGNING_KEY": private, "CHAMPION_PUBLIC_KEYS": public}
    if context.as_json:
        print_json(names)
        return
    for name, value in names.items():
        context.out.print(f"{name}={value}", soft_wrap=True)
