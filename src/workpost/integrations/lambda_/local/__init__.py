"""Functions that run here: warm worker processes, confined.

`minding` starts and watches one worker in a process of its own; `walls`, `limits` and `calls` are
what it puts around it; `working` is what runs inside; `worker` and `pool` are Workpost's side. All
but the last two import nothing but the standard library.
"""
