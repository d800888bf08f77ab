"""The daemon's protocol without its sockets: frames, the grammar of commands, and every reply. Pure."""
