"""Hand-written SQL for both engines, one module per table group.

Rows come out as tuples or small structs; no rule of the business is here.
"""
