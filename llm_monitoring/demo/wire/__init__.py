"""The four providers' wire formats, as the loopback server writes them."""
