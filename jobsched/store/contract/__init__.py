"""What is asked of a database, whichever it is: records in, records out, grouped by noun.

Imports `model`. Everything above may import it, and knows no more of the store than this.
Begin with `store`, then `orders`; each docstring says all that an implementation must keep to.
"""
