"""Which exact law a run follows."""
