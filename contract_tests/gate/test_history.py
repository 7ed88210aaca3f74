"""Histories on disk: what is written is what is read, and what is wrong is said."""

from pathlib import Path
from typing import Any, get_type_hints

import pytest

from botproof import history
from botproof.history import EVENT_TYPES, HistoryError, HistoryWriter, read_history
from botproof.targets.recorder import Recorder


def sample(kind: type[history.Event]) -> history.Event:
    """An event with something in every field that has no default."""
    fillers: dict[Any, Any] = {
        str: "x",
        int: 3,
        float: 0.5,
        bool: True,
        tuple[str, ...]: ("a", "b"),
    }
    fillers[tuple[int, ...]] = (1, 2)
    hints = get_type_hints(kind)
    given = {
        name: fillers[hints[name]] for name in kind.__struct_fields__ if hints[name] in fillers
    }
    return kind(**given)


def test_every_event_survives_the_disk(tmp_path: Path) -> None:
    events = [
        history.Run(t=0.0),
        *(sample(kind) for kind in EVENT_TYPES if kind not in (history.Run, history.RunEnded)),
    ]
    events.append(history.RunEnded(t=1.0, events=len(events)))
    with HistoryWriter(tmp_path / "deep" / "h.jsonl") as writer:
        for event in events:
            writer.write(event)
    assert list(read_history(tmp_path / "deep" / "h.jsonl")) == events


def test_events_are_sorted_by_time_and_chosen_by_type_and_stack() -> None:
    late = history.Phase(t=2.0, name="b", edge="begin", stack="one", mode="polling")
    early = history.Phase(t=1.0, name="a", edge="begin", stack="two")
    record = history.History([late, early, history.HarnessError(t=0.0, where="x", message="y")])
    assert record.of(history.Phase) == [early, late]
    assert record.of(history.Phase, stack="one") == [late]
    assert record.stacks == ["two", "one"]
    assert record.mode_of("one") == "polling"
    assert record.mode_of("two") == "two"


def test_each_time_that_a_stack_was_in_a_phase_is_told() -> None:
    edges = [(1.0, "begin"), (2.0, "end"), (5.0, "begin"), (7.0, "end"), (9.0, "begin")]
    marks = [history.Phase(t=t, name="load", edge=edge, stack="one") for t, edge in edges]
    other = history.Phase(t=1.0, name="load", edge="begin", stack="two")
    record = history.History([*marks, other])
    assert record.spans("load", "one") == [(1.0, 2.0), (5.0, 7.0)], "the last has no end yet"


def test_what_a_stack_did_before_its_last_fresh_start_is_not_counted() -> None:
    def asked(t: float, stack: str) -> history.Request:
        return history.Request(t=t, intended=t, latency_s=9.0, ok=False, stack=stack)

    start = history.FreshStart(t=5.0, failure="port_taken", reason="x", stack="one")
    record = history.History([asked(1.0, "one"), asked(1.0, "two"), start, asked(6.0, "one")])
    counted = record.counted().of(history.Request)
    assert [(each.stack, each.t) for each in counted] == [("two", 1.0), ("one", 6.0)]


RUN = '{"type":"run","t":0}\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ('{"type":"phase","t":1,"name":"a","edge":"b"}\n', "line 1: is of type 'phase'"),
        ('{"type":"run","t":1,"format":3}\n', "this botproof reads the formats 1 and 2"),
        (RUN + "nonsense\n" + RUN, "line 2: is not JSON"),
        (RUN + '{"type":"phrase","t":1}\n', "line 2: Invalid value 'phrase'.*known types: .*phase"),
        (RUN + '{"type":"phase","t":1}\n', "line 2: Object missing required field `name`"),
        (RUN + '{"type":"phase","t":"now","name":"a","edge":"b"}\n', r"`str` - at `\$.t`"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text(text)
    with pytest.raises(HistoryError, match=message) as caught:
        read_history(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="cannot be read: No such file"):
        read_history(tmp_path / "none.jsonl")


def test_a_record_that_breaks_off_is_the_harness_failing(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text(RUN + '{"type":"phase","t":1,"na')
    errors = read_history(path).of(history.HarnessError)
    assert [error.message for error in errors] == [
        "the record breaks off in line 2: the harness was killed"
    ]


RUN_OF_BEFORE = '{"type":"run","t":0,"format":1}\n'
PHASE = '{"type":"phase","t":1,"name":"load","edge":"begin"}\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (RUN + '{"type":"run_ended","t":2,"events":1}\n', ""),
        (RUN, "breaks off after 1 lines, without its end"),
        (RUN + PHASE, "breaks off after 2 lines, without its end"),
        (RUN + PHASE + '{"type":"run_ended","t":2,"eve', "breaks off in line 3"),
        (RUN + '{"type":"run_ended","t":2,"events":2}\n', "has 2 lines and ended with 3"),
        (RUN + '{"type":"run_ended","t":2,"events":1}\n' + PHASE, "has 3 lines and ended with 2"),
        (RUN_OF_BEFORE + PHASE, ""),
        (RUN_OF_BEFORE + PHASE[:9], "breaks off in line 2"),
    ],
)
def test_a_record_is_whole_only_with_its_end(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text(text)
    record = read_history(path)
    assert said in record.broken_off
    assert bool(record.broken_off) is bool(said)
    assert len(record.of(history.HarnessError)) == bool(said)


def test_of_many_events_none_is_dropped_on_the_way_to_the_record(tmp_path: Path) -> None:
    marks = [history.Phase(t=float(at), name=f"p{at}", edge="begin") for at in range(500)]
    with HistoryWriter(tmp_path / "h.jsonl") as writer:
        recorder = Recorder(writer)
        with recorder.subscribe(lambda _: True) as queue:
            for event in (history.Run(t=0.0), *marks):
                recorder.record(event)
            heard = [queue.get_nowait() for _ in range(queue.qsize())]
    assert recorder.history().of(history.Phase) == marks
    assert read_history(tmp_path / "h.jsonl").of(history.Phase) == marks
    assert heard[1:] == marks
