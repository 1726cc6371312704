"""The commands that ask a daemon, a module for each subject."""
