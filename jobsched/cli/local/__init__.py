"""The commands that work on this host's files: they alone import configuration, store and daemon."""
