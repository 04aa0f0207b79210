"""Every example of the documents: each command of a console block, each other block of code; who executes it."""

import re
from typing import NamedTuple

from tests.support.readme import DOCUMENTS, README, ROOT

PAGES = {
    "README.md": README,
    **{f"docs/{name}": text for name, text in DOCUMENTS.items()},
    **{name: (ROOT / name).read_text() for name in ("CONTRIBUTING.md", "infra/README.md", "training/PROTOCOL.md")},
}
RUNBOOK = "infra/README.md"


class Example(NamedTuple):
    """A command without its comment, or a whole block of another language."""

    page: str
    language: str
    text: str

    @property
    def name(self) -> str:
        """A command itself; of a block its page, its language and its first line."""
        if self.language == "console":
            return self.text
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
ENDS_WITH = {"python -m training clean": 2}  # it asks, and here is nobody to answer

_CLI, _FANOUT = "tests/training/commands/test_cli.py", "tests/training/runs/test_fanout.py"
_DEMO = "tests/test_demo.py"
_SAM = "tests/e2e/test_sam.py::test_sam_invokes_all_three_functions_and_serves_the_api"
_PAIRS = (
    "tests/training/commands/test_pairs.py::test_each_pair_has_a_champion_of_its_own_and_one_that_fails_stops_no_other"
)
_EXTENSION = "tests/test_readme.py::test_the_examples_of_extension_run"
# By a test that has the same words with smaller work behind them, or that needs Docker or another project's client.
ELSEWHERE = {
    "make demo": f"{_DEMO}::demo",
    "make demo SERVE=no": "tests/test_project.py::test_make_demo_serves_on_port_or_stops",
    "python -m training run --csv my-prices.csv": f"{_CLI}::test_prices_of_ones_own",
    "python -m training run --fresh": f"{_CLI}::test_current_rates_may_be_required",
    "python -m training run --stored": f"{_FANOUT}::test_the_prices_that_the_store_keeps",
    "python -m training run --workers 4 --seeds 5": f"{_FANOUT}::test_from_freezing_to_publishing",
    "python -m training run --pairs EURUSD,GBPUSD": _PAIRS,
    "python -m training status --pair GBPUSD": _PAIRS,
    "python -m training evaluate --json": f"{_CLI}::test_evaluate_is_the_score_table_of_run_and_writes_nothing",
    "python -m training report": f"{_CLI}::test_the_report_is_one_file_that_needs_nothing_else_and_is_kept_in_mlflow",
    "python -m training report --protocol": "tests/training/runs/test_protocol.py::"
    "test_the_report_has_a_row_for_each_span_family_and_horizon_of_a_pair",
    "python -m training demo": f"{_DEMO}::demo",
    "README.md python: import json, urllib.request": f"{_DEMO}::test_the_client_of_the_readme_gets_the_forecast",
    "docs/api.md json: {": f"{_DEMO}::test_the_document_of_the_api_shows_the_real_answer",
    "docs/api.md python: import tritonclient.http": "tests/serving/web/test_protocols.py::"
    "test_the_client_of_the_open_inference_protocol_gets_it_from_a_server",
    "python -m training run --families gru,linear_regression --first-year 2026": _EXTENSION,
    "sam build": "tests/support/e2e/sam.py::build",
    "sam local invoke ApiFunction -e tests/events/predict.json": _SAM,
    "sam local invoke RefreshFunction -e tests/events/s3_put.json": _SAM,
    "sam local start-api": _SAM,
    "make local": "tests/infra/test_local.py::test_up_twice_and_down",
    "make local-stop": "tests/infra/test_local.py::test_up_twice_and_down",
}
_AWS = "it needs an account of AWS, which no test has; infra/README.md has the same, run with stubs by test_runbook.py"
_COMPOSE = "tests/e2e/test_compose.py does the same with the same file, on ports and volumes of its own"
_SAME = "the machine's own test run; it would start itself again"
# By nobody, and why.
NEVER = {
    "make test": _SAME,
    "make check": f"{_SAME}; .ci/run does it",
    'export PATH="$PWD/.venv/aws/bin:$PATH"': "it sets a variable; tests of SAM are started with the same PATH",
    "python -m lambda_fn.refresh --pair GBPUSD": "it needs a second pair's champion; without --pair it is executed",
    "export PAIRS=EURUSD,GBPUSD": "it sets a variable; tests of pairs are started with it",
    "sam deploy": _AWS,
    "make deploy": f"{_AWS}, and infra.deploy by test_deploy.py",
    'make deploy STAGE=staging ARGS="AlarmEmail=me@example.com"': f"{_AWS}, and infra.deploy by test_deploy.py",
    'make deploy STAGE=production ARGS="ChampionPublicKeys=<public key>"': "the key stands for one's own; as above",
    "aws cloudformation describe-stacks --stack-name eurusd-forecast-dev --query 'Stacks[0].Outputs'": _AWS,
    "USE_S3=true S3_BUCKET=eurusd-forecast-dev-123456789012 python -m training run": _AWS,
    "python -m training submit --stack eurusd-training --stored": f"{_AWS}; test_batch.py has its words",
    "python -m training report --protocol --workers 2": "minutes: eight pairs over two spans",
    "cp .env.example .env": "with what is in it nothing starts until one's own bucket is put in",
    "export ENV_FILE=local.env": _COMPOSE,
    "make image": "tests/e2e builds the same image with docker build, and test_image.py has the command's words",
}
_DIAGRAM = "a diagram, which whoever shows the page draws"
_STARTS = {
    "docker compose ": _COMPOSE,
    "docker run --detach --name eurusd-forecast ": "it needs a bucket of AWS; tests/e2e starts the image on its own",
    "curl -s --aws-sigv4 ": _AWS,
    "aws s3api put-bucket-notification-configuration ": f"{_AWS}; it names a function of one's own",
}


def reasons() -> set[str]:
    """Why nobody executes an example."""
    return {*NEVER.values(), *_STARTS.values(), _DIAGRAM}


def who(example: Example) -> list[str]:
    """Who executes it: this module's lists, a test, or nobody for a reason. Each example has exactly one."""
    name, page = example.name, example.page
    found = ["here"] if name in (*EXECUTED, *ASKED, SERVED, SHELL) else []
    found += [ELSEWHERE[name]] if name in ELSEWHERE else []
    found += [f"never: {NEVER[name]}"] if name in NEVER and page != RUNBOOK else []
    found += [f"never: {reason}" for start, reason in _STARTS.items() if name.startswith(start) and page != RUNBOOK]
    if page == "docs/extend.md" and example.language in ("python", "diff", "csv"):
        found.append(_EXTENSION)
    if page == RUNBOOK and example.language == "console":
        found = ["tests/infra/test_runbook.py::test_every_section_can_be_followed_in_a_new_shell"]
    if example.language == "mermaid":
        found.append(f"never: {_DIAGRAM}")
    return found
