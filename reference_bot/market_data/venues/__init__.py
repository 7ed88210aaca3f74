"""The venues: one module each behind the protocol in `base`."""
