"""Tests assert behaviour, and the wording of the product is in one snapshot."""

from tests import sentences


def test_the_snapshot_has_every_sentence_of_the_product() -> None:
    assert sentences.SNAPSHOT.read_text().splitlines() == sentences.sentences(), "run `make sentences`"


def test_no_test_repeats_a_sentence_of_the_product() -> None:
    assert sentences.asserted() == []
