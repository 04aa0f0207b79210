"""Variables of the environment: just within a rule a value is taken, just beyond it is refused by its name."""

import base64
from pathlib import Path

import pytest

from lambda_fn.settings import Settings, SettingsError

KEY = base64.b64encode(bytes([7] * 32)).decode()
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


@pytest.mark.parametrize(
    ("name", "taken", "refused"),
    [
        *((name, "https://s3.example:8333", "https://s3.example:8333?token=1") for name in ENDPOINTS),
        *((name, "https://s3.example/s3", "https://s3.example/s3?") for name in ENDPOINTS),
        ("ECB_URL", "https://ecb.example/history.zip?format=zip", "https://me@ecb.example/history.zip"),
        ("CHAMPION_PUBLIC_KEYS", KEY, f"{KEY[:9]}*{KEY[9:]}"),
        ("CHAMPION_PUBLIC_KEYS", KEY, f"{KEY[:9]}\n{KEY[9:]}"),
    ],
)
def test_a_value_beyond_its_rule_is_refused(name: str, taken: str, refused: str) -> None:
    Settings.from_env({name: taken})
    with pytest.raises(SettingsError) as error:
        Settings.from_env({name: refused})
    assert str(error.value).startswith(f"{name}:")


def test_an_address_may_have_a_query_where_nothing_prints_it() -> None:
    assert Settings.from_env({"ECB_URL": "https://ecb.example/?a=1"}).ecb_url == "https://ecb.example/?a=1"


@pytest.mark.parametrize(
    "text",
    [
        "[default]\nregion = eu-west-3\n",
        "[default]\nregion = eu-west-3\n[default]\noutput = json\n",
        "[default]\nregion = eu-west-1\nregion = eu-west-3\n",
    ],
)
def test_a_file_of_aws_may_have_a_section_or_a_name_twice(text: str, tmp_path: Path) -> None:
    """As AWS's own tools read it: the last counts."""
    file = tmp_path / "config"
    file.write_text(text)
    assert Settings.from_env({"AWS_CONFIG_FILE": str(file)}).aws_region == "eu-west-3"
