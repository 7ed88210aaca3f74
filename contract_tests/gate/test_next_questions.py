"""Who asks after a silence, and which secrets are tried at a webhook."""

import pytest

from botproof.config import Case
from botproof.users import users_of
from botproof.webhook_abuse import WRONG_SECRET, WRONG_SECRETS, wrong_secrets
from botproof.workloads.after_silence import with_next_questions
from botproof.workloads.scripted import conversations

SILENT = Case(name="edited", kind="edited_message", say="/price", expect="silence")


def test_who_was_met_with_silence_asks_next_in_the_same_chat() -> None:
    played = with_next_questions((Case(name="start", say="/start"), SILENT), "/help")
    _, (edited, then) = conversations(played)
    assert (then.case.name, then.case.say) == ("edited-and-then", "/help")
    assert (then.chat_id, then.user_id) == (edited.chat_id, edited.user_id)
    assert (then.case.expect, then.case.golden) == ("reply", False)
    assert users_of(played) == users_of(played[:2])


@pytest.mark.parametrize(
    "other",
    [
        Case(name="again", kind="edited_message", say="/top", expect="silence"),
        Case(name="room", say="hello", chat_type="group", expect="silence"),
        Case(name="stranger", say="/price", stranger=True, expect="silence"),
        Case(name="in-talk", say="hello", chat="ada", expect="silence"),
        Case(name="answered", say="/top"),
    ],
    ids=lambda case: case.name,
)
def test_one_of_each_kind_asks_and_nobody_who_may_well_get_no_answer(other: Case) -> None:
    names = [case.name for case in with_next_questions((SILENT, other), "/help")]
    assert names == ["edited", other.name, "edited-and-then"]


def test_a_refused_answer_is_a_kind_of_its_own_and_without_a_question_nobody_asks() -> None:
    talk = Case(name="talk", say="hello", expect="silence")
    refused = Case(name="refused", say="/price", fault={"kind": "error"}, expect="silence")
    cases = (talk, refused)
    assert [case.name for case in with_next_questions(cases, "/help")[2:]] == [
        "talk-and-then",
        "refused-and-then",
    ]
    assert with_next_questions(cases, "") == cases


def test_no_secret_that_is_tried_is_the_right_one() -> None:
    tried = {name: given for name, _, given in wrong_secrets("Abc-1")}
    assert tuple(tried) == WRONG_SECRETS
    assert tried == {
        "no_secret": None,
        "wrong_secret": WRONG_SECRET,
        "empty_secret": "",
        "longer_secret": "Abc-1-and-more",
        "cased_secret": "aBC-1",
    }
    assert "cased_secret" not in {name for name, *_ in wrong_secrets("12-34")}
    assert [name for name, *_ in wrong_secrets("")] == ["no_secret"]
