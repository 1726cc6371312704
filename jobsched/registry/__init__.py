"""The door: everything that a caller may ask for. It decides and stores the intent; others carry it out.

Imports `runner.launch`, `audit`, `store/contract` and below. `rest` asks it; `service` makes it.
Begin with `registry`, then `orders`.
"""
