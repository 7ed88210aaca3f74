"""Two builds, measured turn by turn: is B worse than A, and by how much?"""
