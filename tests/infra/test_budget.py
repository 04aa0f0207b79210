"""The budget's stack: it mails when the account's month costs more than its limit, or is forecast to."""

import json
import re

from tests.support.infra.aws_tools import ROOT, resources_of, template

GIVEN = {"MonthlyBudget": "40", "AlarmEmail": "me@example.com"}


def test_it_counts_all_costs_of_a_month() -> None:
    (budget,) = resources_of("budget.yaml", **GIVEN).values()
    assert budget["Type"] == "AWS::Budgets::Budget"
    limit = budget["Properties"]["Budget"]
    assert limit == {
        "BudgetName": "eurusd-forecast-dev",
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": "40", "Unit": "USD"},
    }, "without a filter it is of the whole account"


def test_it_mails_before_and_when_the_limit_is_exceeded() -> None:
    (budget,) = resources_of("budget.yaml", **GIVEN).values()
    notices = budget["Properties"]["NotificationsWithSubscribers"]
    kinds = {(each["Notification"]["NotificationType"], each["Notification"]["Threshold"]) for each in notices}
    assert kinds == {("FORECASTED", 100), ("ACTUAL", 100)}
    for each in notices:
        assert each["Notification"]["ComparisonOperator"] == "GREATER_THAN"
        assert each["Notification"].get("ThresholdType", "PERCENTAGE") == "PERCENTAGE"
        assert each["Subscribers"] == [{"SubscriptionType": "EMAIL", "Address": "me@example.com"}]


def test_an_address_is_required_and_the_runbook_gives_each_parameter() -> None:
    parameters = json.loads(template("budget.yaml"))["Parameters"]
    assert [name for name, each in parameters.items() if "Default" not in each] == ["AlarmEmail"]
    assert not re.fullmatch(parameters["AlarmEmail"]["AllowedPattern"], "")
    assert float(parameters["MonthlyBudget"]["MinValue"]) > 0
    command = (
        (ROOT / "infra/README.md").read_text().partition("--template-file infra/budget.yaml")[2].partition("```")[0]
    )
    assert set(re.findall(r"(\w+)=", command)) == parameters.keys()
