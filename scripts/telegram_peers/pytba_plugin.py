"""Points pyTelegramBotAPI's own tests at the double, by its own settings. Loaded with `-p`."""

import os

from telebot import apihelper, asyncio_helper

for _module in (apihelper, asyncio_helper):
    _module.API_URL = os.environ["DOUBLE_URL"] + "/bot{0}/{1}"
    _module.FILE_URL = os.environ["DOUBLE_URL"] + "/file/bot{0}/{1}"
