"""The sealed verdict: a verdict bound to the digests of all that was judged, in a signed envelope.

`dsse` is the envelope and its signature, `keys` the files that sign and verify, `digests` what is
bound, `statement` the document, `verify` the pure function that accepts or refuses it.
"""
