"""Everything that is asked of a database.

Imports `model` and the bottom modules. Everything above may import it.
Begin with `sql`, which is the one implementation.
"""
