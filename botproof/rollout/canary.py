"""`python -m botproof.rollout.canary URL TOKEN`: asks /price at a double, and prints the answer.

What an operator writes for their own chat, a twin has in this.
"""

from __future__ import annotations

import sys

from botproof.doubles.telegram.client import Double, Waited

CHAT = 1999
SECONDS = 10.0


def main(url: str, token: str) -> int:
    """Print what stands in the chat at last, be it an answer or not; return 0."""
    with Double(url, token) as double:
        chat = double.person(CHAT)
        asked = chat.say("/price BTC").message_id or 0
        try:
            print(chat.wait_for(lambda m: m.id > asked and "L/S" in m.text, SECONDS).text)
        except Waited:
            print("\n".join(message.text for message in chat.messages() if message.id > asked))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
