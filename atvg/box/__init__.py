"""Where files of strangers are decoded: in processes that may do next to nothing, and may die without harm.

`decoders.run` has a function of ours read a file in such a process, `command.limited` starts a program such as ffmpeg
as one, and `layers` tells which of the limits this machine can set.
"""
