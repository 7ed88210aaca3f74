"""What an environment variable says, without what env files leave around it."""

_QUOTES = ('"', "'")


def as_meant(value: str) -> str:
    """Return ``value`` without blanks, line ends and one pair of quotation marks around it.

    A shell and Compose take quotation marks away, ``docker run --env-file`` hands them on, and a
    file from Windows leaves a carriage return at the end.

    >>> as_meant('"polling"\\r'), as_meant(" ' 12, 34' "), as_meant('"'), as_meant("a'b'")
    ('polling', '12, 34', '"', "a'b'")
    """
    plain = value.strip()
    if len(plain) > 1 and plain[0] in _QUOTES and plain[0] == plain[-1]:
        return plain[1:-1].strip()
    return plain
