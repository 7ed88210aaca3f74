"""What the bot's token looks like: the settings take nothing else, the log shows nothing like it.

Source: `ClientManager::send` in ClientManager.cpp of the open-source Bot API server takes up to 80
characters with a colon and without a slash, of which those before the colon are a number below
2**54 that begins with no 0. What follows the colon only Telegram's own servers judge: the tokens in
its documents have 34 and 35 characters there, of the alphabet of base64url.
"""

import re
from typing import Final

TOKEN: Final = re.compile(r"[1-9][0-9]{0,16}:[A-Za-z0-9_-]{24,70}")
