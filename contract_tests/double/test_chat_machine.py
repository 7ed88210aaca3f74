"""Time, rights and polls in a chat: random sequences against a model simpler than the double.

The model knows until when somebody is banned or restricted, when a poll closes and a link expires;
the double has to agree after every step, whether its clock was moved by one jump or by many.
"""

from collections.abc import Mapping
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from botproof.doubles.kit.errors import ControlError
from botproof.doubles.telegram.context import Settings
from botproof.doubles.telegram.machine import Machine
from botproof.doubles.telegram.replies import Reply

TOKEN = "5:" + "M" * 35
GROUP = -1_000_000_000_007
PEOPLE = st.integers(1, 3)
FOREVER = float("inf")
RIGHTS = {
    "status": "administrator",
    "can_restrict_members": True,
    "can_promote_members": True,
    "can_pin_messages": True,
    "can_invite_users": True,
}
SHORTEST, LONGEST = 30, 366 * 86_400


class Chat(RuleBasedStateMachine):
    """`banned` and `muted` by person: until when; `polls` by id: when it closes, and the votes."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = Machine(Settings(seed=3, flood=None))
        self.now = 2_000_000.0
        self.machine.person(TOKEN, {"text": "x", "chat_id": GROUP, "user_id": 1}, self.now)
        members = [{"user": {"id": n}, "status": "member"} for n in (1, 2, 3)]
        own: dict[str, object] = {"id": GROUP, "members": members, "bot": RIGHTS}
        members.append(
            {"user": {"id": 9}, "status": "administrator"}
        )  # whom somebody else made one
        self.machine.chat(TOKEN, own, self.now)
        self.banned: dict[int, float] = {}
        self.muted: dict[int, float] = {}
        self.gone: set[int] = set()
        self.admins: set[int] = set()
        self.polls: dict[str, tuple[float, dict[int, int]]] = {}
        self.links: dict[str, float] = {}

    def call(self, method: str, **params: object) -> Reply:
        reply = self.machine.call(TOKEN, method, {"chat_id": GROUP, **params}, self.now)
        assert isinstance(reply, Reply)
        return reply

    def ok(self, method: str, **params: object) -> Any:
        reply = self.call(method, **params)
        assert reply.is_ok, reply.description
        return reply.result

    def kept_until(self, ahead: int) -> tuple[int, float]:
        """The date of a call, and until when it holds: what is too near or too far is for good."""
        date = int(self.now) + ahead
        holds = SHORTEST <= date - self.now <= LONGEST
        return date, date if holds else FOREVER

    # -- rights ------------------------------------------------------------------------------------

    @rule(person=PEOPLE, ahead=st.sampled_from([-5, 10, 31, 100, 7200, LONGEST + 5000]))
    def ban(self, person: int, ahead: int) -> None:
        date, until = self.kept_until(ahead)
        self.ok("banChatMember", user_id=person, until_date=date)
        self.banned[person] = until
        self.muted.pop(person, None)
        self.admins.discard(person)

    @rule(person=PEOPLE)
    def unban_if_banned(self, person: int) -> None:
        was = self.status(person)
        self.ok("unbanChatMember", user_id=person, only_if_banned=True)
        if was == "kicked":
            self.gone.add(person)
        self.banned.pop(person, None)

    @rule(person=PEOPLE, ahead=st.sampled_from([10, 40, 300]))
    def mute(self, person: int, ahead: int) -> None:
        if self.status(person) not in {"member", "restricted"}:
            return
        date, until = self.kept_until(ahead)
        self.ok("restrictChatMember", user_id=person, permissions={}, until_date=date)
        self.muted[person] = until

    @rule(person=PEOPLE)
    def promote(self, person: int) -> None:
        if self.status(person) in {"kicked", "left"}:
            return
        self.ok("promoteChatMember", user_id=person, can_pin_messages=True)
        self.muted.pop(person, None)
        self.admins.add(person)

    @rule(person=PEOPLE)
    def demote(self, person: int) -> None:
        if self.status(person) != "administrator":
            return
        self.ok("promoteChatMember", user_id=person)
        self.admins.discard(person)

    @rule(person=PEOPLE)
    def title(self, person: int) -> None:
        reply = self.call("setChatAdministratorCustomTitle", user_id=person, custom_title="chief")
        assert reply.is_ok is (self.status(person) == "administrator")

    @rule(method=st.sampled_from(["banChatMember", "promoteChatMember", "restrictChatMember"]))
    def nobody_touches_an_administrator_of_others(self, method: str) -> None:
        assert not self.call(method, user_id=9, permissions={}).is_ok
        assert not self.call("setChatAdministratorCustomTitle", user_id=9, custom_title="x").is_ok
        assert self.ok("unbanChatMember", user_id=9, only_if_banned=True) is True

    @rule(person=PEOPLE)
    def nobody_gives_what_they_have_not(self, person: int) -> None:
        if self.status(person) not in {"kicked", "left"}:
            assert not self.call("promoteChatMember", user_id=person, can_change_info=True).is_ok

    @rule(person=PEOPLE)
    def go(self, person: int) -> None:
        if self.status(person) in {"member", "restricted"}:
            action = {"leave": True, "chat_id": GROUP, "user_id": person}
            self.machine.person(TOKEN, action, self.now)
            self.muted.pop(person, None)
            self.gone.add(person)

    @rule(person=PEOPLE)
    def come_in(self, person: int) -> None:
        action = {"join": True, "chat_id": GROUP, "user_id": person}
        if self.status(person) == "kicked":
            self.refused(action)
        elif self.status(person) == "left":
            self.machine.person(TOKEN, action, self.now)
            self.gone.discard(person)

    def refused(self, action: Mapping[str, object]) -> None:
        try:
            self.machine.person(TOKEN, action, self.now)
        except ControlError:
            return
        raise AssertionError(f"{action} was done")

    def status(self, person: int) -> str:
        if self.banned.get(person, 0) > self.now:
            return "kicked"
        if person in self.banned or person in self.gone:
            return "left"
        if person in self.admins:
            return "administrator"
        return "restricted" if self.muted.get(person, 0) > self.now else "member"

    # -- polls and links ---------------------------------------------------------------------------

    @rule(period=st.sampled_from([5, 60, 600]))
    def ask(self, period: int) -> None:
        sent = self.ok("sendPoll", question="?", options=["a", "b"], open_period=period)
        self.polls[sent["poll"]["id"]] = (sent["poll"]["close_date"], {})

    @precondition(lambda self: self.polls)
    @rule(data=st.data(), person=PEOPLE, option=st.integers(0, 1))
    def vote(self, data: st.DataObject, person: int, option: int) -> None:
        number = data.draw(st.sampled_from(sorted(self.polls)))
        closes, votes = self.polls[number]
        action = {"vote": {"poll_id": number, "options": [option]}, "user_id": person}
        if closes <= self.now:
            self.refused(action)
        else:
            self.machine.person(TOKEN, action, self.now)
            votes[person] = option

    @rule(ahead=st.sampled_from([0, 20, 900]))
    def link(self, ahead: int) -> None:
        terms = {"expire_date": int(self.now) + ahead} if ahead else {}
        made = self.ok("createChatInviteLink", name="one", **terms)
        self.links[made["invite_link"]] = terms.get("expire_date", FOREVER)

    @precondition(lambda self: self.links)
    @rule(data=st.data())
    def edit_sets_all_terms(self, data: st.DataObject) -> None:
        url = data.draw(st.sampled_from(sorted(self.links)))
        changed = self.ok("editChatInviteLink", invite_link=url)
        assert "expire_date" not in changed
        assert "name" not in changed
        self.links[url] = FOREVER

    @precondition(lambda self: self.links)
    @rule(data=st.data(), person=PEOPLE)
    def come_by_link(self, data: st.DataObject, person: int) -> None:
        if self.status(person) != "left":
            return
        url = data.draw(st.sampled_from(sorted(self.links)))
        action = {"join": True, "chat_id": GROUP, "user_id": person, "invite_link": url}
        if self.links[url] <= self.now:
            self.refused(action)
        else:
            self.machine.person(TOKEN, action, self.now)
            self.gone.discard(person)
            self.banned.pop(person, None)

    # -- time --------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1.0, 6.0, 31.0, 400.0, 8000.0]), wakes=st.booleans())
    def move_clock(self, seconds: float, *, wakes: bool) -> None:
        self.now += seconds
        if wakes:  # else the next call has to see that time has passed
            self.machine.wake(self.now)
        for person in [p for p, until in self.banned.items() if until <= self.now]:
            del self.banned[person]
            self.gone.add(person)

    @invariant()
    def the_double_agrees(self) -> None:
        for person in (1, 2, 3):
            told = self.ok("getChatMember", user_id=person)
            assert told["status"] == self.status(person), (person, told)

    def teardown(self) -> None:
        """Every poll is told closed at its time, with the votes that it took."""
        closing = max((closes for closes, _ in self.polls.values()), default=self.now)
        self.now = max(self.now, closing)
        self.machine.wake(self.now)
        updates = self.machine.call(TOKEN, "getUpdates", {"limit": 100}, self.now)
        assert isinstance(updates, Reply)
        for number, (_, votes) in self.polls.items():
            where = self.machine.bots[TOKEN].polls[number]
            poll = self.machine.bots[TOKEN].chats[where[0]].messages[where[1]]["poll"]
            assert poll["is_closed"]
            counted = [option["voter_count"] for option in poll["options"]]
            assert counted == [list(votes.values()).count(n) for n in (0, 1)]


TestChat = Chat.TestCase
TestChat.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
