"""Hand-written SQL for both engines, one module per table group; rows come out as tuples or small structs."""
