"""Every example of the documents: each command of a console block, each other block of code; who executes it."""

import re
from enum import Enum
from typing import NamedTuple

from tests.support.readme import DOCUMENTS, README, ROOT

PAGES = {
    "README.md": README,
    **{f"docs/{name}": text for name, text in DOCUMENTS.items()},
    **{name: (ROOT / name).read_text() for name in ("CONTRIBUTING.md", "infra/README.md", "training/PROTOCOL.md")},
}
RUNBOOK = "infra/README.md"
TUTORIAL = "docs/tutorial.md"


class Example(NamedTuple):
    """A command without its comment, or a whole block of another language."""

    page: str
    language: str
    text: str

    @property
    def name(self) -> str:
        """A command itself, of which `eurusd` is one form; of a block its page, its language and its first line."""
        if self.language == "console":
            return re.sub(r"^eurusd (?!serve)", "python -m training ", self.text)
        return f"{self.page} {self.language}: {self.text.partition(chr(10))[0].strip()}"


def examples() -> list[Example]:
    """In the order of the pages."""
    found = []
    for page, text in PAGES.items():
        for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
            parts = commands_of(block) if language == "console" else [block]
            found += [Example(page, language, part) for part in parts]
    return found


def commands_of(block: str) -> list[str]:
    """What follows each prompt, to the end of its last line; what is printed is left out."""
    found: list[str] = []
    goes_on = False
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append(line[2:].partition("  #")[0].strip())
        elif goes_on:
            found[-1] += f"\n{line}"
        goes_on = bool(found) and (found[-1].endswith("\\") or found[-1].count("'") % 2 == 1)
    return found


# A whole job takes minutes: these options come behind the command, and make it one of seconds.
SHORT = "--families random_walk,arima --first-year 2026"
ADDED = {
    "python -m training run": SHORT,
    "python -m training tasks --freeze --run EURUSD-nightly-1": "--families random_walk --first-year 2026",
}
# In an order in which each finds what it needs.
EXECUTED = (
    "python -m training prices --fresh --save",
    "python -m training run",
    "python -m training publish models:/EURUSD_ARIMA@challenger",
    "python -m training tasks",
    "python -m training tasks --freeze --run EURUSD-nightly-1",
    "python -m training task --run EURUSD-nightly-1 --index 0",
    "python -m training select --run EURUSD-nightly-1",
    "python -m training forecast",
    "python -m training status",
    "python -m training history",
    "python -m training events",
    "python -m training keys",
    "python -m training rollback",
    "python -m lambda_fn.refresh",
    "python -m lambda_fn.refresh --rollback",
    "python -m lambda_fn.record",
    "python -m lambda_fn.ingest",
    "python -m training clean",
)
# Of a server that goes on: while it does, these are asked.
SERVED = "python -m lambda_fn.server --port 8080"
ASKED = (
    "curl -s 'http://127.0.0.1:8080/api/predict?horizon=3&level=80&format=csv'",
    "curl -s 'http://127.0.0.1:8080/api/predict?horizon=1&level=90'",
    "curl -s 'http://127.0.0.1:8080/api/predict?horizon=22'",
    "curl -s 'http://127.0.0.1:8080/api/predict?horizon=1'",
    "curl -s http://127.0.0.1:8080/health",
)
SHELL = 'docs/operate.md sh: eval "$(eurusd completion bash)"                 # in ~/.bashrc'
ENDS_WITH = {
    "python -m training clean": 2,  # it asks, and here is nobody to answer
    "python -m training forecast": 75,  # every day after the embedded prices has begun
}

