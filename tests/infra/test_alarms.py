"""The alarms watch metrics that the functions really emit, under the same names and dimensions."""

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from lambda_fn import api, ingest, refresh
from lambda_fn.contract import Active, Pointer
from lambda_fn.jobs import activation
from lambda_fn.prices import ecb
from lambda_fn.prices.ecb import EcbError
from lambda_fn.store.keys import serving_key
from tests.support.api_gateway import LambdaContext
from tests.support.infra.aws_tools import ROOT, stack

OURS = "EurUsdForecast"


def alarms() -> dict[str, Any]:
    return {name: each["Properties"] for name, each in stack().items() if each["Type"] == "AWS::CloudWatch::Alarm"}


def watched() -> set[tuple[str, frozenset[tuple[str, str]]]]:
    """Name and dimensions of each of our own metrics that an alarm reads."""
    single = [each for each in alarms().values() if each.get("Namespace") == OURS]
    return {
        (each["MetricName"], frozenset((pair["Name"], pair["Value"]) for pair in each["Dimensions"])) for each in single
    }


def emitted(output: str) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    """Of the lines in CloudWatch's embedded metric format."""
    found = set()
    for line in output.splitlines():
        record = json.loads(line) if line.startswith("{") else {}
        for directive in record.get("_aws", {}).get("CloudWatchMetrics", []):
            assert directive["Namespace"] == OURS
            for names in directive["Dimensions"]:
                dimensions = frozenset((name, record[name]) for name in names)
                found |= {(metric["Name"], dimensions) for metric in directive["Metrics"]}
    return found


def counted_in_the_access_log() -> set[tuple[str, frozenset[tuple[str, str]]]]:
    """What API Gateway answers itself: what the filters take from lines of the access log."""
    resources = stack()
    written = resources["ApiApiGatewayDefaultStage"]["Properties"]["AccessLogSettings"]["Format"]
    found = set()
    for each in resources.values():
        if each["Type"] == "AWS::Logs::MetricFilter":
            assert each["Properties"]["LogGroupName"] == "<AccessLogs>"
            pattern = each["Properties"]["FilterPattern"]
            lines = [
                access_log(written, *case) for case in (("429", "-"), ("503", "-"), ("503", "503"), ("200", "200"))
            ]
            (line,) = [line for line in lines if matches(pattern, line)]
            [counted] = each["Properties"]["MetricTransformations"]
            assert counted["MetricNamespace"] == OURS
            taken = {pair["Key"]: line[pair["Value"].removeprefix("$.")] for pair in counted["Dimensions"]}
            found.add((counted["MetricName"], frozenset(taken.items())))
    return found


def access_log(written: str, status: str, error: str) -> dict[str, str]:
    """A line; a variable without a value is a hyphen."""
    text = written.replace("$context.status", status).replace("$context.error.message", error)
    line: dict[str, str] = json.loads(text)
    return line


def matches(pattern: str, line: dict[str, str]) -> bool:
    """Whether a filter pattern of CloudWatch Logs for JSON takes a line; `*` stands for any text."""
    terms = re.fullmatch(r"\{ (.*) \}", pattern)
    assert terms
    wanted = [re.fullmatch(r'\$\.(\w+) (!?=) "([^"]+)"', term) for term in terms[1].split(" && ")]
    return all(each and fnmatch(line[each[1]], each[3]) == (each[2] == "=") for each in wanted)


def test_the_functions_own_5xx_are_not_the_gateways() -> None:
    """Such as the 503 before the first training, of which API Gateway knows no error."""
    filters = {name: each["Properties"] for name, each in stack().items() if each["Type"] == "AWS::Logs::MetricFilter"}
    pattern = filters["GatewayErrors"]["FilterPattern"]
    written = stack()["ApiApiGatewayDefaultStage"]["Properties"]["AccessLogSettings"]["Format"]
    cases = {("500", "Internal Server Error"): True, ("503", "Service Unavailable"): True, ("503", "-"): False}
    cases |= {("429", "Too Many Requests"): False, ("403", "Forbidden"): False, ("200", "-"): False}
    assert {case: matches(pattern, access_log(written, *case)) for case in cases} == cases


