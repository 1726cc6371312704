"""Everything that is asked of a database.

Imports `model` and the bottom modules. Everything above may import it.
Begin with `contract`; `sql` is the one implementation, and `opening` finds it.
"""
