"""What the service tells Prometheus."""

from __future__ import annotations

from functools import partial

from prometheus_client import Counter, Gauge, Histogram, ProcessCollector

from reference_bot.instruments import Instruments

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 5.0)


class Metrics(Instruments):
    """The instruments of the service, and of its process."""

    def __init__(self) -> None:
        super().__init__()
        ProcessCollector(registry=self.registry)
        counter = partial(Counter, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry)
        self._requests = histogram(
            "market_data_request_seconds",
            "Time to answer, by route and status.",
            ("route", "status"),
        )
        self._calls = histogram(
            "market_data_venue_call_seconds",
            "Time of a call to a venue, by venue and outcome.",
            ("venue", "outcome"),
        )
        self._missing = counter(
            "market_data_missing_total",
            "Parts that an answer had to leave out, by venue and reason.",
            ("venue", "reason"),
        )
        self._left_out = counter(
            "market_data_rows_left_out_total",
            "Rows of a venue's lists that could not be used, by venue.",
            ("venue",),
        )
        self._limit_used = gauge(
            "market_data_venue_limit_used_ratio",
            "Share of a venue's own limit that is used, as it told last; by venue and API.",
            ("venue", "api"),
        )
        self._last_good = counter(
            "market_data_last_good_answers_total",
            "Answers from before, given because no venue could be asked.",
        )
        self.cache_stale = gauge(
            "market_data_cache_stale",
            "Values given beyond their lifetime while new ones were fetched.",
        )
        self._shared = counter(
            "market_data_shared_cache_total",
            "What became of calls to the shared cache: hit, miss, unreadable, refused, failed.",
            ("outcome",),
        )
        self._shared_up = gauge(
            "market_data_shared_cache_up",
            "Whether the shared cache is reachable; not there without REDIS_URL.",
            ("kind",),  # a gauge without labels would say 0 where there is none
        )
        self.cache_hits = gauge("market_data_cache_hits", "Answers from the cache.")
        self.cache_misses = gauge("market_data_cache_misses", "Fetches that the cache began.")

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests.labels(route, str(status)).observe(seconds)

    def venue_call(self, venue: str, outcome: str, seconds: float) -> None:
        """Count one call to a venue."""
        self._calls.labels(venue, outcome).observe(seconds)

    def missing(self, venue: str, reason: str) -> None:
        """Count one part that an answer had to leave out."""
        self._missing.labels(venue, reason).inc()

    def left_out(self, venue: str, count: int) -> None:
        """Count rows of a list that could not be used."""
        self._left_out.labels(venue).inc(count)

    def limit_used(self, venue: str, api: str, share: float) -> None:
        """Note what share of a venue's limit is used."""
        self._limit_used.labels(venue, api).set(share)

    def last_good(self) -> None:
        """Count one answer from before."""
        self._last_good.inc()

    def shared(self, outcome: str) -> None:
        """Count one outcome of a call to the shared cache."""
        self._shared.labels(outcome).inc()

    def shared_up(self, *, up: bool) -> None:
        """Say whether the shared cache is reachable."""
        self._shared_up.labels("redis").set(up)
