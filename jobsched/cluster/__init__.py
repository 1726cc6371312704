"""This node among those that share a store: heartbeats, leases, dead nodes, news of changes.

Imports `store` and below.
Begin with `membership`; `alone` stands in its place on SQLite.
"""
