"""The processes that hold models: forked warm, asked over a socket, watched."""
