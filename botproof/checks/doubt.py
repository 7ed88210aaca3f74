"""Which replies read like errors or apologies: whoever approves them is asked first."""

from __future__ import annotations

import re

_DOUBTFUL = re.compile(
    r"\berrors?\b|\bfail(?:ed|ure)?\b|\bexception\b|traceback|\w+(?:Error|Exception)\b|"
    r"no module named|(?:requires?|missing|invalid|wrong)\W+(?:an? )?api.?key|credentials?\b|"
    r"unauthori[sz]ed|forbidden|"
    r"\bsorry\b|apolog|went wrong|try again|could(?: not|n't)|can(?:not|'t)|unable to|"
    r"not (?:available|found|configured|implemented)|unavailable|timed? ?out|too many requests|"
    r"\bNone\b|\bnan\b|\bundefined\b|\[object Object\]|<class '|<function |\{\w+\}|"
    r"ошибк|извините|не удалось|fehler|entschuldig|erreur|désolé|lo siento|error interno|"
    r"desculpe|错误|失败|抱歉|エラー|申し訳|오류|죄송",
    re.IGNORECASE,
)
"""What answers look like that are none: said by a bot whose data, keys or modules are missing."""
_EXACT = re.compile(r"\bnone\b|\bnan\b", re.IGNORECASE)


def looks_like_an_error(line: str) -> bool:
    """Tell whether a line of a reply reads like an error or an apology, in one of many
    languages."""
    found = _DOUBTFUL.search(line)
    while found is not None:
        word = found.group()
        # "None" and "nan" are figures that are missing; "none" is a word.
        if not _EXACT.fullmatch(word) or word in ("None", "nan", "NaN"):
            return True
        found = _DOUBTFUL.search(line, found.end())
    return False
