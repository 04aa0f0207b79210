"""Tests assert behaviour, and the wording of the product is in one snapshot."""

import re

from tests import sentences
from tests.support.project import ROOT
from training.__main__ import ALIASES, command_line


def test_the_snapshot_has_every_sentence_of_the_product() -> None:
    assert sentences.SNAPSHOT.read_text().splitlines() == sentences.sentences(), "run `make sentences`"


def test_a_template_has_the_sentences_between_its_tags_and_blocks() -> None:
    template = '{# no #}<p class="x">A <b>{{ n }}</b> c{% if "d" %}e{% endif %}</p><i aria-label="f"></i>'
    texts = [text for text in sentences.template_strings(template) if text]
    assert texts == ["d", "f", "A {} c", "e"]


def test_no_test_repeats_a_sentence_of_the_product() -> None:
    assert sentences.asserted() == []


def test_messages_name_the_command_eurusd() -> None:
    """Not the modules behind it, which need no installation and continue to work; and only commands that exist."""
    folders = [ROOT / folder for folder in sentences.PRODUCT]
    texts = {text for folder in folders for path in folder.rglob("*.py") for _, text in sentences.strings(path)}
    texts.update(path.read_text() for folder in folders for path in folder.rglob("*.html"))
    for template in (ROOT / "template.yaml", *(ROOT / "infra").glob("*.yaml")):
        texts.update(re.findall(r"Description: (.*)", template.read_text()))
    assert [text for text in texts if re.search(r"python\S* -m (training|lambda_fn)\b", text)] == []
    named = {name for text in texts for name in re.findall(r"(?<![-\w./:])(?<!command )eurusd ([a-z]+)", text)}
    assert {"run", "refresh", "ingest", "record", "serve", "publish", "rollback", "status"} <= named
    assert named <= {*command_line.commands, *ALIASES}
