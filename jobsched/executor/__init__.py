"""Processes that execute runs and outlive the daemon that started them; a preview.

The daemon and its executors speak in `frames` over a Unix socket in the state folder.
"""
