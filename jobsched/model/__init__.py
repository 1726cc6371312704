"""Words and pure rules: jobs, triggers, runs, what is owed, what may be sent where.

Everybody may import it; it imports nothing of ours, and knows no clock, disk, network or Twisted.
Begin with `job`, `trigger` and `owed`.
"""
