"""The short delivery run that is part of every gate: one trial a mode.

A kill and a clean stop at work, an answer that is lost after it took effect, updates that Telegram
delivers again, a start with a backlog. Fewer of each than `botproof delivery`, which finds what
happens rarely; these find what happens every time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from botproof import history
from botproof.checks.delivery import DeliveryPlan
from botproof.config import Config, Delivery
from botproof.delivery.options import DeliveryOptions, plan_of
from botproof.delivery.run import CHECK, play_within
from botproof.targets.stack import Surroundings
from botproof.workloads.door import question_of
from botproof.workloads.vocabulary import keeps_promises

_UPDATES = 40
_RATE = 40.0
_KILLS = 2
_STOPS = 1
_LATE = 6
_DRAIN_S = 10.0


def faults_for(*, promised: bool) -> tuple[Mapping[str, Any], ...]:
    """Return what goes wrong at Telegram in a trial.

    What a webhook has answered may come again, and each bot owes that it is answered once. What
    getUpdates has confirmed never does, by Telegram's document: only a bot that promised to survive
    more (`[delivery]`) is brought that again.
    """
    again = {"kind": "duplicate", "count": 2, **({} if promised else {"door": "webhook"})}
    return {"method": "sendMessage", "kind": "lost_answer", "count": 1}, again


def plan_for(config: Config, modes: int) -> DeliveryPlan:
    """Return what the trials of so many modes set out to do."""
    each = plan_of(_options(config, "", Path()))
    return DeliveryPlan(
        updates=modes * each.updates, kills=modes * each.kills, stops=modes * each.stops
    )


def has_question(config: Config) -> bool:
    """Tell whether there is anything to ask: what a bot does not know it may pass over
    in silence."""
    return keeps_promises(config) or bool(question_of(config))


async def delivery_trial(around: Surroundings, mode: str) -> None:
    """Try one mode; record it in a stack of its own."""
    options = _options(around.config, mode, around.report_dir)
    around.recorder.record(
        history.Trial(t=history.now(), check=CHECK, stack=options.name, mode=mode)
    )
    await play_within(around, options)


def _options(config: Config, mode: str, report_dir: Path) -> DeliveryOptions:
    """Return the options: a bot whose botproof.toml says by `[delivery]` that it survives a kill
    gets kills. Of any other it is asked what every bot owes: that a clean stop and a start lose
    nothing."""
    promised = keeps_promises(config)
    options = DeliveryOptions(
        config=config,
        config_path=report_dir,
        report_dir=report_dir,
        mode=mode,
        updates=_UPDATES,
        kills=_KILLS if promised else 0,
        rate=_RATE,
        late=_LATE,
        stops=_STOPS,
        slow_ends=promised,
        drain_s=_DRAIN_S,
        faults=faults_for(promised=promised),
        label=f"{mode}-delivery",
    )
    if promised:
        return options
    # A chat for each: no reply has to repeat a word.
    asked = Delivery(say=(question_of(config),), chats=options.every)
    return replace(options, config=msgspec.structs.replace(config, delivery=asked))
