"""From a sealed verdict to users, and back: `botproof deploy`, `rollback` and `rehearse`.

Data flows one way: `plan` says which steps there are, `engine` takes them one after the other and
writes each into the `journal`, `steps` does and undoes one, and `host` alone talks to Docker and
Telegram. docs/rollout.md says what a kill at each step leaves, and what the next call does.
"""
