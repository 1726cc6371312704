"""MongoDB: every noun of the contract, in transactions of a replica set.

Everything that knows MongoDB is here. Nothing outside knows this package but `store.opening`. Begin with `store`, then
`transaction`.
"""
