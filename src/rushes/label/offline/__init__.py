"""A service that behaves as the batch API does, on this machine, without a key: to try it, and to test against.

It keeps the protocol, faults included; it is no language model. Its answers come from the colours of the picture and
the words of the title.
"""
