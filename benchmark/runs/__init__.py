"""How one run is made, from its spec to what is logged."""
