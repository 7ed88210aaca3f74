"""How many files and connections a process may have open.

A process gets its limits from the shell that starts it, and a setting of a shell does not decide a
verdict. What a run starts gets what systemd gives a service: 1,024, which a program may itself
raise up to the hard limit (`DefaultLimitNOFILE=` in systemd-system.conf(5)). The doubles are no
part of what is judged and take all that they may have.
"""

from __future__ import annotations

import resource

from botproof.problems import UsageError

OF_A_SERVICE = 1024


def as_a_service_has() -> None:
    """Limit this process, and what it will start, to what a service has.

    Raises UsageError where the machine does not allow that many.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < OF_A_SERVICE:
        raise UsageError(
            f"this shell allows {most} open files (ulimit -Hn), and a service has "
            f"{OF_A_SERVICE:,}: with fewer the bot would be judged by the shell. Start it from one "
            f"that allows {OF_A_SERVICE:,} or more"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (OF_A_SERVICE, most))


def as_many_as_allowed() -> None:
    """Let this process have as many as its hard limit allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
