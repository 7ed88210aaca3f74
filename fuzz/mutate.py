"""Updates of every kind that the Bot API knows, and what may become of them on the way. Seeded."""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any, Final

from botproof.doubles.telegram.spec_examples import example
from botproof.doubles.telegram.spec_model import types

ODD: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    1 << 31,
    1 << 53,
    (1 << 53) + 1,
    1 << 63,
    -(1 << 63),
    10**30,
    10**400,
    0.5,
    -0.0,
    1e308,
    float("inf"),
    float("nan"),
    "",
    " ",
    "0",
    "null",
    "\ud800",
    "\x00",
    "\u202e",
    "\ufeff",
    "a" * 5000,
    "💥" * 300,
    "<b>",
    "&amp;",
    "/help",
    "/price btc",
    "/price",
    "/start@b_bot",
    "/balance",
    "/signal on",
    "price BTC",
    "../../etc",
    "%s%n",
    "' OR 1=1",
    [],
    {},
    [[]],
    [None],
    {"id": None},
    {"id": 1 << 63},
    {"": ""},
    "private",
    "supergroup",
    "bot_command",
)
LARGEST: Final = 4_000_000
"""Characters of a case: several times what a door takes. Fifty times fifty times a long text would
take minutes to write, in which nothing else of the fuzzing is done."""
COMMANDS: Final = (
    "/help",
    "/start",
    "/price btc",
    "/price",
    "/top10 spot",
    "/analysis eth 15m",
    "/volume x 99m",
    "/cvd btc 1h",
    "/volscan 200",
    "/oi",
    "/balance",
    "/pnl",
    "/signal on",
    "/pairs",
    "/nothing",
    "hello",
)
ENDPOINTS: Final = (
    "/price", "/combined_price", "/top_symbols", "/volume_spike", "/cvd", "/volume_scan",
    "/comprehensive_analysis", "/multi_oi", "/forex_pairs", "/balance", "/positions", "/pnl",
)  # fmt: skip
QUESTIONS: Final[tuple[dict[str, Any], ...]] = (
    {"symbol": "BTC"}, {"symbol": "ETH/USDT", "timeframe": "15m"}, {"market": "spot", "limit": 10},
    {"symbol": "EUR/USD"}, {"days": 7}, {}, {"symbol": "BTC", "exchange": "binance"},
)  # fmt: skip


def kinds() -> list[dict[str, Any]]:
    """One update of each kind, and a message with each field that a message can have."""
    found: list[dict[str, Any]] = [{name: value} for name, value in _optional("Update")]
    found += [{"message": _message(**{name: value})} for name, value in _optional("Message")]
    for text in COMMANDS:
        found.append({"message": _message(**typed(text))})
        found.append({"edited_message": _message(**typed(text))})
    for data in ("price BTC", "cvd BTC 1h", "signal on", "gone", ""):
        tap = example("CallbackQuery", data=data, chat_instance="1", message=_message())
        found.append({"callback_query": tap})
    return found


def _optional(name: str) -> Iterator[tuple[str, Any]]:
    for field in types()[name].fields.values():
        if not field.required:
            yield field.name, example("|".join(field.types))


def typed(text: str) -> dict[str, Any]:
    """The fields of a message with a command."""
    end = len(text.split(maxsplit=1)[0])
    return {"text": text, "entities": [{"type": "bot_command", "offset": 0, "length": end}]}


def _message(**more: Any) -> Any:
    person = {"id": 7, "is_bot": False, "first_name": "A"}
    chat = {"id": 7, "type": "private", "first_name": "A"}
    return example("Message", **{"from": person, "chat": chat, "date": 1_767_258_432, **more})


class Mutator:
    """Case after case from a seed: the same seed gives the same cases."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - cases, no secrets
        self._kinds = kinds()

    def update(self, number: int) -> Any:
        """A mutated update; mostly with an id of its own, so that it is not known already."""
        value = copy.deepcopy(self._random.choice(self._kinds))
        chat = self._random.randrange(1, 500)
        _settle(value, chat)
        value["update_id"] = number
        for _ in range(self._random.choice((0, 1, 1, 2, 3, 6))):
            value = self._mutated(value)
        if isinstance(value, dict) and self._random.random() < 0.97:
            value["update_id"] = number
        return value

    def body(self, value: Any) -> bytes:
        """Its bytes; one in twenty is damaged as bytes."""
        data = json.dumps(value, ensure_ascii=self._random.random() < 0.8)
        raw = bytearray(data.encode("utf-8", "surrogatepass"))
        if self._random.random() < 0.05:
            self._damage(raw)
        return bytes(raw)

    def question(self) -> tuple[str, Any]:
        """An endpoint of market-data, and an odd question for it."""
        value: Any = copy.deepcopy(self._random.choice(QUESTIONS))
        for _ in range(self._random.choice((1, 1, 2, 3))):
            value = self._mutated(value)
        if self._random.random() < 0.03:
            value = json.loads("[" * 300 + "]" * 300)
        return self._random.choice(ENDPOINTS), value

    def _mutated(self, value: Any) -> Any:
        places = list(_places(value))
        if not places:
            return self._random.choice(ODD)
        holder, key = self._random.choice(places)
        match self._random.randrange(6):
            case 0 | 1:
                holder[key] = copy.deepcopy(self._random.choice(ODD))
            case 2:
                del holder[key]
            case 3:
                many = self._random.choice((1, 2, 50))
                many = many if _fits(holder[key], many) else 1
                # Copies, so that what changes one of them later does not change them all.
                holder[key] = [copy.deepcopy(holder[key]) for _ in range(many)]
            case 4:
                holder[key] = copy.deepcopy(value) if len(places) < 60 else None
            case 5:
                other, name = self._random.choice(places)
                holder[key] = copy.deepcopy(other[name]) if _fits(value, 2) else None
        return value

    def _damage(self, raw: bytearray) -> None:
        at = self._random.randrange(len(raw)) if raw else 0
        match self._random.randrange(4):
            case 0:
                del raw[at:]
            case 1 if raw:
                raw[at] = self._random.randrange(256)
            case 2:
                raw[at:at] = b"\xff\xfe\x00"
            case _:
                raw += raw[:1000]


def _settle(value: Any, chat: int) -> None:
    """Gives everything in the update to one chat, so that chats are many."""
    for holder, key in _places(value):
        if key in {"chat", "from", "user"} and isinstance(holder[key], dict):
            holder[key]["id"] = chat


def _fits(value: Any, times: int) -> bool:
    return len(json.dumps(value)) * times < LARGEST


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    left = [value]
    while left:
        here = left.pop()
        if isinstance(here, dict | list):
            keys = list(here) if isinstance(here, dict) else list(range(len(here)))
            for key in keys:
                yield here, key
                left.append(here[key])
