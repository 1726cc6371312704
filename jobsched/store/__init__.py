"""Everything that is asked of a database.

Imports `model` and the bottom modules. Everything above may import it.
Begin with `contract`; `sql` is the one whole implementation, and `opening` finds it. What is decided in a transaction
stands here; `sql` and `mongo` carry it out.
"""
