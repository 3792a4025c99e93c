"""The loopback server: the four providers' protocols, with faults on demand."""
