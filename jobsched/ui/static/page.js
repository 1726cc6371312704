// Scripts of the page: what they add, the page can do without.
