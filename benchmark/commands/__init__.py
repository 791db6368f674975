"""The commands of ``bench``: thin bodies that import what is heavy themselves."""
