"""Defects of a target that a gate is proved by: it has to turn red for each, and say why.

`catalogue` reads the defects (data, in defects.toml), `alterations` are what they do to the record
of a good run, `prove` judges each altered record and compares the verdict with what was declared.
Checks are pure functions of a history, so that an altered record is judged exactly as a run of
a target with that defect would be, as far as the record of a gate can show the defect.
"""
