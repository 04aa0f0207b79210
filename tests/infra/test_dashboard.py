"""The dashboard shows what the functions emit, for this stack and nobody else's."""

import ast
import json
import re
from typing import Any

from lambda_fn.jobs.telemetry import BY_PAIR
from tests.support.infra.aws_tools import ROOT, stack

EMITTING = ("api.py", "refresh.py", "ingest.py", "record/track_record.py", "jobs/hook.py")
SEARCH = r"SEARCH\('\{EurUsdForecast,pair,stack\} stack=\"(\S+)\" MetricName=\"(\w+)\"', '\w+', \d+\)"


def widgets() -> list[dict[str, Any]]:
    (board,) = [each["Properties"] for each in stack().values() if each["Type"] == "AWS::CloudWatch::Dashboard"]
    assert board["DashboardName"] == "eurusd-forecast-dev"
    return list(json.loads(board["DashboardBody"])["widgets"])


def shown() -> list[tuple[str, str, str, str]]:
    """Namespace, name, dimension and its value of each metric; those by pair are searched for."""
    found = []
    for widget in widgets():
        for each in widget["properties"]["metrics"]:
            if isinstance(each[0], str):
                namespace, name, dimension, value = each
            else:
                searched = re.fullmatch(SEARCH, each[0]["expression"])
                assert searched, each
                namespace, name, dimension, value = "EurUsdForecast", searched[2], "stack", searched[1]
            found.append((namespace, name, dimension, value))
    return found


def words(file: str) -> set[str]:
    """The strings of a module."""
    nodes = ast.walk(ast.parse((ROOT / "lambda_fn" / file).read_text()))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_it_shows_metrics_that_are_emitted_of_this_stack() -> None:
    emitted = set().union(*map(words, EMITTING)) | {"Throttled"}  # that one is counted in the access log
    ours = [each for each in shown() if each[0] == "EurUsdForecast"]
    assert {name for _, name, *_ in ours} <= emitted
    assert {(dimension, value) for *_, dimension, value in ours} == {("stack", "eurusd-forecast-dev")}


def test_what_it_searches_by_pair_is_sent_by_pair() -> None:
    metrics = [each for widget in widgets() for each in widget["properties"]["metrics"]]
    searched = [re.fullmatch(SEARCH, each[0]["expression"]) for each in metrics if not isinstance(each[0], str)]
    assert {found[2] for found in searched if found} == BY_PAIR


def test_it_shows_what_an_operator_looks_for() -> None:
    names = {(namespace, name) for namespace, name, *_ in shown()}
    of_ours = {
        "ChampionAgeDays",
        "ChampionGeneration",
        "ChampionRefused",
        "ColdStart",
        "ForecastFallback",
        "ForecastMade",
        "ForecastRefused",
        "Latency",
        "PriceAgeDays",
        "RecordCoverage80",
        "RecordSkill",
        "ServerErrors",
        "Throttled",
    }
    assert {("EurUsdForecast", name) for name in of_ours} <= names
    assert {("AWS/ApiGateway", "Count"), ("AWS/SQS", "ApproximateNumberOfMessagesVisible")} <= names


def test_metrics_of_aws_are_those_of_this_stacks_resources() -> None:
    of_aws = {value.strip("<>").split(".")[0] for namespace, *_, value in shown() if namespace.startswith("AWS/")}
    assert of_aws == {"Api", "ApiFunction", "RefreshFailures", "IngestFailures"} <= stack().keys()


def test_widgets_do_not_overlap() -> None:
    places = [(each["x"], each["y"]) for each in widgets()]
    assert len(places) == len(set(places))
    assert {(each["width"], each["height"]) for each in widgets()} == {(8, 6)}
    assert all(x % 8 == 0 and x < 24 and y % 6 == 0 for x, y in places)
