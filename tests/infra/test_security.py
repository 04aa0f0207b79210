"""The promises name tests that exist, and the threats alarms that ring."""

import re
from datetime import date

from lambda_fn import __version__
from tests.support.project import ROOT

SECURITY = (ROOT / "infra/SECURITY.md").read_text()
PROMISES, _, THREATS = SECURITY.partition("## Assets")


def test_every_promise_has_a_test_that_exists() -> None:
    rows = re.findall(r"^\| (.+?) \| (.+?) \|", PROMISES, flags=re.MULTILINE)[2:]
    assert len(rows) > 10
    written = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    above = False  # "the same" is that of the row above
    for promise, tests in rows:
        files, functions = re.findall(r"`(tests/[\w/]+(?:\.py)?)`", tests), re.findall(r"`(test_\w+)`", tests)
        assert all((ROOT / file).exists() for file in files), promise
        assert all(f"def {function}(" in written for function in functions), promise
        above = bool(files or functions) or (above and "the same" in tests)
        assert above, promise


def test_it_says_how_to_report_a_vulnerability() -> None:
    section = SECURITY.partition("## Report a vulnerability\n")[2].partition("\n## ")[0]
    assert "privately" in section and "__version__" in section


def test_the_readme_leads_to_it() -> None:
    assert "(infra/SECURITY.md#report-a-vulnerability)" in (ROOT / "README.md").read_text()


def test_the_changelog_has_a_dated_release_of_this_version() -> None:
    """Above it is what the next one will change."""
    titles = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    releases = [re.fullmatch(r"(\d+\.\d+\.\d+) \((.+)\)", title) for title in titles[titles[0] == "Unreleased" :]]
    assert all(releases), titles
    versions = [found[1] for found in releases if found]
    days = [date.fromisoformat(found[2]) for found in releases if found]
    assert versions[0] == __version__ and len(set(versions)) == len(versions)
    assert days == sorted(days, reverse=True)


def test_alarms_are_those_of_the_template() -> None:
    alarms = set(
        re.findall(r"^  (\w+):\n    Type: AWS::CloudWatch::Alarm$", (ROOT / "template.yaml").read_text(), re.M)
    )
    named = set(re.findall(r"`([A-Z][a-z]+[A-Z]\w+)`", THREATS)) - {"ThrottleRate", "ApiAuth", "ChampionPublicKeys"}
    named -= {"MlflowTrackingUri", "BasePath"}
    assert {"ChampionRefused", "PricesOld"} <= named <= alarms
