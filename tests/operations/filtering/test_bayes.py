"""The arithmetic of judging by words, and that it tells two kinds of mail apart."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.operations.filtering.corpus import Corpus
from workpost.operations.filtering.bayes import chi_square, combine, judge, word_probability
from workpost.operations.filtering.looking import Looked
from workpost.operations.filtering.words import WORDS, hash_words, words_of

KEY = b"k" * 32


@pytest.mark.parametrize(
    ("value", "degrees", "probability"),
    [(0.0, 2, 1.0), (3.841, 2, 0.14653), (18.307, 10, 0.05000), (124.342, 100, 0.05000)],
)
def test_chi_square_is_that_of_the_tables(value: float, degrees: int, probability: float) -> None:
    assert chi_square(value, degrees) == pytest.approx(probability, abs=1e-4)


def test_a_rare_word_says_less_than_a_frequent_one() -> None:
    assert 0.5 < word_probability(1, 0, 100, 100) < word_probability(20, 0, 100, 100) < 1.0
    assert 0.5 > word_probability(0, 1, 100, 100) > word_probability(0, 20, 100, 100) > 0.0
    assert word_probability(0, 0, 100, 100) == 0.5
    assert word_probability(10, 100, 100, 1000) == pytest.approx(0.5)


def test_evidence_for_both_is_undecided() -> None:
    figure = combine([(0.99, 20), (0.01, 20)])
    assert figure == pytest.approx(0.5)


def test_too_few_known_words_say_nothing() -> None:
    assert combine([(0.99, 7), (0.5, 100)]) is None
    assert judge([], 100, 100) is None


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)), max_size=WORDS),
    st.integers(1, 10_000),
    st.integers(1, 10_000),
)
def test_every_count_has_a_judgement(counts: list[tuple[int, int]], spam: int, ham: int) -> None:
    found = judge(counts, spam, ham)
    assert found is None or -4.0 <= found[1] <= 5.0


def learn(corpus: Corpus, each: int) -> tuple[Counter[int], Counter[int]]:
    spam: Counter[int] = Counter()
    ham: Counter[int] = Counter()
    for _ in range(each):
        spam.update(hash_words(words_of(Looked(corpus.unwanted())), KEY))
        ham.update(hash_words(words_of(Looked(corpus.wanted())), KEY))
    return spam, ham


def points(raw: bytes, spam: Counter[int], ham: Counter[int], each: int) -> float:
    words = hash_words(words_of(Looked(raw)), KEY)
    counts = [(spam[word], ham[word]) for word in words if spam[word] + ham[word]]
    found = judge(counts, each, each)
    return found[1] if found is not None else 0.0


def test_two_made_up_kinds_of_mail_are_told_apart() -> None:
    corpus = Corpus()
    spam, ham = learn(corpus, 30)
    unwanted = [points(corpus.unwanted(), spam, ham, 30) for _ in range(100)]
    wanted = [points(corpus.wanted(), spam, ham, 30) for _ in range(100)]
    assert sum(one >= 3.5 for one in unwanted) >= 95
    assert sum(one <= -1.0 for one in wanted) >= 95
    assert not any(one > 0 for one in wanted)
    assert not any(one < 0 for one in unwanted)


# --- words ---


def words(raw: str) -> list[str]:
    return words_of(Looked(raw.encode()))


def test_words_of_places_of_their_own() -> None:
    found = words(
        "From: Ada Lovelace <Ada@Sender.example>\r\nReply-To: x@Other.example\r\n"
        "Subject: Minutes\r\nContent-Type: text/html\r\n\r\n"
        "<p>Read THE minutes at <a href='https://www.Docs.example/1'>this place</a> ok</p>"
    )
    assert found == [
        "from:ada@sender.example", "from:@sender.example", "name:ada", "name:lovelace",
        "reply:@other.example", "subject:minutes", "link:www.docs.example", "link:docs.example",
        "part:text/html", "read", "the", "minutes", "this", "place",
    ]  # fmt: skip


def test_our_own_fields_on_top_change_no_word() -> None:
    raw = Corpus().wanted()
    stamped = (
        b"Return-Path: <a@b.example>\r\nReceived: from x by y; z\r\nX-Workpost-Scan: a\r\n" + raw
    )
    assert words_of(Looked(stamped)) == words_of(Looked(raw))


def test_texts_without_spaces_have_pairs_for_words() -> None:
    assert words("Content-Type: text/plain; charset=utf-8\r\n\r\n会議の資料です")[-4:] == [
        "会議",
        "の資",
        "料で",
        "す",
    ]


def test_a_word_is_another_number_under_another_key() -> None:
    ours, theirs = hash_words(["prize", "casino"], KEY), hash_words(["prize", "casino"], b"o" * 32)
    assert not set(ours) & set(theirs)
    assert ours == hash_words(["casino", "prize"], KEY)
    assert all(-(2**63) <= one < 2**63 for one in ours)


@given(st.binary(max_size=3_000))
def test_no_message_has_too_many_words(raw: bytes) -> None:
    found = words_of(Looked(raw))
    assert len(found) == len(set(found)) <= WORDS
