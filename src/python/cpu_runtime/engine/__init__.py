"""llama.cpp's server as child processes: starting, asking and ending it."""
