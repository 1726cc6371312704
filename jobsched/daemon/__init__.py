"""The process around the service: start and end, reloading, health, logs, sockets, signals, systemd.

Imports `rest` and below. Only `service` and `tap` import it.
Begin with `startup`.
"""
