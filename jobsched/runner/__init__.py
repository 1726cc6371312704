"""Executes runs on this node: processes, threads and coroutines, their ends and their output.

Imports `store`, `config` and below.
Begin with `runner`, then `process` and `deadline`.
"""
