"""Formatted text: what the parse modes mean, and the words in which they refuse."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from botproof.doubles.telegram.entities import (
    EntityError,
    Parsed,
    detect,
    html,
    markdown,
    markdown_v2,
    parse,
    utf16_len,
)

Entities = list[tuple[object, ...]]


def shown(parsed: Parsed) -> Entities:
    """(type, offset, length, and the rest of the values) of each entity."""
    return [tuple(entity.values()) for entity in parsed.entities]


def refusal(text: str, mode: str | None, entities: list[object] | None = None) -> str:
    with pytest.raises(EntityError) as refused:
        parse(text, mode, entities)
    return refused.value.description


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        ("<b>a</b><strong>b</strong>", "ab", [("bold", 0, 2)]),
        ("<i>a</i> <em>b</em>", "a b", [("italic", 0, 1), ("italic", 2, 1)]),
        ("<u>a</u> <ins>b</ins>", "a b", [("underline", 0, 1), ("underline", 2, 1)]),
        ("<s>a</s><strike>b</strike><del>c</del>", "abc", [("strikethrough", 0, 3)]),
        (
            '<tg-spoiler>a</tg-spoiler> <span class="tg-spoiler">b</span>',
            "a b",
            [("spoiler", 0, 1), ("spoiler", 2, 1)],
        ),
        ("<code>a</code>", "a", [("code", 0, 1)]),
        ('<code class="language-py">a</code>', "a", [("code", 0, 1)]),
        ("<pre>a</pre>", "a", [("pre", 0, 1)]),
        ('<pre><code class="language-py">a</code></pre>', "a", [("pre", 0, 1, "py")]),
        ('<code class="language-py"><pre>a</pre></code>', "a", [("pre", 0, 1, "py")]),
        ("<blockquote>a</blockquote>", "a", [("blockquote", 0, 1)]),
        ("<blockquote expandable>a</blockquote>", "a", [("expandable_blockquote", 0, 1)]),
        ('<a href="https://e.org">a</a>', "a", [("text_link", 0, 1, "https://e.org/")]),
        ("<a href='e.org?q'>a</a>", "a", [("text_link", 0, 1, "http://e.org/?q")]),
        ('<a href="tg://user?id=42">a</a>', "a", [("text_mention", 0, 1, {"id": 42})]),
        ("<a>e.org/x</a>", "e.org/x", [("text_link", 0, 7, "http://e.org/x")]),
        ('<a href="junk">a</a>', "a", []),
        ('<tg-emoji emoji-id="5">👍</tg-emoji>', "👍", [("custom_emoji", 0, 2, "5")]),
        ('<tg-time unix="5" format="wDT">a</tg-time>', "a", [("date_time", 0, 1, 5, "wDT")]),
        ('<tg-time unix="5">a</tg-time>', "a", [("date_time", 0, 1, 5)]),
        ("<B>a</b>", "a", [("bold", 0, 1)]),
        ("<b>a</>", "a", [("bold", 0, 1)]),
        ("&lt;&gt;&amp;&quot;&#65;&#x42;&lt", '<>&"AB<', []),
        ("&nbsp;&copy; & &x; &#0;&#9999999;", "&nbsp;&copy; & &x; &#0;&#9999999;", []),
        ("<b></b>a", "a", []),
        # Styles that cover each other in part are cut where the inner one begins.
        ("<b>a<i>b</i></b>", "ab", [("bold", 0, 1), ("bold", 1, 1), ("italic", 1, 1)]),
        # Nothing lies within code; a quote may hold it.
        ("<b><code>a</code></b>", "a", [("code", 0, 1)]),
        ("<blockquote>a<code>b</code></blockquote>", "ab", [("blockquote", 0, 2), ("code", 1, 1)]),
        ("😀<b>é€😀</b>", "😀é€😀", [("bold", 2, 4)]),
    ],
)
def test_html(source: str, text: str, entities: Entities) -> None:
    parsed = parse(source, "HTML")
    assert (parsed.text, shown(parsed)) == (text, entities)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("x <foo>", 'Unsupported start tag "foo" at byte offset 2'),
        ("é😀<foo>", 'Unsupported start tag "foo" at byte offset 6'),
        ("<br/>", 'Unsupported start tag "br/" at byte offset 0'),
        ("a < b", 'Unsupported start tag "" at byte offset 2'),
        ("<{}>", 'Unsupported start tag "{}" at byte offset 0'),
        ("<b", "Unclosed start tag at byte offset 0"),
        ("<a href", 'Unclosed start tag "a" at byte offset 0'),
        ("<a href=", 'Unclosed start tag "a" at byte offset 0'),
        ('<a href="x', "Unclosed start tag at byte offset 0"),
        ("<a href=é>", "Unexpected end of name token at byte offset 8"),
        ('<a ="x">', 'Empty attribute name in the tag "a" at byte offset 0'),
        ('<span class="big">x</span>', 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("<b>x</b", "Unclosed end tag at byte offset 4"),
        ("<b>x</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("<b><i>x</i>", 'Can\'t find end tag corresponding to start tag "b"'),
        ('<tg-emoji emoji-id="x">a</tg-emoji>', "Invalid custom emoji identifier specified"),
        (
            "&#xd800;",
            (
                "Text contains invalid Unicode characters after decoding HTML entities, check for "
                "unmatched surrogate code units"
            ),
        ),
    ],
)
def test_html_refused(source: str, error: str) -> None:
    assert refusal(source, "html") == f"Bad Request: can't parse entities: {error}"


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        (
            "*a* _b_ __c__ ~d~ ||e|| `f`",
            "a b c d e f",
            [
                ("bold", 0, 1),
                ("italic", 2, 1),
                ("underline", 4, 1),
                ("strikethrough", 6, 1),
                ("spoiler", 8, 1),
                ("code", 10, 1),
            ],
        ),
        ("```\na```", "a", [("pre", 0, 1)]),
        ("```py\na```", "a", [("pre", 0, 1, "py")]),
        ("`a_*.b`", "a_*.b", [("code", 0, 5)]),
        ("`\\``", "`", [("code", 0, 1)]),
        ("[a](https://e.org/\\))", "a", [("text_link", 0, 1, "https://e.org/)")]),
        ("[a](tg://user?id=42)", "a", [("text_mention", 0, 1, {"id": 42})]),
        ("![👍](tg://emoji?id=5)", "👍", [("custom_emoji", 0, 2, "5")]),
        ("![a](tg://time?unix=5&format=t)", "a", [("date_time", 0, 1, 5, "t")]),
        (r"1\.5 \- \# \\", r"1.5 - # " + "\\", []),
        (">a\n>b\nc", "a\nb\nc", [("blockquote", 0, 4)]),
        (">a\n>b||\nc", "a\nb\nc", [("expandable_blockquote", 0, 4)]),
        (">a\n**>b||", "a\nb", [("blockquote", 0, 2), ("expandable_blockquote", 2, 1)]),
        ("a\\\n>b", "a\nb", [("blockquote", 2, 1)]),
        ("*a _b_*", "a b", [("bold", 0, 2), ("bold", 2, 1), ("italic", 2, 1)]),
        ("__a _b_ __", "a b", [("underline", 0, 2), ("italic", 2, 1), ("underline", 2, 1)]),
        ("**a", "a", []),
    ],
)
def test_markdown_v2(source: str, text: str, entities: Entities) -> None:
    parsed = parse(source, "MarkdownV2")
    assert (parsed.text, shown(parsed)) == (text, entities)


RESERVED = "Character '%s' is reserved and must be escaped with the preceding '\\'"


@pytest.mark.parametrize(
    ("source", "error"),
    [
        *((f"a{char}", RESERVED % char) for char in "]()>#+-=|{}.!"),
        ("é *a", "Can't find end of Bold entity at byte offset 3"),
        ("_a", "Can't find end of Italic entity at byte offset 0"),
        ("__a", "Can't find end of Underline entity at byte offset 0"),
        ("~a", "Can't find end of Strikethrough entity at byte offset 0"),
        ("||a", "Can't find end of Spoiler entity at byte offset 0"),
        ("`a", "Can't find end of Code entity at byte offset 0"),
        ("```a", "Can't find end of Pre entity at byte offset 0"),
        ("```py a", "Can't find end of PreCode entity at byte offset 0"),
        ("[a", "Can't find end of TextUrl entity at byte offset 0"),
        ("![a", "Can't find end of CustomEmoji entity at byte offset 0"),
        (">*a\nb*", "Can't find end of Bold entity at byte offset 1"),
        ("[a](b", "Can't find end of a URL at byte offset 4"),
        ("![a](b", "Can't find end of a custom emoji URL at byte offset 5"),
        ("![a]", "Custom emoji entity must contain a tg://emoji URL"),
        ("![a](http://x)", "Custom emoji URL must have scheme tg"),
        ("![a](tg://user)", 'Custom emoji URL must have host "emoji"'),
        ("![a](tg://emoji)", "Custom emoji URL must have an emoji identifier"),
        ("![a](tg://emoji?id=x)", "Invalid custom emoji identifier specified"),
    ],
)
def test_markdown_v2_refused(source: str, error: str) -> None:
    assert refusal(source, "MarkdownV2") == f"Bad Request: can't parse entities: {error}"


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        ("*a* _b_ `c`", "a b c", [("bold", 0, 1), ("italic", 2, 1), ("code", 4, 1)]),
        ("```py\na```", "a", [("pre", 0, 1, "py")]),
        ("[a](e.org)", "a", [("text_link", 0, 1, "http://e.org/")]),
        ("[a](tg://user?id=42)", "a", [("text_mention", 0, 1, {"id": 42})]),
        (r"\*a\_ 1.5 - #", "*a_ 1.5 - #", []),
        ("*a _b*", "a _b", [("bold", 0, 4)]),
        ("", "", []),
    ],
)
def test_markdown(source: str, text: str, entities: Entities) -> None:
    parsed = parse(source, "Markdown")
    assert (parsed.text, shown(parsed)) == (text, entities)


@pytest.mark.parametrize(
    ("source", "place"), [("*a", 0), ("é _a", 3), ("snake_case", 5), ("[a", 0), ("```a", 0)]
)
def test_markdown_refused(source: str, place: int) -> None:
    error = f"Can't find end of the entity starting at byte offset {place}"
    assert refusal(source, "markdown") == f"Bad Request: can't parse entities: {error}"


def test_a_parse_mode_that_there_is_not() -> None:
    assert refusal("x", "markup") == "Bad Request: unsupported parse_mode"


def test_a_text_beyond_all_limits() -> None:
    assert refusal("é" * 16_385, None) == "Bad Request: text is too long"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("  a  ", "a"),
        ("\n a\r\nb \n", "a\nb"),
        ("a\tb\x00c\x0bd", "a b c d"),
        ("a\u202eb\u0333c", "abc"),
        (" \n ", ""),
        ("a\u00a0", "a\u00a0"),
    ],
)
def test_texts_are_cleaned_and_trimmed(source: str, text: str) -> None:
    assert parse(source).text == text


def test_trimming_moves_and_cuts_the_entities() -> None:
    assert parse("  x<b>a\r\n </b> ", "HTML") == Parsed(
        "xa", ({"type": "bold", "offset": 1, "length": 1},)
    )
    # Space that an entity covers stays at the front, and goes at the end.
    assert parse("<b> a </b>", "HTML") == Parsed(
        " a", ({"type": "bold", "offset": 0, "length": 2},)
    )


@pytest.mark.parametrize(
    ("text", "entities"),
    [
        ("/price btc", [("bot_command", 0, 6)]),
        ("/price@some_bot btc", [("bot_command", 0, 15)]),
        ("see /help.", [("bot_command", 4, 5)]),
        ("btc/usdt EUR/USD a/b", []),
        ("//x /a/b </x>", []),
        ("😀 /go", [("bot_command", 3, 3)]),
        ("@name a@name @abc @gif", [("mention", 0, 5), ("mention", 18, 4)]),
        ("#tag #1 a#b #bc#d", [("hashtag", 0, 4)]),
        ("$BTC $btc $5 $TOOLONGNAME", [("cashtag", 0, 4)]),
        ("me@e.org", [("email", 0, 8)]),
        ("https://e.org/x?y=1#z, ok", [("url", 0, 21)]),
        ("(see e.com)", [("url", 5, 5)]),
        ("it went up.In total", []),
        ("EXAMPLE.COM", [("url", 0, 11)]),
        ("http://localhost:8000/x", [("url", 0, 23)]),
        ("1.2.3.4 3.14 v1.2", [("url", 0, 7)]),
        ("tg://resolve?domain=x", [("url", 0, 21)]),
        ("price is 61,234.50 USD", []),
    ],
)
def test_what_nobody_marked_is_found(text: str, entities: Entities) -> None:
    assert [tuple(entity.values()) for entity in detect(text)] == entities


def test_what_is_marked_wins_over_what_is_found() -> None:
    assert shown(parse("<code>/price</code> /help", "HTML")) == [
        ("code", 0, 6),
        ("bot_command", 7, 5),
    ]
    assert shown(parse("<b>/price btc</b>", "HTML")) == [
        ("bot_command", 0, 6),
        ("bold", 0, 6),
        ("bold", 6, 4),
    ]


@pytest.mark.parametrize(
    ("given_entities", "kept"),
    [
        ([{"type": "bold", "offset": 0, "length": 2}], [("bold", 0, 2)]),
        ([{"type": "bold", "offset": "0", "length": "2"}], [("bold", 0, 2)]),
        ([{"type": "mention", "offset": 0, "length": 2}], []),
        ([{"type": "pre", "offset": 0, "length": 2, "language": "py"}], [("pre", 0, 2, "py")]),
        ([{"type": "text_link", "offset": 0, "length": 1, "url": "junk"}], []),
        (
            [{"type": "date_time", "offset": 0, "length": 1, "unix_time": 5}],
            [("date_time", 0, 1, 5)],
        ),
        ([{"type": "bold", "offset": 0, "length": 0}], []),
    ],
)
def test_entities_of_the_call(given_entities: list[object], kept: Entities) -> None:
    assert shown(parse("abc", None, given_entities)) == kept


def test_a_parse_mode_outranks_entities_of_the_call() -> None:
    assert shown(parse("*a*", "Markdown", ["junk"])) == [("bold", 0, 1)]


@pytest.mark.parametrize(
    ("text", "entity", "error"),
    [
        ("abc", "junk", "can't parse MessageEntity: expected an Object"),
        ("abc", {"type": "bold"}, "can't parse MessageEntity: Can't find field \"offset\""),
        (
            "abc",
            {"type": "loud", "offset": 0, "length": 1},
            "can't parse MessageEntity: Unsupported type specified",
        ),
        (
            "abc",
            {"type": "bold", "offset": -1, "length": 1},
            "receive an entity with incorrect offset -1",
        ),
        (
            "abc",
            {"type": "bold", "offset": 1, "length": 5},
            "entity beginning at UTF-16 offset 1 ends after the end of the text at UTF-16 offset 6",
        ),
        (
            "abc",
            {"type": "bold", "offset": 9, "length": 5},
            "entity begins after the end of the text at UTF-16 offset 9",
        ),
        (
            "é😀",
            {"type": "bold", "offset": 2, "length": 1},
            "entity begins in a middle of a UTF-16 symbol at byte offset 6",
        ),
    ],
)
def test_entities_of_the_call_refused(text: str, entity: object, error: str) -> None:
    assert refusal(text, None, [entity]) == f"Bad Request: {error}"


MODES = {"HTML": html, "Markdown": markdown, "MarkdownV2": markdown_v2}
# Text with plenty of what the modes are about, beside all the rest of Unicode.
MARKS = st.text(st.sampled_from("_*[]()~`>#+-=|{}.!\\<>&/\"' \n\rab😀é@$:;1"), max_size=40)
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
TAGS = st.lists(
    st.sampled_from(
        [
            "<b>",
            "</b>",
            "<i>",
            "</i>",
            "<code>",
            "</code>",
            "<pre>",
            "</pre>",
            "<a href='e.org'>",
            "</a>",
            "<blockquote>",
            "</blockquote>",
            "*",
            "_",
            "__",
            "||",
            "~",
            "`",
            "```",
            ">",
            "\n",
            "x",
            "😀",
            " ",
            "/go",
            "e.org",
            "[",
            "](e.org)",
        ]
    ),
    max_size=14,
).map("".join)


@pytest.mark.parametrize("mode", MODES)
@settings(deadline=None)  # a busy machine is no failure
@given(text=MARKS | ANY)
def test_an_escaped_text_comes_back_unchanged(mode: str, text: str) -> None:
    assert MODES[mode].parse(MODES[mode].escape(text)) == (text, [])


@pytest.mark.parametrize("mode", [None, *MODES])
@settings(deadline=None)  # a busy machine is no failure
@given(text=MARKS | ANY | TAGS)
def test_whatever_the_text_it_is_read_or_refused(mode: str | None, text: str) -> None:
    try:
        parsed = parse(text, mode)
    except EntityError:
        return
    size = utf16_len(parsed.text)
    for entity in parsed.entities:
        offset, length = entity["offset"], entity["length"]
        assert isinstance(offset, int)
        assert isinstance(length, int)
        assert 0 <= offset < offset + length <= size
    assert parsed.text == parsed.text.rstrip(" \n")
    # What was kept is kept again: the second sending of a text changes nothing.
    again = parse(parsed.text, None, [*parsed.entities])
    assert again == parsed
