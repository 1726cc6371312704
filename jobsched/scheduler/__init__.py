"""The calendar of this node: timers for jobs that are due soon, claims of dues, the watch for overdue jobs.

Imports `store` and below; knows the runner only as `reconcile.RunnerPort`.
Begin with `scheduler`.
"""
