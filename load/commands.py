"""The whole path under load: a person writes, the bot answers, through the Telegram double.

    botproof double telegram --port 8081
    locust -f load/commands.py --headless --host http://127.0.0.1:8081 --token TOKEN

20 updates a second, under Telegram's own limit of 30 messages a second, until the evidence is
enough; with `--no-flood` at the double, `--rate` may be higher. A reply counts from the moment at
which the update was due; one that never comes has failed. Exit code as load/price.py; a double that
fails is an ERROR.
"""

from botproof.workloads.open_loop import Plan, install
from botproof.workloads.whole_path import CommandSender, add_options

__all__ = ["CommandSender"]  # Locust looks for the users in this module

install(Plan(options=add_options, reads_fields=False))
