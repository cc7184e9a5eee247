"""`autopilot doctor`: what is wrong with this installation and this home, and the command that fixes it."""