_CLI, _FANOUT = "tests/training/commands/test_cli.py", "tests/training/runs/test_fanout.py"
_DEMO, _CLIENT = "tests/test_demo.py", "tests/serving/test_client.py"
_BOOK_RECIPES = "tests/serving/web/test_csv.py::test_the_recipes_for_a_book_read_what_the_api_answers"
_WHOLE_DEMO = f"{_DEMO}::test_it_serves_first_and_swaps_the_champion_of_the_whole_run_in"
_SAM = "tests/e2e/test_sam.py::test_sam_invokes_all_four_functions_and_serves_the_api"
_LOCAL = "tests/infra/test_local.py::test_up_twice_and_down"
_PAIRS = (
    "tests/training/commands/test_pairs.py::test_each_pair_has_a_champion_of_its_own_and_one_that_fails_stops_no_other"
)
_EXTENSION = "tests/test_readme.py::test_the_examples_of_extension_run"
_TUTORIAL = "tests/test_tutorial.py::test_the_commands_work_in_the_order_in_which_they_stand"
_RUNBOOK = "tests/infra/test_runbook.py::test_every_section_can_be_followed_in_a_new_shell"
# The test that runs the same command with less work behind it, or with Docker or another project's client.
_PROTOCOL = "tests/training/runs/test_benchmark_protocol.py"
ELSEWHERE = {
    "docs/operate.md sh: make train": (
        "tests/browser/test_promotion.py::test_a_click_on_mlflows_page_is_served_and_shown"
    ),
    "docs/operate.md sh: python -m infra.hook eurusd-forecast            # registers or renews it, and tests it": (
        "tests/infra/test_hook.py::test_it_is_registered_once_and_renewed"
    ),
    "make demo": _WHOLE_DEMO,
    "eurusd serve --port 8080": "tests/training/commands/test_service.py::test_serve_answers_and_ends_with_its_signal",
    "make demo SERVE=no": "tests/test_project.py::test_make_demo_serves_on_port_or_stops",
    "python -m training run --csv my-prices.csv": f"{_CLI}::test_prices_of_ones_own",
    "python -m training run --fresh": f"{_CLI}::test_current_rates_may_be_required",
    "python -m training run --stored": f"{_FANOUT}::test_the_prices_that_the_store_keeps",
    "python -m training run --workers 4 --seeds 5": f"{_FANOUT}::test_from_freezing_to_publishing",
    "python -m training run --pairs EURUSD,GBPUSD": _PAIRS,
    "python -m training status --pair GBPUSD": _PAIRS,
    "python -m training evaluate --json": f"{_CLI}::test_evaluate_is_the_score_table_of_run_and_writes_nothing",
    "python -m training report": f"{_CLI}::test_the_report_is_one_file_that_needs_nothing_else_and_is_kept_in_mlflow",
    "python -m training report --protocol": f"{_PROTOCOL}::"
    "test_the_report_has_a_row_for_each_span_family_and_horizon_of_a_pair",
    "python -m training demo": _WHOLE_DEMO,
    "README.md python: from lambda_fn.client import Client": (
        f"{_DEMO}::test_the_client_of_the_readme_gets_the_forecast"
    ),
    "docs/api.md json: {": f"{_DEMO}::test_the_document_of_the_api_shows_the_real_answer",
    "docs/api.md python: import tritonclient.http": "tests/serving/web/test_protocols.py::"
    "test_the_client_of_the_open_inference_protocol_gets_it_from_a_server",
    'docs/extend.md toml: [project.entry-points."eurusd_forecast.families"]': "tests/training/test_plugins.py::"
    "test_a_package_adds_a_model_and_a_format",
    "docs/api.md text: let": "tests/serving/web/test_csv.py::test_the_recipe_for_excel_reads_what_the_api_answers",
    "docs/api.md text: // the table Book: currency, amount": _BOOK_RECIPES,
    'docs/api.md text: =IMPORTDATA("https://HOST/api/book?format=csv&currency=EUR&horizon=5&position=" & '
    'TEXTJOIN(",", TRUE, ARRAYFORMULA(IF(A2:A20="", "", A2:A20 & ":" & TEXT(B2:B20, "0")))), ",", "en_US")': (
        _BOOK_RECIPES
    ),
    "python -m training forecast --book book.csv --currency EUR --horizon 5 --csv": (
        "tests/training/commands/test_book.py::test_it_is_the_answer_of_the_api"
    ),
    "docs/api.md python: from lambda_fn.client import Client, forecast_frame": f"{_CLIENT}::"
    "test_the_examples_of_the_document_run",
    "docs/api.md python: table = forecast_frame(closes, h=5, level=[80, 95])": f"{_CLIENT}::"
    "test_the_examples_of_the_document_run",
    "python -m training run --families gru,linear_regression --first-year 2026": _EXTENSION,
    "sam build": _SAM,
    "sam local invoke ApiFunction -e tests/events/predict.json": _SAM,
    "sam local invoke RefreshFunction -e tests/events/s3_put.json": _SAM,
    "sam local start-api": _SAM,
    "make local": _LOCAL,
    "make local-stop": _LOCAL,
}


class Untested(Enum):
    """Why no test executes an example, or a part of it."""

    AWS = "it needs an AWS account"
    VARIABLE = "it sets a variable of the reader's shell"
    WHOLE_SUITE = "it runs all tests or all checks"
    DIAGRAM = "it is drawn where the page is shown"


