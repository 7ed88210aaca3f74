"""What goes wrong in a run: when (a schedule drawn from a seed), and how (at the edge)."""
