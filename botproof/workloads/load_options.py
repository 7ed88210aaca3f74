"""The options that every script in `load/` has, and what makes no sense about them."""

from __future__ import annotations

import math
from typing import Any

from botproof.budgets import CAP
from botproof.workloads.load_run import Limits
from botproof.workloads.probe import host_problem

_FEWEST_USERS, _MOST_USERS = 10, 200
"""Many services keep one client address from taking all their connections: market-data lets one
have 256. A load from one machine stays below that unless it is told otherwise."""
_WORKERS_WAIT_S = 60
_MOST_REQUESTS = 10_000_000


def add(parser: Any, *, reads_fields: bool) -> None:
    """Add them to Locust's parser; `--expect` only for scripts whose answers have fields."""
    parser.set_defaults(expect_workers_max_wait=_WORKERS_WAIT_S)
    group = parser.add_argument_group("open loop and budgets (botproof)")
    group.add_argument("--rate", type=float, default=150, help="requests a second (150)")
    group.add_argument(
        "--arrivals", choices=("constant", "poisson"), default="constant", help="their spacing"
    )
    group.add_argument("--seed", type=int, default=0, help="seed of the Poisson arrivals (0)")
    group.add_argument(
        "--max-requests", type=int, default=CAP, help=f"give up undecided after these ({CAP})"
    )
    group.add_argument(
        "--plan-cap",
        type=int,
        default=0,
        help="requests for which the test is planned, where this run is a part of several "
        "(--max-requests)",
    )
    group.add_argument(
        "--before",
        default="0:0:0",
        help="requests:failed:unsure of the earlier parts of such a run",
    )
    if reads_fields:
        group.add_argument(
            "--expect",
            default="",
            metavar="FIELDS",
            help="fields that a good answer has, with commas between, such as data.price, or "
            "/price:data.price for one path only, or data.base={symbol} for the symbol of the "
            "question; an answer that lacks one has failed",
        )
    group.add_argument(
        "--no-probe", action="store_true", help="send at once: the host is known to be there"
    )
    group.add_argument(
        "--whole",
        action="store_true",
        help="send all --max-requests whatever comes of them, and judge at the end",
    )
    group.add_argument(
        "--latency-budget", type=float, default=2.0, help="seconds; a later answer is a failure (2)"
    )
    group.add_argument(
        "--rollback-latency",
        type=float,
        default=5.0,
        help="seconds; more than 3 consecutive requests over it are a FAIL (5)",
    )
    group.add_argument(
        "--give-up",
        type=float,
        default=0.0,
        help="seconds after which a request counts as never answered (6, or the latency budget "
        "if that is longer)",
    )
    group.add_argument(
        "--error-budget", type=float, default=0.001, help="tolerated share of failures (0.001)"
    )
    group.add_argument(
        "--request-log",
        env_var="BOTPROOF_REQUEST_LOG",
        default="",
        help="write a JSON line for each request to this file",
    )
    group.add_argument(
        "--histogram",
        default="",
        help="write the latencies' HdrHistogram (V2, base64) to this file",
    )


def problems(options: Any) -> list[str]:
    """Return what makes no sense about them, a line each, with what would."""
    found = []
    # With the web page, the host may still be typed in there.
    host = host_problem(options.host) if options.headless else ""
    if host:
        found.append(host)
    if not options.rate > 0:
        found.append(f"--rate is {options.rate}; it must be above 0 requests a second")
    if not 1 <= options.max_requests <= _MOST_REQUESTS:
        found.append(f"--max-requests is {options.max_requests}; it must be 1 to {_MOST_REQUESTS}")
    if not options.latency_budget > 0:
        found.append(f"--latency-budget is {options.latency_budget}; it must be above 0 seconds")
    if 0 < options.give_up < options.latency_budget:
        found.append(
            f"--give-up is {options.give_up}; it must be at least the latency budget, "
            f"{options.latency_budget}"
        )
    if not 0 < options.error_budget < 1:
        found.append(f"--error-budget is {options.error_budget}; it must be between 0 and 1")
    if _before(options) is None:
        found.append(f"--before is {options.before!r}; it must be like 2000:1:0")
    return found


def _before(options: Any) -> tuple[int, int, int] | None:
    parts = options.before.split(":")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        return None
    requests, failed, unsure = map(int, parts)
    return (requests, failed, unsure) if failed + unsure <= requests else None


def enough_users(options: Any) -> int:
    """Return users for all requests that may wait within their latency budget, 200 at the most.

    With fewer a host that answers in time, but not at once, would be asked too late, and the
    load would measure the lack of users.
    """
    needed = math.ceil(float(options.rate) * float(options.latency_budget))
    return min(max(needed, _FEWEST_USERS), _MOST_USERS)


def limits(options: Any, earliest_pass: int) -> Limits:
    """Return what a run with these options is judged by."""
    return Limits(
        latency_budget=options.latency_budget,
        error_budget=options.error_budget,
        rollback_latency=options.rollback_latency,
        cap=options.plan_cap or options.max_requests,
        send=options.max_requests,
        before=_before(options) or (0, 0, 0),
        earliest_pass=earliest_pass,
        whole=options.whole,
    )
