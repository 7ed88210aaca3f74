"""The watch: asks a running fleet every 30 seconds how it is, and says when that has to be known.

It runs beside the bot on a machine of one gigabyte, so it imports nothing but the standard library;
`python -m botproof.watch` is the small way in. `rules` is pure: samples go in, alerts come out.
"""
