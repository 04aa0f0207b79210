"""Tests assert behaviour, and the wording of the product is in one snapshot."""

from tests import sentences


def test_the_snapshot_has_every_sentence_of_the_product() -> None:
    assert sentences.SNAPSHOT.read_text().splitlines() == sentences.sentences(), "run `make sentences`"


def test_a_template_has_the_sentences_between_its_tags_and_blocks() -> None:
    template = '{# no #}<p class="x">A <b>{{ n }}</b> c{% if "d" %}e{% endif %}</p><i aria-label="f"></i>'
    texts = [text for text in sentences.template_strings(template) if text]
    assert texts == ["d", "f", "A {} c", "e"]


def test_no_test_repeats_a_sentence_of_the_product() -> None:
    assert sentences.asserted() == []
