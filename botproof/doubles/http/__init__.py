"""A double for any host: it plays answers that were recorded, and records them."""
