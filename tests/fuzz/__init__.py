"""What strangers send, mutated at random for a while: only our own errors may come of it.

`make fuzz` runs each target for a minute, `make test-all` for FUZZ_SECONDS seconds, 8 by default.
"""
