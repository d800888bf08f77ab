"""The language of multipath.conf: text <-> tree, with file:line:column."""
