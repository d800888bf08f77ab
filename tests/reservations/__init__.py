"""Persistent reservations: keys, their file, registrations, and the commands about them."""
