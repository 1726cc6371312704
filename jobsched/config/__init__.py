"""The files of an operator: jobsched.cfg, catalog.cfg, tokens.cfg, checked when they are read.

Imports `model` and the modules for task authors. Everything above `store` may import it.
Begin with `options`; `catalog` turns sections into tasks.
"""