_COMPOSE = "tests/e2e/test_compose.py::test_a_model_is_trained_registered_activated_and_served"
_PEOPLE = "tests/infra/test_people.py"
_DEPLOY = "tests/infra/test_deploy.py::test_sam_gets_region_architecture_and_all_parameters"
# No test executes these as they stand: the test that checks what they do, in parts, or the reason why there is none.
NOT_EXECUTED: dict[str, str | Untested] = {
    "make test": Untested.WHOLE_SUITE,
    "make check": Untested.WHOLE_SUITE,
    ". .venv/bin/activate": Untested.VARIABLE,
    'export PATH="$PWD/.venv/aws/bin:$PATH"': Untested.VARIABLE,
    "python -m lambda_fn.refresh --pair GBPUSD": "tests/serving/test_served_pairs.py::"
    "test_the_command_tells_each_pair_and_takes_one",
    "export PAIRS=EURUSD,GBPUSD": Untested.VARIABLE,
    "make deploy": _DEPLOY,
    "make sam": "tests/test_project.py::test_sam_is_installed_before_it_is_needed",
    'make deploy STAGE=staging ARGS="AlarmEmail=me@example.com"': _DEPLOY,
    'make deploy STAGE=production ARGS="ChampionPublicKeys=<public key> AlarmEmail=me@example.com"': _DEPLOY,
    'make deploy ARGS="ApiAuth=NONE ReadOnly=true ThrottleRate=5 ThrottleBurst=10"': (
        f"{_PEOPLE}::test_what_everybody_may_do_costs_no_more_than_the_throttle_lets_through"
    ),
    "export AWS_REGION=eu-central-1": Untested.VARIABLE,
    "aws cloudformation describe-stacks --stack-name eurusd-forecast-dev --query 'Stacks[0].Outputs'": Untested.AWS,
    "USE_S3=true S3_BUCKET=eurusd-forecast-dev-123456789012 python -m training run": Untested.AWS,
    "python -m training submit --stack eurusd-training --stored": "tests/training/runs/test_aws_batch.py::"
    "test_the_command_freezes_prints_the_ids_and_ends_as_the_run_does",
    "python -m training report --books": "tests/training/runs/test_book_backtest.py::"
    "test_the_report_has_a_row_for_each_horizon_and_confidence",
    "python -m training report --families calendar_cpi,random_walk --first-year 2002": (
        "tests/training/evaluation/test_touches.py::test_a_perfect_forecast_is_realised"
    ),
    "python -m training report --protocol --workers 2": f"{_PROTOCOL}::test_every_pair_has_rows_for_both_spans",
    "cp .env.example .env": "tests/serving/test_settings.py::"
    "test_the_example_lists_every_variable_with_its_default_and_meaning",
    "export ENV_FILE=local.env": _COMPOSE,
    "make image": "tests/infra/test_deploy.py::test_the_share_that_is_ours",
}
# The same by how a command starts.
_STARTS: dict[str, str | Untested] = {
    "docker compose ": _COMPOSE,
    "docker build --target demo ": "tests/e2e/test_demo_container.py::test_it_serves_its_first_champion",
    "docker run --detach --name eurusd-forecast ": "tests/e2e/test_conformance.py::test_all_fronts_answer_alike",
    "curl -s --aws-sigv4 ": Untested.AWS,
    'make deploy ARGS="ApiAuth=JWT JwtIssuer=https': (
        f"{_PEOPLE}::test_a_token_is_verified_before_the_function_is_invoked"
    ),
    'make deploy ARGS="ApiAuth=JWT JwtIssuer=$POOL ': (
        f"{_PEOPLE}::test_who_may_sign_in_reaches_one_page_without_a_token"
    ),
    "export POOL=": Untested.VARIABLE,
    "curl -s --user ": Untested.AWS,
    "USE_S3=true S3_BUCKET=eurusd-forecast-123456789012 AWS_REGION=": (
        f"{_PEOPLE}::test_the_page_is_served_by_a_server_of_their_own"
    ),
    "aws s3api put-bucket-notification-configuration ": Untested.AWS,
}
HERE = "tests/test_examples.py::test_a_command_does_what_it_says"


def who(example: Example) -> list[str | Untested]:
    """Return the test that executes or checks an example, as `file::test`, or why none does: one for each example."""
    name, page = example.name, example.page
    if page == RUNBOOK and example.language == "console":
        return [_RUNBOOK]
    if page == TUTORIAL:
        return [_TUTORIAL]
    answers: list[str | Untested] = []
    if name in EXECUTED:
        answers.append(HERE)
    if name in (*ASKED, SERVED):
        answers.append("tests/test_examples.py::test_the_server_serves_and_the_requests_are_answered")
    if name == SHELL:
        answers.append("tests/test_examples.py::test_the_shells_set_up_completes_the_command")
    answers += [answer for key, answer in {**ELSEWHERE, **NOT_EXECUTED}.items() if key == name]
    answers += [answer for start, answer in _STARTS.items() if name.startswith(start)]
    if page == "docs/extend.md" and example.language in ("python", "diff", "csv"):
        answers.append(_EXTENSION)
    if example.language == "powerquery":
        answers.append(f"{_PEOPLE}::test_the_query_of_a_spreadsheet_is_answered_with_a_table")
    if example.language == "mermaid":
        answers.append(Untested.DIAGRAM)
    return answers


def named_tests() -> set[str]:
    """Return every `file::test` that an answer of `who`, or one of the lists, names."""
    answers = {answer for example in examples() for answer in who(example)}
    answers |= {*ELSEWHERE.values(), *NOT_EXECUTED.values(), *_STARTS.values()}
    return {answer for answer in answers if not isinstance(answer, Untested)}
