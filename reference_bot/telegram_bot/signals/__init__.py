"""Auto-signals: at every interval boundary the pairs are judged, and who asked for it hears of it.

``slots`` knows the clock, ``scheduler`` judges and stores, ``sender`` sends, ``subscriptions`` is
what commands see. ``model`` says what a book of signals promises; ``sqlite`` and ``redis`` keep it.
"""
