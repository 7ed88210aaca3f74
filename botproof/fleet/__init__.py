"""What runs on a machine, and how it differs from what is committed and from what was judged.

`shape` makes comparable facts of Compose's and Docker's documents, `differences` compares them:
both are pure. `host` asks Docker, Compose and git, `webhook` Telegram; nothing here changes
anything on the host.
"""
