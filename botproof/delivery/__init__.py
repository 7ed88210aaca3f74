"""The delivery run: many updates while the bot is killed, and what became of each."""
