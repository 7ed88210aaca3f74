"""Gates of one build while the machine is made busy: `python -m botproof.noise`, `nox -s noise`."""
