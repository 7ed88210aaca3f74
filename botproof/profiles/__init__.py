"""Who allocated the memory: runs under memray, and what their captures say.

Budgets of processes are judged on processes without a profiler (`checks/memory.py`). What is here
runs beside that: it slows the target down and names libraries and lines.
"""