@pytest.fixture
def in_lambda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the store of functions that believe to be in Lambda."""
    for name, value in {
        "STORE_DIR": str(tmp_path),
        "STACK": "eurusd-forecast-dev",
        "USE_S3": "false",
        "AWS_LAMBDA_FUNCTION_NAME": "function",
        "ECB_URL": "http://127.0.0.1:9/none",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(api, "_function", None)
    return tmp_path


def test_every_alarm_of_ours_has_a_metric(
    in_lambda: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused pointer, prices that are missing or refused, and an answer of 503 emit all that is watched."""
    (in_lambda / "models").mkdir()
    (in_lambda / "models/best_model_info.json").write_text("{}")
    (in_lambda / "prices").mkdir()
    day = (datetime.now(UTC) - timedelta(days=3)).date()
    (in_lambda / "prices/EURUSD-ecb.csv").write_text(f"date,close\n{day},1.1\n")
    context = LambdaContext(aws_request_id="1")
    with pytest.raises(activation.Refused):
        refresh.handler({}, context)
    (in_lambda / "serving/active.json").write_bytes(active_champion())
    again = LambdaContext(aws_request_id="2")
    assert refresh.handler({}, again)["forecast"]["outcome"] == "refused", "its file is missing"
    with pytest.raises(EcbError):
        ingest.handler({}, context)
    monkeypatch.setattr(ecb, "download", lambda url: b"no zip")
    with pytest.raises(ingest.Refused):
        ingest.handler({}, context)
    ingest.handler({}, again)  # a second refusal of the same file is no error
    api.handler(json.loads((ROOT / "tests/events/health.json").read_text()), context)
    assert watched() <= emitted(capsys.readouterr().out) | counted_in_the_access_log()
    assert {name for name, _ in watched()} == {
        "AgesKnown",
        "ChampionAgeDays",
        "ChampionRefused",
        "EventDaysLeft",
        "ForecastFallback",
        "ForecastRefused",
        "GatewayErrors",
        "PriceAgeDays",
        "RecordDegraded",
        "ServerErrors",
        "Throttled",
    }


def active_champion() -> bytes:
    """As refresh writes it."""
    pointer = Pointer.parse((ROOT / "tests/support/best_model_info.json").read_bytes())
    assert pointer.champion
    key = serving_key(pointer.champion.sha256)
    known = replace(pointer, generation=1, events_known_through=date(2026, 12, 17))
    return Active(known, pointer.champion, 1, datetime.now(UTC), key).to_json()


def test_every_alarm_reaches_the_topic() -> None:
    assert all(each["AlarmActions"] == ["<Alarms>"] for each in alarms().values())


def test_ages_that_are_not_measured_ring_after_four_days() -> None:
    unknown = alarms()["AgesUnknown"]
    assert unknown["TreatMissingData"] == "breaching"
    assert (unknown["Period"], unknown["EvaluationPeriods"]) == (86_400, 4)
    assert alarms()["ChampionOld"]["TreatMissingData"] == alarms()["PricesOld"]["TreatMissingData"] == "ignore"


def test_the_worst_pair_rings() -> None:
    """All pairs count for the stack, where the maximum of an age is the oldest."""
    worst = {
        "ChampionOld": "Maximum",
        "RecordDegraded": "Maximum",
        "PricesOld": "Maximum",
        "EventsRunOut": "Minimum",
        "AgesUnknown": "Minimum",
    }
    assert {name: alarms()[name]["Statistic"] for name in worst} == worst


def test_what_can_go_wrong_has_an_alarm() -> None:
    kinds = {(each["Namespace"], each["MetricName"]) for each in alarms().values() if "Namespace" in each}
    assert kinds >= {
        ("AWS/Lambda", "Errors"),
        ("AWS/Lambda", "Throttles"),
        ("AWS/Lambda", "Duration"),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
    }
    assert alarms()["ApiSlow"]["ExtendedStatistic"] == "p99"
