"""MongoDB: opened, brought to its schema and asked in transactions; nearly all nouns of the contract are there.

Everything that knows MongoDB is here. Nothing outside knows this package but `store.opening`. Begin with `store`, then
`transaction`.
"""
