"""MongoDB, so far in parts: it is opened, brought to its schema and asked in transactions; some nouns are there.

Everything that knows MongoDB is here, and nothing outside knows this package but its tests, until all nouns are there.
Begin with `store`, then `transaction`.
"""
