"""What is asked of a database, whichever it is: records in, records out, grouped by noun.

Imports `model`. Everything above may import this package, and knows no more of the store.
Begin with `store`, then `orders`. Each docstring says all that an implementation must do.
"""
