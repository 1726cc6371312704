"""Records and pure rules: jobs, triggers, runs, which dues are owed, where notifications may be sent.

Every other package may import this one. It imports none of them, and uses no clock, disk, network or Twisted.
Begin with `job`, `trigger` and `owed`.
"""
