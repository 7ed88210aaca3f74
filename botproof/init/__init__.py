"""`botproof init`: a first botproof.toml from what a bot was seen to do."""
