"""Where files of strangers are decoded: in processes that may do next to nothing, and may die without harm.

`decoders.run` has a function of ours read a file in such a process, `program.run` has a program such as ffmpeg be one,
both by the process that stands ready (`ready`, `serve`). `command.limited` starts a program by itself, for one that is
fed or writes files. `layers` tells which of the limits this machine can set.
"""
