"""The calendar of this node: timers for what is due soon, claims when it is due, and what is overdue.

Imports `store` and below; knows the runner only as `reconcile.RunnerPort`.
Begin with `scheduler`.
"""
